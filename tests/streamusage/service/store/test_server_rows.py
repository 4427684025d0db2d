"""Rows of a server in the store."""

from streamusage.api.report import SampleRow, SlotRow
from streamusage.service.store.server_rows import load_stored_rows
from tests.streamusage.service.conftest import NOW, Estate
from tests.support.service.parties.reporting import ReportingAgent


async def test_only_rows_named_by_the_report_are_loaded(estate: Estate) -> None:
    """An old and a new row are two rows; rows between them are not loaded."""
    agent = ReportingAgent(estate, "edge-1")
    for minute in range(8):
        estate.clock.now += 60_000
        at = NOW + minute * 60_000
        sample = SampleRow(slot=at, scope="live", name="stream1", revision=0, active=1, highest=1)
        await agent.sync_up(SlotRow(slot=at, revision=0, bytes_out=5, connections={"rtmp": minute}), sample)
    first, last = NOW, NOW + 7 * 60_000
    rows = [SlotRow(slot=at, revision=0, bytes_out=6) for at in (first, last)]
    samples = [
        SampleRow(slot=at, scope="live", name="stream1", revision=0, active=1, highest=1) for at in (first, last)
    ]
    report = agent.report(*rows, *samples)
    stored = await estate.running.service.read(lambda connection: load_stored_rows(connection, report.server, report))
    assert stored.slots.keys() == {first, last}
    assert stored.slots[last].row.connections == {"rtmp": 7}
    assert {key.slot for key in stored.samples} == {first, last}
