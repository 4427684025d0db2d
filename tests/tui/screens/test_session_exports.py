"""Exports of a long table: between keys, of one moment, and complete or not there at all."""

import asyncio
import csv
from collections.abc import Callable
from pathlib import Path

from streamusage.client.usage_client import UsageClient
from tests.support.console.pilot import console, wait_for, wait_for_figures
from tests.support.console.records import recent, session
from tests.support.plain_manager import PlainManager, wire
from tui.app.messages import SessionsPolled

SESSIONS = 12_000


def polled(total: int) -> SessionsPolled:
    changed = [session(f"cam-{number}", recent(5), total=total) for number in range(SESSIONS)]
    return SessionsPolled(changed, [], True, recent(0), None, "")


async def begun(has_begun: Callable[[], bool]) -> None:
    """Wait until the export has begun, and look between its slices: it is not over then."""
    while not has_begun():  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_long_export_is_of_one_moment(tmp_path: Path) -> None:
    file = tmp_path / "long.csv"
    manager = PlainManager(wire("cam", start=recent(5)))
    async with (
        manager,
        UsageClient(manager.url, manager.token) as client,
        console(client, tmp_path).run_test(size=(80, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        app.post_message(polled(total=1))
        await wait_for(pilot, lambda: app.state.view.sessions == SESSIONS, "the long table")
        app.sessions_screen.action_export(str(file))
        await begun(file.exists)
        assert f"writing {SESSIONS:,} sessions to {file}" in str(app.sessions_screen.notice)
        app.post_message(polled(total=2))
        await wait_for(pilot, lambda: next(app.state.view.all_sessions()).total == 2, "the next poll")
        with file.open() as written:
            totals = [row["totalSubscribers"] for row in csv.DictReader(written)]
        assert totals == ["1"] * SESSIONS


async def test_export_that_the_end_of_the_console_interrupts_leaves_no_file(tmp_path: Path) -> None:
    file = tmp_path / "long.json"
    manager = PlainManager(wire("cam", start=recent(5)))
    async with (
        manager,
        UsageClient(manager.url, manager.token) as client,
        console(client, tmp_path).run_test(size=(80, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        app.post_message(polled(total=1))
        await wait_for(pilot, lambda: app.state.view.sessions == SESSIONS, "the long table")
        app.sessions_screen.action_export(str(file))
        await begun(file.exists)
        app.exit(0)
    assert not file.exists()
