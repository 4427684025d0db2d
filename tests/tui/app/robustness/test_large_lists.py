"""A list that is applied, sorted and filtered in slices: keys act on what they were pressed for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from textual.pilot import Pilot

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.console.pilot import screen_lines, screen_text, wait_for, wait_for_figures
from tests.support.console.records import recent
from tests.support.plain_manager import wire
from tui.app.console_app import ConsoleApp
from tui.config.settings import ConnectionSettings

SESSIONS = 6_000


class LargeManager(CannedServer):
    """A plain Stream Manager with many sessions, whose figures the test changes."""

    def __init__(self) -> None:
        super().__init__(self._respond)
        start = recent(60)
        self.records = [
            wire(f"cam-{number}", start=start - number, totalSubscribers=number, maxSubscribers=number % 100)
            for number in range(SESSIONS)
        ]

    def _respond(self, request: ReceivedRequest) -> bytes:
        if request.path.startswith("/api/"):
            return reply(404, "<html>", "text/html")
        return reply(200, "[]" if request.path.endswith("/list/stats") else msgspec.json.encode(self.records))


@asynccontextmanager
async def large_console(directory: Path) -> AsyncIterator[tuple[Pilot[int], ConsoleApp, LargeManager]]:
    async with LargeManager() as server, UsageClient(server.url, "t") as client:
        settings = ConnectionSettings(poll_interval_s=60)
        app = ConsoleApp(client, settings, clock=SystemClock(), journal_path=directory / "j")
        async with app.run_test(size=(120, 24)) as pilot:
            await wait_for_figures(pilot)
            yield pilot, app, server


async def test_first_poll_later_polls_orders_and_filters_of_a_large_list(tmp_path: Path) -> None:
    async with large_console(tmp_path) as (pilot, app, server):
        state, table = app.state, app.sessions_screen.table
        assert len(state.store) == len(state.view) == SESSIONS
        for key in ("o", "o", "o"):
            await pilot.press(key)
        await wait_for(pilot, lambda: not state.view.is_arranging, "the order")
        column = state.view.column
        assert column == "total", "each press went one column further"
        await pilot.press("home")
        await wait_for(pilot, lambda: f"cam-{SESSIONS - 1}" in "".join(screen_lines(app)), "the largest total")
        server.records[7] |= {"totalSubscribers": 99_999}
        del server.records[8]
        await pilot.press("r")
        await wait_for(pilot, lambda: len(state.store) == SESSIONS - 1, "the next poll")
        top = state.view.at(0)
        assert top is not None
        assert (top.name, top.total) == ("cam-7", 99_999)
        cursor = table.cursor_session
        assert cursor is not None
        assert cursor.name == f"cam-{SESSIONS - 1}"
        assert table.cursor_row == 1, "the cursor moved with its session"
        await pilot.press("slash", *"cam-59", "enter")
        await wait_for(pilot, lambda: len(state.view) == 111, "the filter")
        await pilot.press("escape")
        await wait_for(pilot, lambda: len(state.view) == SESSIONS - 1, "no filter")


@pytest.mark.usefixtures("fast_keys")
async def test_keys_typed_ahead_of_a_filter_act_on_the_filtered_table(tmp_path: Path) -> None:
    async with large_console(tmp_path) as (pilot, app, _):
        await pilot.press("slash", *"cam-4321", "enter", "d")
        await wait_for(pilot, lambda: app.screen is not app.sessions_screen, "the dialog")
        assert "cam-4321" in screen_text(app)
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is app.sessions_screen, "the table")
        app.sessions_screen._filter("cam-432")
        app.sessions_screen.action_mark_shown()
        assert len(app.state.marks) == 11
