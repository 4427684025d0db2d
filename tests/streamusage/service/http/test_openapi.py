"""Fuzzed requests generated from the OpenAPI document, on both engines: every failure is documented, the service does
not crash, and only named records are deleted."""

import asyncio
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import jsonschema_rs
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from streamusage.api.report import Based, Baseline, PeakWindow, Report, SampleRow, SessionRow, SlotRow, SpanRow
from streamusage.core.usage import StreamId, stream_path
from streamusage.service.retention import DAY_MS
from tests.streamusage.service.conftest import ENGINES, NOW, USAGE, OwnedClock, a_record, an_estate
from tests.support.service.parties.reporting import Rows, a_session
from tests.support.waiting import LONGEST_WAIT_S

TOKEN = "admin-token"
KEPT = a_record("keep me", "safe/place")
EXAMPLES = 25


class ServiceInThread:
    """A service in a thread, for tests without an event loop."""

    def __init__(self, folder: Path, store_url: str | None) -> None:
        self._folder, self._store_url = folder, store_url
        self._loop = asyncio.new_event_loop()
        self._up, self._over = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()))
        self._thread.start()
        assert self._up.wait(LONGEST_WAIT_S)

    async def _serve(self) -> None:
        async with an_estate(self._folder, OwnedClock(), self._store_url) as estate:
            await estate.import_records(KEPT)
            self.url = estate.running.url
            self._up.set()
            await self._over.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(LONGEST_WAIT_S)


@pytest.fixture(params=ENGINES, scope="module")
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("fuzzed")
    if request.param == "sqlite":
        service = ServiceInThread(folder, None)
        yield service.url
        service.stop()
    else:
        with request.getfixturevalue("postgresql").database() as store_url:
            service = ServiceInThread(folder, store_url)
            yield service.url
            service.stop()


DELETES_ALL = {f"DELETE {USAGE.replace('4.0', version)}" for version in ("3.1", "4.0")}


def test_every_answer_matches_the_openapi_document(url: str) -> None:
    """Covers every documented operation except the two that delete all records."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 20
    for operation in operations:
        if operation.label not in DELETES_ALL:
            _fuzz(operation, url)
    metrics = httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=LONGEST_WAIT_S).text
    answered = re.findall(r'streamtop_requests_total{method="(\w+)",route="([^"]+)",status="(\d+)"}', metrics)
    good, refused = ({pair[:2] for pair in answered if pair[2][0] == digit} for digit in "24")
    assert len(good) > 10, sorted(answered)
    assert len(refused) > 10, sorted(answered)
    assert not [pair for pair in answered if pair[2] == "500"]
    kept = stream_path(StreamId("safe/place", "keep me"))
    assert httpx.get(f"{url}{USAGE}/{kept}?accessToken={TOKEN}", timeout=LONGEST_WAIT_S).json() == [KEPT]


def test_every_json_schema_has_a_valid_example(url: str) -> None:
    document = httpx.get(f"{url}/openapi.json", timeout=LONGEST_WAIT_S).json()
    seen = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for where in (operation.get("requestBody", {}), operation["responses"]["200"]):
                content = where.get("content", {}).get("application/json")
                if content is None:
                    continue
                assert content.get("example"), (method, path)
                schema = content["schema"] | {"components": document["components"]}
                jsonschema_rs.validator_for(schema).validate(content["example"])
                seen += 1
    assert seen > 25


def _fuzz(operation: schemathesis.schemas.APIOperation, url: str) -> None:
    wrong_and_right = st.one_of(
        operation.as_strategy(),
        operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE),
    )

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=wrong_and_right)
    def check_case(case: schemathesis.Case) -> None:
        documented = "/admin/" in case.path
        case.call_and_validate(
            headers=None if documented else {"Authorization": f"Bearer {_token_for(case)}"},
            params={"accessToken": TOKEN} if documented else None,
            checks=[
                not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                response_schema_conformance,
            ],
        )

    check_case()


def _token_for(case: schemathesis.Case) -> str:
    return "edge-1-token" if "/agents/" in case.path else TOKEN


names = st.one_of(
    st.text(min_size=1, max_size=40),
    st.sampled_from(
        ["..", ".", "%2F", "a/b", "/", "//", "\0", "\1", "\x010", "a\0b", "\n", "\u202e", "💥", "%", "?", "#", "'; --"]
    ),
    st.text(alphabet="/.%\0\x01\n ", min_size=1, max_size=8),
    st.just("é" * 4096),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(scope=st.lists(names.map(lambda name: name.replace("/", "_")), min_size=1, max_size=3), name=names, other=names)
def test_any_name_is_stored_found_and_deleted_alone(url: str, scope: list[str], name: str, other: str) -> None:
    stream, neighbour = StreamId("/".join(scope), name), StreamId("/".join(scope), other + "x")
    wanted = [a_record(stream.name, stream.scope), a_record(neighbour.name, neighbour.scope)]
    if max(len(stream.scope), len(stream.name), len(neighbour.name)) > 4096 or stream == neighbour:
        return
    query = f"accessToken={TOKEN}"
    with httpx.Client(base_url=url, timeout=LONGEST_WAIT_S) as http:
        imported = http.post("/api/v1/import", json=wanted, headers={"Authorization": f"Bearer {TOKEN}"})
        assert imported.status_code == 200, imported.text

        def request(method: str, stream: StreamId) -> httpx.Response:
            target = f"{USAGE}/{stream_path(stream)}?{query}".encode()
            return http.send(http.build_request(method, httpx.URL(url).copy_with(raw_path=target)))

        assert request("GET", stream).json() == [wanted[0]]
        assert request("DELETE", stream).status_code == 200
        assert request("GET", stream).status_code == 404
        assert request("GET", neighbour).json() == [wanted[1]]
        assert request("DELETE", neighbour).status_code == 200


numbers = st.one_of(
    st.integers(min_value=-(2**70), max_value=2**70).map(str),
    st.floats().map(str),
    st.sampled_from(["", "1e3", "0x10", "1_000", "١٢٣", "NaN", "null", " 1", "1;", "-0", "9" * 400]),
)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(number=numbers, name=st.sampled_from(["startTime", "from", "to", "limit", "step"]))
def test_any_number_is_accepted_or_refused_and_deletes_nothing(url: str, number: str, name: str) -> None:
    with httpx.Client(base_url=url, timeout=LONGEST_WAIT_S) as http:
        path = stream_path(StreamId("safe/place", "keep me"))
        answer = http.delete(f"{USAGE}/{path}", params={"accessToken": TOKEN, name: number})
        assert answer.status_code in {400, 404}, answer.text
        for path in ("changes", "coverage", "daily", "audit", "orphans", "streams/safe/place/keep%20me/history"):
            headers = {"Authorization": f"Bearer {TOKEN}"}
            answer = http.get(f"/api/v1/{path}", params={"from": "0", "to": "60000"} | {name: number}, headers=headers)
            assert answer.status_code in {200, 400}, answer.text


instants = st.one_of(
    st.integers(0, 2**53),
    st.integers(NOW - 400 * DAY_MS, NOW + 400 * DAY_MS),
    st.sampled_from([0, 1, NOW, NOW - 10 * 365 * DAY_MS, NOW + 10 * 365 * DAY_MS, 253_402_300_800_000, 2**53]),
)


def slots_at(at: int, revision: int) -> SlotRow:
    return SlotRow(slot=at - at % 60_000, revision=revision, bytes_out=revision)


def samples_at(at: int) -> SampleRow:
    return SampleRow(slot=at - at % 60_000, scope="live", name="s1", revision=1, active=1, highest=1)


def sessions_at(at: int, to: int, live: bool) -> SessionRow:
    return a_session(start_time=at, end_time=to, live=live, name=f"s{at % 3}", publish_id=f"p{at % 9}")


states = st.sampled_from(["counted", "partial", "lost"])
rows = st.one_of(
    st.builds(slots_at, instants, st.integers(1, 9)),
    st.builds(SpanRow, from_ms=instants, to_ms=instants, revision=st.just(1), state=states),
    st.builds(sessions_at, instants, instants, st.booleans()),
    st.builds(samples_at, instants),
)
READS = [
    "servers", "changes", "carriers?from=0&to={0}", "coverage?from=0&to={0}", "daily?from=2026-11-17&to=2026-11-19",
    "daily/sums?from=2026-11-01&to=2026-11-30&by=month&group=all", "trends?from={1}&to={2}&step=60000",
    "streams/live/s1/history?from={1}&to={2}&step=60000",
]  # fmt: skip


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(rows, max_size=6), at=instants)
def test_report_of_any_time_is_answered_quickly_and_does_no_harm(
    url: str, caplog: pytest.LogCaptureFixture, rows: list[Rows], at: int
) -> None:
    """Times range from years ago to the far future, spans from a day to ten thousand years."""
    with httpx.Client(base_url=url, timeout=LONGEST_WAIT_S) as http:
        agent = {"Authorization": "Bearer edge-1-token"}
        issued = http.post("/api/v1/agents/edge-1/epochs", content=b'{"journal": "j"}', headers=agent).json()

        def of(kind: type[Rows]) -> tuple[Rows, ...]:
            return tuple(row for row in rows if isinstance(row, kind))

        report = Report(
            server="edge-1", role="edge", life=f"j.{issued['epoch']}", epoch=issued["epoch"], since=0, upto=9,
            sent_at=at, sync_interval_ms=10_000, based_on=Based(**issued["based_on"]),
            baseline=Baseline(
                at=at, boot="b", started_at=0, since=0, bytes_in=0, bytes_out=0, window=PeakWindow(at, 0, 0)
            ),
            slots=of(SlotRow), spans=of(SpanRow),  # type: ignore[arg-type]
            sessions=of(SessionRow), samples=of(SampleRow),  # type: ignore[arg-type]
        )  # fmt: skip
        answer = http.post("/api/v1/agents/edge-1/reports", content=msgspec.json.encode(report), headers=agent)
        is_from_the_future = answer.status_code == 409 and answer.json()["reason"] == "clock"
        assert answer.status_code in {200, 422} or is_from_the_future, answer.text
        for path in READS:
            target = "/api/v1/" + path.format(2**53, NOW - 3_600_000, NOW)
            answer = http.get(target, headers={"Authorization": f"Bearer {TOKEN}"})
            assert answer.status_code == 200, (target, answer.text)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
