"""`streamtop orphans`: figures reported after a delete."""

from tests.streamusage.service.conftest import Estate
from tests.support.commands.run_command import run_command
from tests.support.program import Program
from tests.support.service.parties.reporting import ReportingAgent, a_session


async def test_orphans_lists_figures_reported_after_a_delete(estate: Estate, streamtop: Program) -> None:
    agent = ReportingAgent(estate, "edge-1", "edge", life="e.2")
    await estate.usage("DELETE", "/live/stream1")
    await agent.sync_up(a_session("e", active=2, total=8))
    listed = await run_command(estate, streamtop, "orphans", "--format", "csv", token="viewer-token")
    assert listed.out.splitlines()[1].startswith("live,stream1,")
    assert ",edge-1," in listed.out
    assert "1 orphan" in listed.err
