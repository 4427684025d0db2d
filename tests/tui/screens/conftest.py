"""A service and a console during the scripted outage."""

from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support.console.scripted_outage import SERVERS, START, run_outage
from tests.support.console.scripted_service import ScriptedService, scripted_service
from tui.app.console_app import ConsoleApp
from tui.config.settings import ConnectionSettings


@pytest.fixture
async def outage(tmp_path: Path) -> AsyncIterator[tuple[ScriptedService, ConsoleApp]]:
    """A service 75 minutes into the outage, past midnight, and a console that is not running yet."""
    async with scripted_service(tmp_path, START, *SERVERS) as (service, client):
        await service.report_for(20, *SERVERS)
        await run_outage(service, 75)
        app = ConsoleApp(
            client,
            ConnectionSettings(profile="test", poll_interval_s=0.1, tz=ZoneInfo("UTC")),
            clock=service.clock,
            journal_path=tmp_path / "deleted.ndjson",
            reconciled_folder=tmp_path / "reconciled",
        )
        yield service, app
