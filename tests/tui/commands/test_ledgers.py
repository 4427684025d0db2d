"""`streamtop orphans`: figures reported after a delete."""

from tests.streamusage.service.conftest import Estate
from tests.support.commands.running import run
from tests.support.program import Program
from tests.support.service.reporting import ReportingAgent, a_session


async def test_orphans_are_shown(estate: Estate, streamtop: Program) -> None:
    agent = ReportingAgent(estate, "edge-1", "edge", life="e.2")
    await estate.usage("DELETE", "/live/stream1")
    await agent.sync_up(a_session("e", active=2, total=8))
    shown = await run(estate, streamtop, "orphans", "--format", "csv", token="viewer-token")
    assert shown.out.splitlines()[1].startswith("live,stream1,")
    assert ",edge-1," in shown.out
    assert "1 orphan" in shown.err
