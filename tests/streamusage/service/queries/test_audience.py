"""Audience of the whole estate by minute: every stream of every server, and what it does not include."""

import pytest

from streamusage.api.report import SampleRow
from streamusage.core.coverage import Interval
from streamusage.service.queries.trends import list_trends
from tests.streamusage.service.conftest import NOW, Estate
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tests.support.service.query_plans import Plans, recorded_plans

MINUTE = 60_000


def a_sample(minute: int, active: int, name: str = "stream1") -> SampleRow:
    return SampleRow(slot=NOW + minute * MINUTE, scope="live", name=name, revision=0, active=active, highest=active)


async def audience(estate: Estate, minutes: int, step: int = MINUTE) -> list[tuple[int | None, str | None]]:
    path = f"/api/v1/trends?from={NOW}&to={NOW + minutes * MINUTE}&step={step}"
    answer = await estate.request("GET", path, "viewer-token")
    assert answer.status_code == 200, answer.text
    found = answer.json()["audience"]
    return list(zip(found["active"], found["state"], strict=True))


async def test_audience_is_the_sum_of_all_streams_also_of_ended_ones(estate: Estate) -> None:
    origin, edge = ReportingAgent(estate, "origin-1", "origin"), ReportingAgent(estate, "edge-1", "edge")
    estate.clock.now = NOW + MINUTE
    await origin.sync_up(a_session("a"), a_sample(0, 2), a_session("b", name="short"), a_sample(0, 30, "short"))
    await edge.sync_up(a_session("c"), a_sample(0, 500))
    estate.clock.now = NOW + 2 * MINUTE
    ended = a_session("b", name="short", live=False, end_time=NOW + MINUTE + 1_000)
    await origin.sync_up(ended, a_session("a"), a_sample(1, 4))
    await edge.sync_up(a_session("c"), a_sample(1, 600))
    states = ["backfilled", "backfilled"]
    assert await audience(estate, 2) == list(zip([532, 604], states, strict=True))
    assert await audience(estate, 2, step=7 * MINUTE) == [(604, "backfilled")]


async def test_minutes_of_an_unseen_server_are_lower_bounds_until_they_are_filled(estate: Estate) -> None:
    origin, edge = ReportingAgent(estate, "origin-1", "origin"), ReportingAgent(estate, "edge-1", "edge")
    estate.clock.now = NOW + 10_000
    await origin.sync_up(a_session("a"), a_sample(0, 2))
    await edge.sync_up(a_session("c"), a_sample(0, 500))
    estate.clock.now = NOW + MINUTE + 10_000
    await origin.sync_up(a_session("a"), a_sample(1, 3))
    assert await audience(estate, 2) == [(502, "missing"), (3, "missing")]
    await edge.sync_up(a_session("c"), a_sample(0, 500), a_sample(1, 501))
    assert await audience(estate, 2) == [(502, "backfilled"), (504, "live")]


async def test_minute_that_a_server_has_still_to_report_is_partial(estate: Estate) -> None:
    origin, edge = ReportingAgent(estate, "origin-1", "origin"), ReportingAgent(estate, "edge-1", "edge")
    estate.clock.now = NOW + 10_000
    await origin.sync_up(a_session("a"), a_sample(0, 2))
    estate.clock.now = NOW + MINUTE - 5_000
    await edge.sync_up(a_session("c"), a_sample(0, 500))
    estate.clock.now = NOW + MINUTE + 1_000
    await origin.sync_up(a_session("a"), a_sample(0, 2), a_sample(1, 2))
    assert (await audience(estate, 2))[1] == (2, "partial"), "edge-1 may report this minute in time"
    estate.clock.now = NOW + MINUTE + 3_000
    await edge.sync_up(a_session("c"), a_sample(1, 500))
    estate.clock.now = NOW + 2 * MINUTE
    assert (await audience(estate, 2))[1] == (502, "missing")


async def test_minutes_before_the_first_server_and_after_now_are_unknown(estate: Estate) -> None:
    assert await audience(estate, 2) == [(None, None)] * 2
    agent = ReportingAgent(estate, "edge-1")
    agent.watermark = estate.clock.now = NOW + MINUTE
    estate.clock.now += 5_000
    await agent.sync_up()
    assert await audience(estate, 3) == [(None, None), (0, "live"), (None, None)]


@pytest.mark.parametrize("live", [True, False])
async def test_audience_reads_no_table_as_a_whole(estate: Estate, live: bool) -> None:
    agent = ReportingAgent(estate, "edge-1")
    estate.clock.now += MINUTE
    await agent.sync_up(a_session(live=live, end_time=NOW + 30_000), a_sample(0, 2))
    plans = Plans()
    with estate.running.service.store.reading() as connection, recorded_plans(connection, plans):
        found = list_trends(connection, Interval(NOW, NOW + MINUTE), MINUTE, estate.clock.now)
    assert found.audience is not None
    assert found.audience.active == [2]
    assert not plans.scans.keys() & {"samples", "server_sessions"}, plans.scans
