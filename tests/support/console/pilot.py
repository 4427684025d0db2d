"""Starting a console under test, waiting for it, and reading its screen as text."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from tests.support.console.estate import standing_still
from tests.support.waiting import LONGEST_WAIT_S
from tui.app.actions import Context
from tui.app.console_app import ConsoleApp
from tui.screens.gaps import GapsScreen
from tui.widgets.lines import Line
from tui.widgets.session_table import SessionTable


def console(client: UsageClient, directory: Path, **more: Any) -> ConsoleApp:
    return ConsoleApp(
        client,
        profile_name="test",
        clock=SystemClock(),
        poll_interval_seconds=0.2,
        journal_path=directory / "deleted.ndjson",
        tz=UTC,
        **more,
    )


async def until(pilot: Pilot[int], condition: Any, what: str) -> None:
    give_up = time.monotonic() + LONGEST_WAIT_S
    while time.monotonic() < give_up:
        if condition():
            return
        await pilot.pause(0.05)
    last_screen = "\n".join(shown(pilot.app)) if isinstance(pilot.app, ConsoleApp) else ""
    raise AssertionError(f"not seen within {LONGEST_WAIT_S:g} s: {what}; last screen:\n{last_screen}")


async def with_figures(pilot: Pilot[int]) -> ConsoleApp:
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    await until(pilot, lambda: app.state.has_figures or app.state.failures, "a poll")
    await pilot.pause()
    return app


def shown(app: ConsoleApp) -> list[str]:
    """The lines of the screen as text."""
    widgets = [*app.screen.query(Line), *app.screen.query(SessionTable)]
    return [
        "".join(segment.text for segment in widget.render_line(y))
        for widget in widgets
        for y in range(widget.size.height)
    ]


@asynccontextmanager
async def opened(store: Path, directory: Path, context: Context) -> AsyncIterator[tuple[Pilot[int], ConsoleApp]]:
    async with standing_still(store, directory) as (client, clock):
        app = ConsoleApp(
            client,
            profile_name="test",
            clock=clock,
            poll_interval_seconds=60,
            journal_path=directory / "deleted.ndjson",
            tz=UTC,
            profiles={"lab": "http://lab", "prod": "http://prod"},
        )
        async with app.run_test(size=(100, 16)) as pilot:
            await with_figures(pilot)
            yield pilot, app


def drawn_gaps(app: ConsoleApp) -> bool:
    return isinstance(app.screen, GapsScreen) and app.screen.is_drawn and app.screen.grid_view.grid is not None


def drawn(app: ConsoleApp) -> str:
    return "\n".join("".join(part.text for part in strip) for strip in app.screen._compositor.render_strips())


def has_history(app: ConsoleApp) -> bool:
    """Whether the history of the session under the cursor is there, and not that of one before it."""
    session = app.sessions_screen.table.cursor_session
    return session is not None and session.key in app.state.stream_history
