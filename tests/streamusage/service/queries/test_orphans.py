"""Orphans: figures that servers report of deleted records."""

from streamusage.api.report import SlotRow
from tests.streamusage.service.conftest import NOW, Estate
from tests.support.service.parties.reporting import ReportingAgent, a_session


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
