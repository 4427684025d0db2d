"""Trends of all live streams equal the history of each stream."""

import random

import pytest

from streamusage.api.report import SampleRow
from streamusage.core.coverage import Interval
from streamusage.core.usage import StreamId
from streamusage.service.queries.history import stream_history
from streamusage.service.queries.trends import list_trends
from tests.streamusage.service.conftest import NOW, Estate
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tests.support.service.query_plans import Plans, recorded_plans
from tests.support.waiting import LONGEST_WAIT_S

MINUTE = 60_000


async def trends(estate: Estate, from_ms: int, to_ms: int, **query: int) -> dict[str, object]:
    parameters = "&".join(f"{name}={value}" for name, value in ({"from": from_ms, "to": to_ms} | query).items())
    answer = await estate.request("GET", f"/api/v1/trends?{parameters}", "viewer-token")
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def test_trend_of_every_live_stream_equals_its_history(estate: Estate) -> None:
    origin, edge = ReportingAgent(estate, "origin-1", "origin"), ReportingAgent(estate, "edge-1", "edge")
    for minute in range(3):
        estate.clock.now = NOW + (minute + 1) * MINUTE
        figures = {"revision": 0, "scope": "live", "name": "stream1", "slot": NOW + minute * MINUTE}
        sample = SampleRow(active=2 + minute, highest=3 + minute, **figures)  # type: ignore[arg-type]
        await origin.sync_up(a_session(active=2 + minute), sample)
        if minute < 1:
            await edge.sync_up(a_session("e1", active=10), SampleRow(active=10, highest=10, **figures))  # type: ignore[arg-type]
    ended = a_session("gone", name="ended", live=False)
    await origin.sync_up(ended)
    from_ms, to_ms = NOW, NOW + 3 * MINUTE
    answer = await trends(estate, from_ms, to_ms, step=MINUTE)
    assert (answer["now"], answer["from"], answer["step_ms"]) == (estate.clock.now, from_ms, MINUTE)
    (trend,) = answer["streams"]  # type: ignore[misc]
    assert (trend["scope"], trend["name"]) == ("live", "stream1")
    history = await estate.request(
        "GET", f"/api/v1/streams/live/stream1/history?from={from_ms}&to={to_ms}&step={MINUTE}"
    )
    points = history.json()["points"]
    assert trend["active"] == [point["active"] for point in points] == [12, 3, 4]
    assert trend["state"] == [point["state"] for point in points] == ["backfilled", "missing", "missing"]


async def test_trends_of_streams_on_one_or_two_servers_equal_their_histories(estate: Estate) -> None:
    chance = random.Random(5)
    agents = [ReportingAgent(estate, "origin-1", "origin"), ReportingAgent(estate, "edge-1", "edge")]
    names = {"origin-1": ["alone", "both", "silent"], "edge-1": ["both", "edge only"]}
    for minute in range(6):
        estate.clock.now = NOW + (minute + 1) * MINUTE
        for agent in agents:
            if minute in (2, 3) and agent.server == "edge-1":
                continue  # its figures of these minutes arrive late
            live = [a_session(f"{agent.server} {name}", name=name) for name in names[agent.server]]
            counted = [
                SampleRow(
                    slot=NOW + minute * MINUTE, scope="live", name=name, revision=0, active=figure, highest=figure + 1
                )
                for name in names[agent.server]
                if name != "silent" and (figure := chance.randrange(9)) > 1
            ]
            await agent.sync_up(*live, *counted)
    for step in (MINUTE, 2 * MINUTE):
        window = f"from={NOW - 4 * MINUTE}&to={NOW + 9 * MINUTE + 7}&step={step}"
        answer = await estate.request("GET", f"/api/v1/trends?{window}")
        found = {trend["name"]: trend for trend in answer.json()["streams"]}
        assert found.keys() == {"alone", "both", "silent", "edge only"}
        for name, trend in found.items():
            history = await estate.request("GET", f"/api/v1/streams/live/{name}/history?{window}")
            points = history.json()["points"]
            assert trend["active"] == [point["active"] for point in points], (name, step)
            assert trend["state"] == [point["state"] for point in points], (name, step)


@pytest.mark.parametrize("query", ["from=1", "from=2&to=1", "from=0&to=60000&step=1000", "from=0&to=999999999999"])
async def test_invalid_window_is_refused(estate: Estate, query: str) -> None:
    answer = await estate.request("GET", f"/api/v1/trends?{query}")
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["trends", "streams/live/stream1/history"])
async def test_trend_of_a_server_with_an_ancient_start_is_fast(estate: Estate, path: str) -> None:
    agent = ReportingAgent(estate, "edge-1")
    agent.watermark = 0
    sample = SampleRow(slot=NOW, scope="live", name="stream1", revision=0, active=2, highest=3)
    await agent.sync_up(a_session(), sample, upto_ms=NOW + MINUTE)
    step = 2**53 // MINUTE * MINUTE
    long = await estate.request("GET", f"/api/v1/{path}?from=0&to={2**53}&step={step}", timeout=LONGEST_WAIT_S)
    assert (long.status_code, "at most 400 days" in long.json()["errorMessage"]) == (400, True)
    day = 24 * 60 * MINUTE
    ahead = await estate.request(
        "GET", f"/api/v1/{path}?from={NOW}&to={NOW + 1_400 * day}&step={day}", timeout=LONGEST_WAIT_S
    )
    assert ahead.status_code == 200


async def test_agent_may_not_read_trends(estate: Estate) -> None:
    assert (await estate.request("GET", "/api/v1/trends?from=0&to=1", "edge-1-token")).status_code == 403


async def test_no_query_of_samples_reads_all_of_them(estate: Estate) -> None:
    agents = [ReportingAgent(estate, "origin-1", "origin"), ReportingAgent(estate, "edge-1", "edge")]
    estate.clock.now += MINUTE
    for agent in agents:
        sample = SampleRow(slot=NOW, scope="live", name="stream1", revision=0, active=2, highest=3)
        await agent.sync_up(a_session(agent.server, active=2), sample)
    plans = Plans()
    window = Interval(NOW, NOW + MINUTE)
    with estate.running.service.store.reading() as connection, recorded_plans(connection, plans):
        (trend,) = list_trends(connection, window, MINUTE, estate.clock.now).streams
        history = stream_history(connection, StreamId("live", "stream1"), window, MINUTE, estate.clock.now)
    assert trend.active == [point.active for point in history.points] == [4]
    assert "samples" not in plans.scans, plans.scans
    assert "server_sessions" not in plans.scans, plans.scans
