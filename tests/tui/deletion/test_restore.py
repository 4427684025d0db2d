"""Undo, and the journal of deleted records in the console, over a real service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path

import pytest
from textual.pilot import Pilot

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from streamusage.core.usage import SessionKey
from tests.support.console.pilot import console, open_console, screen_text, wait_for, wait_for_figures
from tests.support.console.records import session
from tests.support.console.steps import run_to_end
from tests.support.plain_manager import PlainManager, wire
from tui.app.actions import Context
from tui.app.console_app import ConsoleApp
from tui.config.settings import ConnectionSettings
from tui.deletion.journal import DeletedRecord, read_journal
from tui.deletion.restore import MOST_LISTED, restorable_steps
from tui.recording.player import Player
from tui.recording.recording import RecordedPoll
from tui.screens.help import HelpScreen
from tui.screens.picker import Picker


def deleted_record(number: int, deleted_at: int) -> DeletedRecord:
    return DeletedRecord(
        name=f"cam-{number}",
        scope="live",
        start_time=1_000 + number,
        end_time=2_000 + number,
        duration=1_000,
        active_subscribers=0,
        max_subscribers=1,
        lost_subscribers=1,
        total_subscribers=1,
        updated=2_000 + number,
        deleted_at=deleted_at,
        service="sm",
    )


async def delete_last(pilot: Pilot[int], app: ConsoleApp) -> str:
    """Delete the session in the last row, and return its stream's name."""
    await pilot.press("end")
    cursor = app.sessions_screen.table.cursor_session
    assert cursor is not None
    await pilot.press("d", "right", "enter")
    await wait_for(pilot, lambda: cursor.key not in app.state.store, "the session deleted")
    await wait_for(pilot, lambda: "u: undo" in screen_text(app), "the offer to undo")
    return cursor.name


async def run_command(pilot: Pilot[int], app: ConsoleApp, command: str) -> None:
    await pilot.press("colon")
    await wait_for(pilot, lambda: isinstance(app.screen, Picker), "the palette")
    await pilot.press(*command, "enter")


async def test_u_restores_the_last_delete(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("u")
        await wait_for(pilot, lambda: "nothing to undo" in screen_text(app), "the reason")
        assert app.client is not None
        before = {record.key for record in await app.client.usage()}
        first = await delete_last(pilot, app)
        await delete_last(pilot, app)
        await pilot.press("u")
        await wait_for(pilot, lambda: "restored 1 record" in screen_text(app), "the restore")
        after = {record.key for record in await app.client.usage()}
        assert [key.name for key in before - after] == [first], "only the last delete is undone"
        await wait_for(pilot, lambda: len(app.state.store) >= len(after), "the session listed again")
        await pilot.press("u")
        await wait_for(pilot, lambda: "nothing to undo" in screen_text(app), "that there is nothing more")


async def test_journal_lists_deletes_and_restores_the_picked_one(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        assert app.client is not None
        before = {record.key for record in await app.client.usage()}
        first = await delete_last(pilot, app)
        await delete_last(pilot, app)
        await run_command(pilot, app, "journal")
        await wait_for(pilot, lambda: "Deleted at" in screen_text(app), "the list")
        await pilot.press(*first, "enter")
        await wait_for(pilot, lambda: "restored 1 record" in screen_text(app), "the restore")
        after = {record.key for record in await app.client.usage()}
        assert len(before - after) == 1
        assert first in {key.name for key in after}
        records, _ = read_journal(tmp_path / "deleted.ndjson")
        assert len(records) == 2, "the journal stays as it was"


async def test_delete_of_many_is_one_entry_of_the_journal(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        assert app.client is not None
        before = {record.key for record in await app.client.usage()}
        await pilot.press("end", "space", "up", "space", "d", "2", "enter", "enter")
        await wait_for(pilot, lambda: "; verified" in screen_text(app), "both deleted")
        assert len(await app.client.usage()) == len(before) - 2
        await run_command(pilot, app, "journal")
        await wait_for(pilot, lambda: "all 2 records" in screen_text(app), "the delete as an entry")
        await pilot.press("enter")
        await wait_for(pilot, lambda: "restored 2 records" in screen_text(app), "the restore")
        assert {record.key for record in await app.client.usage()} == before


@pytest.mark.parametrize("deletes", [1, 3 * MOST_LISTED], ids=["at once", "one by one"])
def test_long_journal_costs_what_its_list_shows(deletes: int) -> None:
    looked_up: list[SessionKey] = []
    records = [deleted_record(number, deleted_at=number % deletes + 1) for number in range(3 * MOST_LISTED)]
    found = run_to_end(restorable_steps(records, lambda key: bool(looked_up.append(key)), 10**12, UTC))
    assert len(found) == MOST_LISTED
    assert len(looked_up) <= MOST_LISTED
    assert found[0].name == (f"all {3 * MOST_LISTED:,} records" if deletes == 1 else f"live/cam-{3 * MOST_LISTED - 1}")
    assert len(found[0].records) == 3 * MOST_LISTED // deletes


async def test_plain_manager_cannot_restore_and_says_where_the_records_are(tmp_path: Path) -> None:
    async with PlainManager(wire("cam"), wire("b")) as manager, UsageClient(manager.url, manager.token) as client:
        app = console(client, tmp_path)
        async with app.run_test(size=(160, 24)) as pilot:
            await wait_for_figures(pilot)
            await wait_for(pilot, lambda: len(app.state.store) == 2, "the records")
            await pilot.press("d", "right", "enter")
            await wait_for(pilot, lambda: "; verified" in screen_text(app), "the delete")
            assert "u: undo" not in screen_text(app)
            await pilot.press("u")
            await wait_for(pilot, lambda: "a plain Stream Manager cannot restore" in screen_text(app), "the reason")
            assert "deleted.ndjson" in screen_text(app)


async def test_heading_of_a_scope_cannot_be_deleted(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("t", "home")
        await wait_for(pilot, lambda: app.sessions_screen.table.cursor_session is None, "a heading")
        for key in ("D", "d"):
            app.show_notice("before")
            await pilot.press(key)
            await wait_for(pilot, lambda: "this is the heading of a scope" in screen_text(app), "the reason")
            assert app.screen is app.sessions_screen


@asynccontextmanager
async def replay(directory: Path) -> AsyncIterator[tuple[Pilot[int], ConsoleApp]]:
    clock = SystemClock()
    polls = [RecordedPoll(at=clock.now_ms(), changed=[session("a", 1_000)], reset=True, servers=[])]
    app = ConsoleApp(
        None,
        ConnectionSettings(profile="r"),
        clock=clock,
        journal_path=directory / "deleted.ndjson",
        make_source=lambda post: Player(polls, post, 0, clock),
    )
    async with app.run_test(size=(110, 60)) as pilot:
        await wait_for(pilot, lambda: len(app.state.store), "the recording")
        yield pilot, app


async def test_replay_offers_neither_delete_nor_arm(tmp_path: Path) -> None:
    async with replay(tmp_path) as (pilot, app):
        commands = {action.command for action in app.sessions_screen.available_actions()}
        assert not commands & {"delete", "delete stream", "delete everything", "undo", "journal", "arm"}
        await pilot.press("question_mark")
        await wait_for(pilot, lambda: isinstance(app.screen, HelpScreen), "the help")
        assert "delete the usage record" not in screen_text(app)
        await pilot.press("escape")
        for key in ("d", "D", "u"):
            await pilot.press(key)
            await wait_for(pilot, lambda: "this is a recording" in screen_text(app), "the reason")
            assert app.screen is app.sessions_screen
