"""The servers view."""

import re
from pathlib import Path

from tests.support.console.pilot import open_console, screen_text, wait_for
from tui.app.actions import Context
from tui.screens.servers import ServersScreen


async def test_backlog_of_a_server_counts_reports_of_its_own_sync_interval(
    store_of_an_hour: Path, tmp_path: Path
) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.resize_terminal(200, 24)
        await pilot.press("s")
        await wait_for(pilot, lambda: isinstance(app.screen, ServersScreen), "the servers")
        assert re.findall(r"(\S+) +(\d+) reports?\b", screen_text(app)) == [("6m", "6")], (
            "one report a minute; the other servers owe none"
        )
