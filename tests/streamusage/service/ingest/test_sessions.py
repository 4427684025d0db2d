"""Sessions over epochs and servers: their figures, matching of edges, and orphans of deleted records."""

import pytest

from streamusage.api.report import SampleRow, SlotRow, ViewerRow
from tests.streamusage.service.conftest import NOW, Estate
from tests.support.service.answers import fetch_day, fetch_figures, fetch_servers, wait_for_changes
from tests.support.service.parties.reporting import ReportingAgent, a_session, an_origin_and_an_edge
from tests.support.waiting import wait_until

MINUTE = 60_000


async def test_epochs_add_up_and_a_publish_keeps_its_session(estate: Estate) -> None:
    one = ReportingAgent(estate)
    await one.sync_up(
        SlotRow(slot=NOW, revision=0, bytes_in=5, connections={"rtmp": 1}),
        a_session(total=5, active=2),
        ViewerRow(viewer_id="v1", revision=0, open=True, scope="live", name="stream1", protocol="rtmp", started_at=NOW),
        ViewerRow(viewer_id="v2", revision=0, open=True, scope="live", name="stream1", protocol="rtmp", started_at=NOW),
    )
    await one.sync_up(
        ViewerRow(viewer_id="v2", revision=0, open=False, scope="live", name="stream1", protocol="rtmp", started_at=NOW)
    )
    other = ReportingAgent(estate, life="j2.1")
    issued = await other.begin()
    assert [viewer["viewer_id"] for viewer in issued["viewers"]] == ["v1"]  # type: ignore[attr-defined]
    assert issued["baseline"]["boot"] == "boot-1"  # type: ignore[index]
    await other.sync_up(
        SlotRow(slot=NOW, revision=0, bytes_in=7, connections={"rtmp": 2}),
        a_session(start_time=NOW + 400, total=1, active=3, highest=3, end_time=NOW + 2_000),
    )
    (record,) = await estate.records()
    assert record["startTime"] == NOW
    assert (record["aciveSubscribers"], record["totalSubscribers"], record["lostSubscribers"]) == (3, 6, 3)
    day = await fetch_day(estate)
    assert (day["bytes_in"], day["connections_by_protocol"]) == (12, {"rtmp": 3})


async def test_publish_unknown_to_a_new_epoch_is_no_longer_live(estate: Estate) -> None:
    await ReportingAgent(estate).sync_up(a_session())
    await ReportingAgent(estate, life="j2.1").sync_up()
    (record,) = (await estate.request("GET", "/api/v1/changes")).json()["records"]
    assert not record["live"]
    assert (await estate.http.get("/streammanager/api/4.0/event/list/stats")).json() == []


@pytest.mark.parametrize("first", ["origin-1", "edge-1"])
async def test_origin_and_edge_are_one_session_in_any_order_of_arrival(estate: Estate, first: str) -> None:
    origin = ReportingAgent(estate, "origin-1", "origin")
    edge = ReportingAgent(estate, "edge-1", "edge")
    published = a_session("o1", active=1, highest=1, total=1)
    relayed = a_session("e1", start_time=NOW + 300, active=4, highest=6, total=9)
    estate.clock.now += 2_000
    for agent, session in sorted([(origin, published), (edge, relayed)], key=lambda pair: pair[0].server != first):
        await agent.sync_up(session)
    (record,) = await estate.records()
    assert (record["startTime"], record["aciveSubscribers"], record["totalSubscribers"]) == (NOW, 5, 10)
    assert (record["maxSubscribers"], record["lostSubscribers"]) == (6, 5)
    changes = (await estate.request("GET", "/api/v1/changes")).json()
    assert len(changes["records"]) == 1


async def test_maximum_is_a_simultaneous_sum_and_never_a_sum_of_maxima(estate: Estate) -> None:
    origin = ReportingAgent(estate, "origin-1", "origin")
    edge = ReportingAgent(estate, "edge-1", "edge")

    async def report(agent: ReportingAgent, publish: str, at: int, active: int, highest: int, **more: object) -> None:
        slot = at - at % MINUTE
        await agent.sync_up(
            a_session(publish, end_time=at, active=active, highest=highest, total=40, **more),
            SampleRow(slot=slot, scope="live", name="stream1", revision=0, active=active, highest=highest),
            upto_ms=at,
        )

    async def maximum() -> object:
        return (await estate.records())[0]["maxSubscribers"]

    start = NOW - NOW % MINUTE + MINUTE
    estate.clock.now = start + 3 * MINUTE
    await report(origin, "o1", start + 50_000, 10, 10)
    await report(edge, "e1", start + 50_000, 1, 20)
    assert await maximum() == 20, "at one server"
    await report(edge, "e1", start + 55_000, 15, 20)
    assert await maximum() == 25, "now, while it is live"
    await report(edge, "e1", start + 70_000, 0, 20)
    await report(origin, "o1", start + 70_000, 3, 10)
    assert await maximum() == 25, "at the end of the first minute"
    await report(edge, "e1", start + 130_000, 18, 20)
    await report(edge, "e1", start + 140_000, 0, 20)
    await report(origin, "o1", start + 140_000, 0, 10, live=False)
    await report(edge, "e1", start + 150_000, 0, 20, live=False)
    assert await maximum() == 25, "18 subscribers at the edge were not at the end of a minute"


async def test_deleted_session_stays_deleted_and_its_later_figures_are_orphans(estate: Estate) -> None:
    from sqlalchemy import select

    from streamusage.service.store.schema import orphans

    agent = ReportingAgent(estate)
    await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_in=5), a_session(total=5))
    await estate.usage("DELETE")
    estate.clock.now += 10_000
    await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_in=6), a_session(total=8))
    estate.clock.now += 10_000
    await agent.sync_up(a_session(total=9, live=False))
    assert await estate.records() == []
    (orphan,) = await estate.running.service.read(lambda connection: connection.execute(select(orphans)).all())
    assert (orphan.name, orphan.start_time, orphan.total) == ("stream1", NOW, 9)
    assert (orphan.first_at, orphan.last_at) == (NOW + 10_000, NOW + 20_000)
    assert (await fetch_day(estate))["bytes_in"] == 6, "a delete does not change daily statistics"


async def test_origin_and_edge_are_one_session_whose_maximum_is_no_sum_of_maxima(estate: Estate) -> None:
    origin, edge = await an_origin_and_an_edge(estate)
    assert await fetch_figures(estate) == [(4, 4, 2, 6)], "active, lost and total are sums, the maximum is simultaneous"
    estate.clock.now += 10_000
    await origin.sync_up(a_session("o", active=5, highest=5, total=6))
    await edge.sync_up(a_session("e", start_time=NOW + 900, active=0, highest=4, total=4))
    assert await fetch_figures(estate) == [(5, 5, 5, 10)], "3 at the edge were not there with 5 at the origin"


async def test_simultaneous_subscribers_of_an_outage_count_when_backfilled(estate: Estate) -> None:
    origin, edge = await an_origin_and_an_edge(estate)
    estate.clock.now = NOW + 10 * MINUTE
    late = NOW + 3 * MINUTE
    end = {"end_time": NOW + 9 * MINUTE, "active": 0, "live": False}
    for agent, session, start in ((origin, "o", NOW), (edge, "e", NOW + 900)):
        await agent.sync_up(
            a_session(session, start_time=start, highest=30, total=40, **end),
            SampleRow(slot=late, scope="live", name="stream1", revision=0, active=25, highest=30),
            SampleRow(slot=late + MINUTE, scope="live", name="stream1", revision=0, active=2, highest=30),
        )
    assert await fetch_figures(estate) == [(0, 50, 80, 80)]


async def test_subscribers_of_a_silent_server_are_neither_active_nor_lost_until_it_reports(estate: Estate) -> None:
    origin, edge = await an_origin_and_an_edge(estate)
    cursor = (await estate.request("GET", "/api/v1/changes")).json()["cursor"]
    estate.clock.now += 40_000
    await origin.sync_up(a_session("o", active=1, highest=2, total=2, end_time=NOW + 50_000))
    estate.clock.now += 25_000
    await origin.sync_up(a_session("o", active=1, highest=2, total=2, end_time=NOW + 75_000))
    while (await fetch_figures(estate))[0][0] != 1:
        cursor = (await wait_for_changes(estate, cursor))["cursor"]  # type: ignore[assignment]
    assert await fetch_figures(estate) == [(1, 4, 2, 6)], "3 of 6 were at the silent server"
    assert (await fetch_servers(estate))["edge-1"]["active_subscribers"] == 0
    live = (await estate.http.get("/streammanager/api/4.0/event/list/stats")).json()
    assert [row["serverAddress"] for row in live] == ["origin-1"]

    await edge.sync_up(a_session("e", start_time=NOW + 900, active=2, highest=4, total=5, end_time=NOW + 75_000))
    assert await fetch_figures(estate) == [(3, 4, 4, 7)]


async def test_edge_publish_of_a_deleted_record_joins_no_later_session(
    estate: Estate,
) -> None:
    edge = ReportingAgent(estate, "edge-1", "edge", life="e.1")
    estate.clock.now += 10_000
    await edge.sync_up(a_session("e", start_time=NOW + 900, total=4))
    await estate.usage("DELETE", "/live/stream1")
    await ReportingAgent(estate, "origin-1", "origin", life="o.1").sync_up(a_session("o", total=2))
    assert [record["totalSubscribers"] for record in await estate.records()] == [2]


@pytest.mark.parametrize("first", ["origin-1", "edge-1"])
async def test_publish_first_reported_after_a_delete_joins_the_later_session_in_any_order(
    estate: Estate, first: str
) -> None:
    origin = ReportingAgent(estate, "origin-1", "origin", life="o.1")
    edge = ReportingAgent(estate, "edge-1", "edge", life="e.1")
    estate.clock.now += 10_000
    await origin.sync_up(a_session("o"))
    await estate.usage("DELETE", "/live/stream1")
    estate.clock.now = NOW + 5 * MINUTE
    ended = a_session("o", end_time=NOW + 3 * MINUTE, live=False, active=0)
    published = a_session("p", start_time=NOW + 4 * MINUTE, end_time=estate.clock.now, active=1, total=2)
    relayed = a_session("r", start_time=NOW + 4 * MINUTE + 300, end_time=estate.clock.now, active=4, total=9)
    rows = {origin: (ended, published), edge: (relayed,)}
    for agent in sorted(rows, key=lambda agent: agent.server != first):
        await agent.sync_up(*rows[agent])
    (record,) = await estate.records()
    assert (record["startTime"], record["totalSubscribers"]) == (NOW + 4 * MINUTE, 11)
    found = (await estate.request("GET", "/api/v1/orphans")).json()["orphans"]
    assert [(orphan["server"], orphan["startTime"]) for orphan in found] == [("origin-1", NOW)]


async def test_publish_of_a_restored_record_that_is_deleted_again_joins_no_later_session(estate: Estate) -> None:
    origin = ReportingAgent(estate, "origin-1", "origin", life="o.1")
    edge = ReportingAgent(estate, "edge-1", "edge", life="e.1")
    estate.clock.now += 10_000
    await origin.sync_up(a_session("o"))
    records = await estate.records()
    await estate.usage("DELETE", "/live/stream1")
    estate.clock.now = NOW + 5 * MINUTE
    start_time = NOW + 4 * MINUTE
    await edge.sync_up(a_session("r", start_time=start_time, end_time=start_time + 900, total=9))
    await estate.import_records(*records)
    await edge.sync_up(a_session("r", start_time=start_time, end_time=start_time + 990, total=9))
    assert [record["totalSubscribers"] for record in await estate.records()] == [14]
    await estate.usage("DELETE", "/live/stream1")
    ended = a_session("o", end_time=NOW + 3 * MINUTE, live=False, active=0)
    await origin.sync_up(ended, a_session("p", start_time=start_time, end_time=start_time + 999, total=2))
    assert [record["totalSubscribers"] for record in await estate.records()] == [2]


async def fetch_live(estate: Estate) -> dict[int, tuple[bool, str]]:
    """Return by start whether each session is live, and its provenance."""
    changes = (await estate.request("GET", "/api/v1/changes")).json()
    return {row["startTime"] - NOW: (row["live"], row["provenance"]) for row in changes["records"]}


@pytest.mark.parametrize("is_flagged_first", [True, False], ids=["silent, then anew", "anew, then silent"])
async def test_stream_that_moves_from_a_silent_server_is_on_air_once(estate: Estate, is_flagged_first: bool) -> None:
    before, after = ReportingAgent(estate, "origin-1"), ReportingAgent(estate, "edge-1")
    estate.clock.now += 10_000
    await after.sync_up()
    await before.sync_up(a_session("o", end_time=NOW + 10_000))
    estate.clock.now += 20_000
    if not is_flagged_first:
        await after.sync_up(a_session("m", start_time=NOW + 20_000, end_time=NOW + 30_000, active=4))
        assert await fetch_live(estate) == {0: (True, "live"), 20_000: (True, "live")}, "nobody is missed yet"
    estate.clock.now += 45_000

    async def is_silent() -> bool:
        await after.sync_up()
        return (await fetch_live(estate))[0][1] == "missing" and not await is_counted(estate, "origin-1")

    await wait_until(is_silent, "the first server is silent")
    if is_flagged_first:
        assert await fetch_live(estate) == {0: (True, "missing")}
        await after.sync_up(a_session("m", start_time=NOW + 20_000, end_time=estate.clock.now, active=4))
    assert await fetch_live(estate) == {0: (False, "missing"), 20_000: (True, "live")}

    await before.sync_up(a_session("o", end_time=estate.clock.now))
    assert await fetch_live(estate) == {0: (True, "live"), 20_000: (True, "live")}, "two origins at once stay two"


async def test_stream_that_moves_from_a_server_that_its_agent_cannot_read_is_on_air_once(estate: Estate) -> None:
    unread, after = ReportingAgent(estate, "origin-1"), ReportingAgent(estate, "edge-1")
    estate.clock.now += 10_000
    await after.sync_up()
    await unread.sync_up(a_session("o", end_time=NOW + 10_000))
    for _ in range(4):
        estate.clock.now += 10_000
        await unread.sync_up(upto_ms=NOW + 10_000)  # the agent reports, and has no newer reading
        await after.sync_up(a_session("m", start_time=NOW + 20_000, end_time=estate.clock.now, active=4))

    async def is_overdue() -> bool:
        return (await fetch_live(estate))[0][1] == "missing"

    await wait_until(is_overdue, "the first server owes its newest figures")
    assert await fetch_live(estate) == {0: (False, "missing"), 20_000: (True, "live")}
    estate.clock.now += 10_000
    await after.sync_up(a_session("n", name="other", start_time=NOW + 21_000, end_time=estate.clock.now))
    await unread.sync_up(a_session("o", end_time=estate.clock.now))
    assert (await fetch_live(estate))[0] == (True, "live"), "it is seen again: two origins at once stay two"


async def is_counted(estate: Estate, server: str) -> bool:
    return bool((await fetch_servers(estate))[server]["active_subscribers"])


async def test_two_origins_that_were_seen_at_once_stay_two_in_an_outage(estate: Estate) -> None:
    first, second = ReportingAgent(estate, "origin-1"), ReportingAgent(estate, "edge-1")
    estate.clock.now += 20_000
    await second.sync_up(a_session("s", start_time=NOW + 10_000, end_time=NOW + 20_000))
    await first.sync_up(a_session("f", end_time=NOW + 20_000))
    estate.clock.now += 65_000

    async def is_silent() -> bool:
        await second.sync_up()
        return not await is_counted(estate, "origin-1")

    await wait_until(is_silent, "the first server is silent")
    assert await fetch_live(estate) == {0: (True, "missing"), 10_000: (True, "live")}
