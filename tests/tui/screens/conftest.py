"""A service and a console during the scripted outage."""

from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support.console.scripted_outage import SERVERS, START, run_outage
from tests.support.console.scripted_service import ScriptedService, scripted_service
from tui.app.console_app import ConsoleApp


@pytest.fixture
async def outage(tmp_path: Path) -> AsyncIterator[tuple[ScriptedService, ConsoleApp]]:
    """A service 75 minutes into the outage, past midnight, and a console that is not running yet."""
    async with scripted_service(tmp_path, START, *SERVERS) as (service, client):
        await service.report_for(20, *SERVERS)
        await run_outage(service, 75)
        app = ConsoleApp(
            client,
            profile_name="test",
            clock=service.clock,
            poll_interval_seconds=0.1,
            journal_path=tmp_path / "deleted.ndjson",
            tz=ZoneInfo("UTC"),
        )
        yield service, app
