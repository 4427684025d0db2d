"""Routes of the extension: import, history, health, and requests that they refuse."""

from typing import Literal

import msgspec
import pytest

from streamusage.api.extension import SessionRecord
from streamusage.core.coverage import Provenance
from streamusage.core.usage import UsageRecord
from tests.streamusage.service.conftest import NOW, Estate, a_record
from tests.support.service.parties.reporting import ReportingAgent, a_session


async def test_import_keeps_existing_records_and_restores_deleted_ones(estate: Estate) -> None:
    changed = a_record() | {"totalSubscribers": 99}
    assert (await estate.import_records(a_record(), a_record("other"), changed)).json() == {"imported": 2, "kept": 1}
    assert (await estate.import_records(changed)).json() == {"imported": 0, "kept": 1}
    assert a_record() in await estate.records()
    await estate.usage("DELETE")
    assert (await estate.import_records(changed)).json() == {"imported": 1, "kept": 0}
    assert await estate.records() == [changed]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'[{"name": "a", "scope": "live",', 400),
        (b'{"errorMessage": "no"}', 422),
        (b'[{"name": "a"}]', 422),
        (b"[1]", 422),
        (b"[" * 100_000, 400),
    ],
)
async def test_invalid_import_imports_nothing(estate: Estate, body: bytes, status: int) -> None:
    answer = await estate.request("POST", "/api/v1/import", content=body)
    assert answer.status_code == status
    assert "nothing was" in answer.json()["errorMessage"]


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"scope": ""}, {"scope": "/live"}, {"scope": "a//b"}, {"startTime": "5"}, {"startTime": 1.5},
     {"startTime": 2**63}, {"totalSubscribers": None}, {"name": "x" * 4097}],
)  # fmt: skip
async def test_one_invalid_record_stops_the_whole_import(estate: Estate, wrong: dict[str, object]) -> None:
    assert (await estate.import_records(a_record("good"), a_record() | wrong)).status_code == 422
    assert await estate.records() == []


async def test_imported_record_has_a_provenance_of_its_own_until_a_server_reports_it(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    await estate.import_records(a_record(start_time=NOW), a_record("other"))
    await agent.sync_up(a_session("p1"))
    answer = await estate.request("GET", "/api/v1/changes")
    by_name = {record["name"]: record for record in answer.json()["records"]}
    assert (by_name["other"]["provenance"], by_name["other"]["imported"]) == ("partial", True)
    assert by_name["stream1"]["provenance"] == "live"
    assert "imported" not in by_name["stream1"]


def test_client_of_an_earlier_version_decodes_an_imported_record() -> None:
    class Before(UsageRecord, frozen=True):
        live: bool
        provenance: Literal["live", "backfilled", "partial", "missing", "lost", "held"]

    record = SessionRecord(**msgspec.structs.asdict(msgspec.convert(a_record(), UsageRecord)), live=False,
                           provenance=Provenance.PARTIAL, imported=True)  # fmt: skip
    decoded = msgspec.json.decode(msgspec.json.encode(record), type=Before)
    assert (decoded.provenance, record.provenance_name) == ("partial", "imported")


async def test_only_an_admin_imports(estate: Estate) -> None:
    for token, status in (("viewer-token", 403), ("edge-1-token", 403), ("wrong", 401), (None, 401)):
        assert (await estate.request("POST", "/api/v1/import", token, json=[a_record()])).status_code == status
    assert await estate.records() == []


@pytest.mark.parametrize(
    "path",
    [
        "changes?limit=0",
        "changes?limit=100001",
        "changes?limit=x",
        "coverage",
        "coverage?from=5",
        "coverage?from=5&to=4",
        "coverage?from=-5&to=4",
        "coverage?from=a&to=b",
        "daily",
        "daily?from=2026-11-18",
        "daily?from=2026-11-18&to=2026-11-17",
        "daily?from=2026-1-1&to=2026-01-02",
        "daily?from=2025-01-01&to=2026-12-31",
        "daily?from=0001-01-01&to=0001-01-01",
        "daily?from=9999-12-31&to=9999-12-31",
        "daily?from=2026-11-18&to=2026-11-18&tz=Mars/Olympus",
        "daily?from=2026-11-18&to=2026-11-18&tz=../../etc/passwd",
        "daily?from=20261118&to=20261118",
        "streams/live/stream1/history",
        "streams/live/stream1/history?from=0&to=60000&step=1000",
        "streams/live/stream1/history?from=0&to=60000&step=0",
        "streams/live/stream1/history?from=0&to=9007199254740992",
        "streams/live/history?from=0&to=60000",
        "streams//history?from=0&to=60000",
        "streams/a//b/history?from=0&to=60000",
    ],
)
async def test_invalid_query_is_400_in_the_documented_shape(estate: Estate, path: str) -> None:
    answer = await estate.request("GET", f"/api/v1/{path}", "viewer-token")
    assert answer.status_code == 400
    assert answer.json().keys() == {"errorMessage", "timestamp"}


async def test_stream_named_history_has_a_history(estate: Estate) -> None:
    answer = await estate.request("GET", "/api/v1/streams/live/a%2Fhistory/history?from=0&to=60000")
    assert (answer.status_code, len(answer.json()["points"])) == (200, 1)
