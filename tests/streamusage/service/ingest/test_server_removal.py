"""Sessions over several servers: their figures after silence, orderly removal and forced removal of a server."""

from streamusage.api.report import SlotRow
from tests.streamusage.service.conftest import NOW, Estate
from tests.support.service.answers import fetch_figures, fetch_servers, remove_server
from tests.support.service.parties.reporting import ReportingAgent, a_session, an_origin_and_an_edge
from tests.support.waiting import wait_until

MINUTE = 60_000


async def test_server_removed_in_order_keeps_its_figures(estate: Estate) -> None:
    origin, _ = await an_origin_and_an_edge(estate)
    status, refused = await remove_server(estate, "edge-1")
    assert (status, await fetch_figures(estate)) == (409, [(4, 4, 2, 6)])
    assert "still reports" in str(refused["errorMessage"])

    estate.clock.now += 31_000
    await origin.sync_up(a_session("o", active=1, highest=2, total=2))
    status, removed = await remove_server(estate, "edge-1")
    assert (status, removed["removed"], removed["sessions"]) == (200, "in order", 1)
    assert await fetch_figures(estate) == [(1, 4, 5, 6)]
    assert (await fetch_servers(estate))["edge-1"] | {"state": "removed", "removed": "in order", "owed_ms": 0} == (
        await fetch_servers(estate)
    )["edge-1"]
    estate.clock.now += 10 * MINUTE
    answer = await estate.request("GET", f"/api/v1/coverage?from={NOW}&to={NOW + 20 * MINUTE}&server=edge-1")
    assert [span["state"] for span in answer.json()["servers"][0]["spans"]] == ["live"], (
        "a removed server has no missing time"
    )
    assert (await remove_server(estate, "edge-1"))[0] == 404


async def test_server_removed_by_force_is_not_accounted_for_until_it_reports_again(estate: Estate) -> None:
    _, edge = await an_origin_and_an_edge(estate)
    await edge.sync_up(SlotRow(slot=NOW, revision=0, bytes_out=7, connections={"rtmp": 4}))
    status, removed = await remove_server(estate, "edge-1", force=True)
    assert (status, removed["removed"]) == (200, "by force")
    assert await fetch_figures(estate) == [(1, 2, 1, 2)]
    assert (await fetch_servers(estate))["edge-1"]["state"] == "removed"
    day = await estate.request("GET", "/api/v1/daily?from=2026-11-18&to=2026-11-18&server=edge-1")
    assert day.json()["days"][0]["bytes_out"] == 7, "daily statistics are kept"

    estate.clock.now += 10_000
    await edge.sync_up()
    assert await fetch_figures(estate) == [(4, 4, 2, 6)]
    assert (await fetch_servers(estate))["edge-1"]["removed"] is None


async def test_forced_removal_returns_the_session_that_one_of_the_server_had_ended(estate: Estate) -> None:
    silent, newer = ReportingAgent(estate, "origin-1"), ReportingAgent(estate, "edge-1")
    estate.clock.now += 10_000
    await newer.sync_up()
    await silent.sync_up(a_session("o", end_time=NOW + 10_000))
    estate.clock.now += 65_000
    await newer.sync_up(a_session("m", start_time=NOW + 70_000, end_time=estate.clock.now))

    async def on_air() -> set[int]:
        await newer.sync_up()
        changes = (await estate.request("GET", "/api/v1/changes")).json()
        return {row["startTime"] - NOW for row in changes["records"] if row["live"]}

    async def has_moved() -> bool:
        return await on_air() == {70_000}

    await wait_until(has_moved, "the newer session ends the older one")
    await remove_server(estate, "edge-1", force=True)
    changes = (await estate.request("GET", "/api/v1/changes")).json()
    assert [(row["startTime"] - NOW, row["live"], row["provenance"]) for row in changes["records"]] == [
        (0, True, "missing")
    ]


async def test_session_of_a_server_removed_by_force_disappears_and_returns(estate: Estate) -> None:
    edge = ReportingAgent(estate, "edge-1", "edge", life="e.1")
    estate.clock.now += 10_000
    await edge.sync_up(a_session("e"))
    cursor = (await estate.request("GET", "/api/v1/changes")).json()["cursor"]
    await remove_server(estate, "edge-1", force=True)
    assert await estate.records() == []
    gone = (await estate.request("GET", f"/api/v1/changes?cursor={cursor}")).json()
    assert [key["name"] for key in gone["deleted"]] == ["stream1"]
    await edge.sync_up()
    assert await fetch_figures(estate) == [(2, 3, 3, 5)]
