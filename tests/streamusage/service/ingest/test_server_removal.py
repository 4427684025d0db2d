"""Sessions over several servers: their figures after silence, orderly removal and forced removal of a server."""

import pytest

from streamusage.api.report import SampleRow, SlotRow
from tests.streamusage.service.conftest import NOW, Estate, a_record
from tests.streamusage.service.ingest.test_reports import changed
from tests.support.service.reporting import ReportingAgent, a_session

MINUTE = 60_000


async def figures(estate: Estate) -> list[tuple[object, ...]]:
    """Return active, maximum, lost and total subscribers of each record."""
    names = ("aciveSubscribers", "maxSubscribers", "lostSubscribers", "totalSubscribers")
    return [tuple(record[name] for name in names) for record in await estate.records()]


async def an_origin_and_an_edge(estate: Estate) -> tuple[ReportingAgent, ReportingAgent]:
    """One stream: 1 active subscriber at the origin, 3 of 4 at the edge."""
    origin = ReportingAgent(estate, "origin-1", "origin", life="o.1")
    edge = ReportingAgent(estate, "edge-1", "edge", life="e.1")
    estate.clock.now += 10_000
    await origin.sync_up(a_session("o", active=1, highest=2, total=2))
    await edge.sync_up(a_session("e", start_time=NOW + 900, active=3, highest=4, total=4))
    return origin, edge


async def remove(
    estate: Estate, server: str, force: bool | None = None, token: str = "admin-token"
) -> tuple[int, dict[str, object]]:
    query = "" if force is None else f"?force={str(force).lower()}"
    answer = await estate.request("DELETE", f"/api/v1/servers/{server}{query}", token)
    return answer.status_code, answer.json()


async def servers(estate: Estate) -> dict[str, dict[str, object]]:
    answer = await estate.request("GET", "/api/v1/servers", "viewer-token")
    return {server["server"]: server for server in answer.json()["servers"]}


async def test_origin_and_edge_are_one_session_whose_maximum_is_no_sum_of_maxima(estate: Estate) -> None:
    origin, edge = await an_origin_and_an_edge(estate)
    assert await figures(estate) == [(4, 4, 2, 6)], "active, lost and total are sums, the maximum is simultaneous"
    estate.clock.now += 10_000
    await origin.sync_up(a_session("o", active=5, highest=5, total=6))
    await edge.sync_up(a_session("e", start_time=NOW + 900, active=0, highest=4, total=4))
    assert await figures(estate) == [(5, 8, 5, 10)]


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
    assert await figures(estate) == [(0, 50, 80, 80)]


async def test_subscribers_of_a_silent_server_are_lost_until_it_reports(estate: Estate) -> None:
    origin, edge = await an_origin_and_an_edge(estate)
    cursor = (await estate.request("GET", "/api/v1/changes")).json()["cursor"]
    estate.clock.now += 40_000
    await origin.sync_up(a_session("o", active=1, highest=2, total=2, end_time=NOW + 50_000))
    estate.clock.now += 25_000
    await origin.sync_up(a_session("o", active=1, highest=2, total=2, end_time=NOW + 75_000))
    while (await figures(estate))[0][0] != 1:
        cursor = (await changed(estate, cursor))["cursor"]  # type: ignore[assignment]
    assert await figures(estate) == [(1, 4, 5, 6)]
    assert (await servers(estate))["edge-1"]["active_subscribers"] == 0
    live = (await estate.http.get("/streammanager/api/4.0/event/list/stats")).json()
    assert [row["serverAddress"] for row in live] == ["origin-1"]

    await edge.sync_up(a_session("e", start_time=NOW + 900, active=2, highest=4, total=5, end_time=NOW + 75_000))
    assert await figures(estate) == [(3, 4, 4, 7)]


async def test_server_removed_in_order_keeps_its_figures(estate: Estate) -> None:
    origin, _ = await an_origin_and_an_edge(estate)
    status, refused = await remove(estate, "edge-1")
    assert (status, await figures(estate)) == (409, [(4, 4, 2, 6)])
    assert "still reports" in str(refused["errorMessage"])

    estate.clock.now += 31_000
    await origin.sync_up(a_session("o", active=1, highest=2, total=2))
    status, removed = await remove(estate, "edge-1")
    assert (status, removed["removed"], removed["sessions"]) == (200, "in order", 1)
    assert await figures(estate) == [(1, 4, 5, 6)]
    assert (await servers(estate))["edge-1"] | {"state": "removed", "removed": "in order", "owed_ms": 0} == (
        await servers(estate)
    )["edge-1"]
    estate.clock.now += 10 * MINUTE
    answer = await estate.request("GET", f"/api/v1/coverage?from={NOW}&to={NOW + 20 * MINUTE}&server=edge-1")
    assert [span["state"] for span in answer.json()["servers"][0]["spans"]] == ["live"], (
        "a removed server has no missing time"
    )
    assert (await remove(estate, "edge-1"))[0] == 404


async def test_server_removed_by_force_is_not_accounted_for_until_it_reports_again(estate: Estate) -> None:
    _, edge = await an_origin_and_an_edge(estate)
    await edge.sync_up(SlotRow(slot=NOW, revision=0, bytes_out=7, connections={"rtmp": 4}))
    status, removed = await remove(estate, "edge-1", force=True)
    assert (status, removed["removed"]) == (200, "by force")
    assert await figures(estate) == [(1, 2, 1, 2)]
    assert (await servers(estate))["edge-1"]["state"] == "removed"
    day = await estate.request("GET", "/api/v1/daily?from=2026-11-18&to=2026-11-18&server=edge-1")
    assert day.json()["days"][0]["bytes_out"] == 7, "daily statistics are kept"

    estate.clock.now += 10_000
    await edge.sync_up()
    assert await figures(estate) == [(4, 4, 2, 6)]
    assert (await servers(estate))["edge-1"]["removed"] is None


async def test_session_of_a_server_removed_by_force_disappears_and_returns(estate: Estate) -> None:
    edge = ReportingAgent(estate, "edge-1", "edge", life="e.1")
    estate.clock.now += 10_000
    await edge.sync_up(a_session("e"))
    cursor = (await estate.request("GET", "/api/v1/changes")).json()["cursor"]
    await remove(estate, "edge-1", force=True)
    assert await estate.records() == []
    gone = (await estate.request("GET", f"/api/v1/changes?cursor={cursor}")).json()
    assert [key["name"] for key in gone["deleted"]] == ["stream1"]
    await edge.sync_up()
    assert await figures(estate) == [(2, 3, 3, 5)]


@pytest.mark.parametrize(
    ("path", "status"),
    [("nobody", 404), ("", 404), ("edge-1/x", 404), ("edge-1?force=yes", 400), ("edge-1?forse=true", 400),
     ("edge-1?force=true&force=false", 400)],
)  # fmt: skip
async def test_invalid_removal_removes_nothing(estate: Estate, path: str, status: int) -> None:
    await an_origin_and_an_edge(estate)
    assert (await estate.request("DELETE", f"/api/v1/servers/{path}")).status_code == status
    assert [server["removed"] for server in (await servers(estate)).values()] == [None, None]


async def test_only_an_admin_removes_and_reads_the_audit_log(estate: Estate) -> None:
    await an_origin_and_an_edge(estate)
    for token, status in (("viewer-token", 403), ("edge-1-token", 403), ("wrong", 401)):
        assert (await remove(estate, "edge-1", True, token))[0] == status
        assert (await estate.request("GET", "/api/v1/audit", token)).status_code == status
    assert (await estate.request("GET", "/api/v1/orphans", "edge-1-token")).status_code == 403


async def test_late_report_of_a_deleted_record_is_accepted_as_an_orphan(estate: Estate) -> None:
    edge = ReportingAgent(estate, "edge-1", "standalone", life="e.1")
    estate.clock.now += 10_000
    await edge.sync_up(a_session("e"))
    await estate.usage("DELETE", "/live/stream1")
    estate.clock.now += 10_000
    await edge.sync_up(a_session("e", total=9), SlotRow(slot=NOW, revision=0, bytes_out=11))
    assert await estate.records() == []
    found = (await estate.request("GET", "/api/v1/orphans", "viewer-token")).json()
    (orphan,) = found["orphans"]
    assert (orphan["server"], orphan["name"], orphan["total"], orphan["first_at"]) == (
        "edge-1",
        "stream1",
        9,
        NOW + 20_000,
    )
    day = await estate.request("GET", "/api/v1/daily?from=2026-11-18&to=2026-11-18")
    assert day.json()["days"][0]["bytes_out"] == 11, "daily statistics continue to count"
    estate.clock.now += 10_000
    await edge.sync_up(a_session("e", total=12))
    (orphan,) = (await estate.request("GET", "/api/v1/orphans", "viewer-token")).json()["orphans"]
    assert (orphan["total"], orphan["first_at"], orphan["last_at"]) == (12, NOW + 20_000, NOW + 30_000)


async def test_edge_publish_of_a_deleted_record_joins_no_later_session(
    estate: Estate,
) -> None:
    edge = ReportingAgent(estate, "edge-1", "edge", life="e.1")
    estate.clock.now += 10_000
    await edge.sync_up(a_session("e", start_time=NOW + 900, total=4))
    await estate.usage("DELETE", "/live/stream1")
    await ReportingAgent(estate, "origin-1", "origin", life="o.1").sync_up(a_session("o", total=2))
    assert [record["totalSubscribers"] for record in await estate.records()] == [2]


async def test_every_delete_is_in_the_audit_log(estate: Estate) -> None:
    await estate.import_records(*(a_record(f"s{number}") for number in range(5)))
    await estate.usage("DELETE", "/live/s0", "accessToken=admin-token&startTime=1525079735737")
    await estate.usage("DELETE", "/live/s1")
    await estate.usage("DELETE", "/live/nothing")
    await estate.usage("DELETE")
    await an_origin_and_an_edge(estate)
    await remove(estate, "edge-1", force=True)
    entries = (await estate.request("GET", "/api/v1/audit?limit=4")).json()
    assert entries["more"] is True
    entries = (await estate.request("GET", "/api/v1/audit")).json()["entries"]
    lines = {
        (entry["who"], entry["operation"], entry["name"], entry["startTime"], entry["records"]) for entry in entries
    }
    assert lines == {
        ("boss", "import", "", None, 5),
        ("boss", "delete session", "s0", 1525079735737, 1),
        ("boss", "delete stream", "s1", None, 1),
        ("boss", "delete all", "", None, 3),
        ("boss", "remove server by force", "edge-1", None, 1),
    }
    assert "admin-token" not in str(entries)
