"""Limits: settings, documentation, and refusals that name limit, value and setting."""

from pathlib import Path

import msgspec
import pytest

from streamusage.api.report import SampleRow, SlotRow
from streamusage.service.limits import LIMIT_FIELDS, LimitError, Limits, limit_name, newly_covered_days, parse_limits
from tests.streamusage.service.conftest import NOW, Estate, an_estate
from tests.support.program import REPOSITORY
from tests.support.service.parties.reporting import ReportingAgent, a_session

DAY = 86_400_000


def test_settings_change_single_limits() -> None:
    assert parse_limits([]) == Limits()
    assert parse_limits(["report-rows=7", "connections=2", "report-rows=8"]) == Limits(report_rows=8, connections=2)


@pytest.mark.parametrize("text", ["", "rows=1", "report_rows=1", "report-rows", "report-rows=", "report-rows=0",
                                  "report-rows=-1", "report-rows=1e3", "report-rows=9007199254740993"])  # fmt: skip
def test_invalid_setting_is_an_error_that_names_the_form(text: str) -> None:
    with pytest.raises(LimitError, match=r"expected (NAME=NUMBER|a whole number)"):
        parse_limits([text])


def test_documentation_lists_every_limit_with_its_default() -> None:
    page = (REPOSITORY / "docs/operating.md").read_text()
    for field in LIMIT_FIELDS:
        assert f"| `{limit_name(field)}` | {getattr(Limits(), field):,} |" in page


def test_days_that_a_report_newly_covers() -> None:
    days = [newly_covered_days(NOW - length, NOW) for length in (-1, 0, 1, DAY, DAY + 1, 40 * DAY, 400 * DAY)]
    assert days == [0, 0, 1, 1, 2, 40, 40]


async def refusals(estate: Estate) -> dict[str, float]:
    lines = (await estate.request("GET", "/metrics")).text.splitlines()
    counts = [line for line in lines if line.startswith("streamtop_limit_refusals_total")]
    return {line.split('"')[1]: float(line.split()[-1]) for line in counts}


@pytest.mark.parametrize("compressed", [False, True])
async def test_refused_report_names_limit_value_and_setting(tmp_path: Path, compressed: bool) -> None:
    limits = Limits(report_rows=40, streams_per_day=3, protocols_per_day=2, report_bytes=100_000)
    async with an_estate(tmp_path, request_limits=limits) as estate:
        agent = ReportingAgent(estate)
        await agent.begin()
        estate.clock.now += 10_000
        samples = [SampleRow(slot=NOW, scope="s", name="n", revision=0, active=1, highest=1)] * 41
        sessions = [a_session(f"p{number}", name=f"n{number}") for number in range(7)]
        slot = SlotRow(slot=NOW, revision=0, connections={"a": 1, "b": 1, "c": 1})
        for rows, status, name, value in (
            (samples, 413, "report-rows", "40"),
            (sessions, 429, "streams-per-day", "3"),
            ([slot], 429, "protocols-per-day", "2"),
            ([a_session(name="n" * 4_000, scope="s" * 4_000)] * 20, 413, "report-bytes", "100,000"),
        ):
            answer = await agent.send(agent.report(*rows, upto_ms=NOW + 10_000))  # type: ignore[misc]
            assert answer.status_code == status, answer.text
            assert answer.json().keys() == {"errorMessage", "timestamp"}
            assert f"the limit {name} is {value} (--limit {name}=N at the service)" in answer.json()["errorMessage"]
            assert (status == 429) == ("retry-after" in answer.headers)
            assert (await refusals(estate))[name] == 1
        assert await estate.records() == []
        assert set(await refusals(estate)) == set(map(limit_name, LIMIT_FIELDS))


async def test_streams_of_covered_days_are_allowed_once(tmp_path: Path) -> None:
    async with an_estate(tmp_path, request_limits=Limits(streams_per_day=2)) as estate:
        agent = ReportingAgent(estate)
        await agent.begin()
        agent.watermark = NOW - 2 * DAY
        for names, status in ((range(6), 200), (range(6), 200), (range(7), 429)):
            answer = await agent.send(agent.report(*[a_session(f"p{n}", name=f"n{n}") for n in names], upto_ms=NOW))
            assert answer.status_code == status, answer.text
            agent.revision += status == 200
        estate.clock.now += DAY
        rows = [a_session(f"p{n}", name=f"n{n}") for n in (7, 8)]
        assert (await agent.send(agent.report(*rows, upto_ms=NOW))).status_code == 200


async def test_requests_in_flight_are_limited_for_each_agent(tmp_path: Path) -> None:
    async with an_estate(tmp_path, request_limits=Limits(requests_in_flight=1)) as estate:
        agent, other = ReportingAgent(estate), ReportingAgent(estate, "origin-1")
        in_flight = estate.running.service.in_flight
        await agent.begin()
        in_flight.begin("edge-1")
        for path, body in (("reports", msgspec.json.encode(agent.report())), ("epochs", b'{"journal":"j"}')):
            answer = await agent.request(path, body)
            assert answer.status_code == 429
            assert "limit requests-in-flight is 1 " in answer.json()["errorMessage"]
        await other.sync_up()
        in_flight.end("edge-1")
        assert (await agent.send(agent.report())).status_code == 200
        assert (await refusals(estate))["requests-in-flight"] == 2
