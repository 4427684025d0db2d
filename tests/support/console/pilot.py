"""Starts a console under test, waits for it, and reads its screen as text."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from tests.support.console.frozen_service import frozen_service
from tests.support.waiting import LONGEST_WAIT_S
from tui.app.actions import Context
from tui.app.console_app import ConsoleApp
from tui.config.settings import ConnectionSettings
from tui.screens.gaps import GapsScreen
from tui.widgets.lines import Line
from tui.widgets.session_table import SessionTable


def console(client: UsageClient, directory: Path, *, read_only: bool = False, **more: Any) -> ConsoleApp:
    """Return a console of a service that polls five times a second."""
    return ConsoleApp(
        client,
        ConnectionSettings(profile="test", poll_interval_s=0.2, read_only=read_only),
        clock=SystemClock(),
        journal_path=directory / "deleted.ndjson",
        **more,
    )


async def wait_for(pilot: Pilot[int], condition: Any, description: str) -> None:
    """Wait until a condition of the console is true. After `LONGEST_WAIT_S`, fail with the screen."""
    ends_at = time.monotonic() + LONGEST_WAIT_S
    while time.monotonic() < ends_at:
        if condition():
            return
        await pilot.pause(0.05)
    last_screen = "\n".join(screen_lines(pilot.app)) if isinstance(pilot.app, ConsoleApp) else ""
    raise AssertionError(f"after {LONGEST_WAIT_S:g} s not yet true: {description}; last screen:\n{last_screen}")


async def wait_for_figures(pilot: Pilot[int]) -> ConsoleApp:
    """Wait for the end of the first poll, and return the console."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    await wait_for(pilot, lambda: app.state.has_figures or app.state.failures, "a poll")
    await pilot.pause()
    return app


def screen_lines(app: ConsoleApp) -> list[str]:
    """Return the texts of the header, the table and the status lines, line by line."""
    widgets = [*app.screen.query(Line), *app.screen.query(SessionTable)]
    return [
        "".join(segment.text for segment in widget.render_line(y))
        for widget in widgets
        for y in range(widget.size.height)
    ]


@asynccontextmanager
async def open_console(store: Path, directory: Path, context: Context) -> AsyncIterator[tuple[Pilot[int], ConsoleApp]]:
    """Run a console of 100 x 16 cells over the frozen service."""
    async with frozen_service(store, directory) as (client, clock):
        app = ConsoleApp(
            client,
            ConnectionSettings(
                profile="test", poll_interval_s=60, profiles={"lab": "http://lab", "prod": "http://prod"}
            ),
            clock=clock,
            journal_path=directory / "deleted.ndjson",
        )
        async with app.run_test(size=(100, 16)) as pilot:
            await wait_for_figures(pilot)
            yield pilot, app


def is_gap_grid_drawn(app: ConsoleApp) -> bool:
    """Return whether the gap view is open and shows its coverage."""
    return isinstance(app.screen, GapsScreen) and app.screen.is_drawn and app.screen.grid_view.grid is not None


def detail_lines(app: ConsoleApp) -> list[str]:
    """Return the visible lines of the stream's detail."""
    detail = app.sessions_screen.detail
    return ["".join(part.text for part in detail.render_line(y)).rstrip() for y in range(detail.size.height)]


def screen_text(app: ConsoleApp) -> str:
    """Return the whole screen as text, dialogs included."""
    return "\n".join("".join(part.text for part in strip) for strip in app.screen._compositor.render_strips())


def has_history(app: ConsoleApp) -> bool:
    """Return whether the history of the session under the cursor was fetched."""
    session = app.sessions_screen.table.cursor_session
    return session is not None and session.key in app.state.stream_history
