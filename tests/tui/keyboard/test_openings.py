"""Keys typed before a screen opens go to that screen, however long that takes, and never to what is below."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from textual import events
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.widgets import Input

from tests.support.console.pilot import open_console, screen_text, wait_for
from tui.app.actions import Context
from tui.app.console_app import ConsoleApp
from tui.app.key_priority import Calculation
from tui.deletion import plan as delete_plan
from tui.deletion.execute import Outcome
from tui.deletion.journal import append_records
from tui.deletion.plan import DeletePlan
from tui.screens.confirm_delete import ConfirmDelete
from tui.screens.delete_progress import DeleteProgress, DeleteResult
from tui.screens.dialog import Dialog
from tui.screens.picker import Picker

pytestmark = pytest.mark.usefixtures("fast_keys")

NAMED = {"⏎": "enter", "⎋": "escape"}


def type_at_once(app: ConsoleApp, keys: str) -> None:
    """Type keys as if they arrived in one write."""
    for character in keys:
        name = NAMED.get(character) or (character if character.isalnum() else _character_to_key(character))
        app.post_message(events.Key(name, None if character in NAMED else character))


class SlowJournal:
    """A journal that can be read once `release` was called: a pipe to which nothing was written before."""

    def __init__(self, path: Path) -> None:
        self._path, self._content = path, path.read_bytes()
        path.unlink()
        os.mkfifo(path)

    async def release(self) -> None:
        """Let the reader read the records, if there is a reader."""
        await asyncio.to_thread(self._write)

    def _write(self) -> None:
        pipe = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)  # without a reader nothing waits
        os.write(pipe, self._content)
        os.close(pipe)


@asynccontextmanager
async def slow_journal(store: Path, directory: Path) -> AsyncIterator[tuple[Pilot[int], ConsoleApp, SlowJournal]]:
    """Run a console whose journal has a record and is slow to read."""
    async with open_console(store, directory, Context.SESSIONS) as (pilot, app):
        assert app.client is not None
        record = (await app.client.usage())[0]
        append_records([record], directory / "deleted.ndjson", service=app.state.host)  # type: ignore[list-item]
        journal = SlowJournal(directory / "deleted.ndjson")
        try:
            yield pilot, app, journal
        finally:
            await journal.release()


def places(app: ConsoleApp) -> list[str]:
    return [type(screen).__name__ for screen in app.screen_stack]


async def wait_until_reading(pilot: Pilot[int], app: ConsoleApp) -> None:
    """Wait until the journal is read and all keys before that had their effect."""
    await wait_for(pilot, lambda: app.state.opening == "the journal", "the journal requested")
    await wait_for(pilot, lambda: app.screen is app.sessions_screen, "the palette closed")


@pytest.mark.parametrize("typed", ["d", "/r", "quit⏎", "Dq"])
async def test_keys_after_the_journal_command_go_to_its_list(
    store_of_an_hour: Path, tmp_path: Path, typed: str
) -> None:
    async with slow_journal(store_of_an_hour, tmp_path) as (pilot, app, journal):
        type_at_once(app, ":journal⏎")
        await wait_until_reading(pilot, app)
        type_at_once(app, typed)
        await pilot.pause(0.1)
        assert places(app) == ["SessionsScreen"]
        assert not app.sessions_screen.has_class("filtering")
        await journal.release()
        await wait_for(pilot, lambda: isinstance(app.screen, Picker), "the list of the journal")
        await wait_for(pilot, lambda: app.held_keys.is_idle, "the keys handled")
        assert app.screen.query_one(Input).value == typed.rstrip("⏎")
        assert app.is_running
        assert app.client is not None
        assert len(await app.client.usage()) == len(app.state.store)


async def test_keys_in_one_write_with_the_journal_command_wait_for_it(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with slow_journal(store_of_an_hour, tmp_path) as (pilot, app, journal):
        type_at_once(app, ":journal⏎dy")
        await wait_until_reading(pilot, app)
        await journal.release()
        await wait_for(pilot, lambda: isinstance(app.screen, Picker), "the list of the journal")
        await wait_for(pilot, lambda: app.held_keys.is_idle, "the keys handled")
        assert app.screen.query_one(Input).value == "dy"


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        pytest.param(lambda path: None, "no record was deleted here", id="empty"),
        pytest.param(lambda path: path.mkdir(), "cannot be read: Is a directory: ", id="unreadable"),
    ],
)
async def test_keys_after_the_journal_command_never_act_on_the_table(
    store_of_an_hour: Path, tmp_path: Path, prepare: Callable[[Path], None], reason: str
) -> None:
    prepare(tmp_path / "deleted.ndjson")
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        type_at_once(app, ":journal⏎dy⏎")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker), "the list of the journal")
        await wait_for(pilot, lambda: app.held_keys.is_idle, "the keys handled")
        assert places(app) == ["SessionsScreen", "Picker"]
        assert reason in screen_text(app)
        assert "enter" not in screen_text(app)
        await pilot.press("escape")
        await wait_for(pilot, lambda: places(app) == ["SessionsScreen"], "the list closed")


async def test_wait_for_the_journal_is_shown_and_escape_ends_it(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with slow_journal(store_of_an_hour, tmp_path) as (pilot, app, journal):
        type_at_once(app, ":journal⏎")
        await wait_for(pilot, lambda: "opening the journal …  esc: cancel" in screen_text(app), "the sign")
        type_at_once(app, "dq⎋")
        await wait_for(pilot, lambda: app.held_keys.is_idle, "the keys handled")
        await wait_for(pilot, lambda: "not opened: the journal" in screen_text(app), "the end of the wait")
        assert "opening" not in screen_text(app)
        await journal.release()
        await pilot.pause(0.1)
        assert places(app) == ["SessionsScreen"]
        assert app.is_running
        type_at_once(app, "d")
        await wait_for(pilot, lambda: isinstance(app.screen, ConfirmDelete), "the next key as usual")


async def test_escape_typed_at_once_ends_the_wait_when_it_takes_long(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with slow_journal(store_of_an_hour, tmp_path) as (pilot, app, _):
        type_at_once(app, ":journal⏎d⎋?")
        await wait_for(pilot, lambda: places(app) == ["SessionsScreen", "HelpScreen"], "the key after escape")


async def test_ctrl_c_ends_the_console_that_waits(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with slow_journal(store_of_an_hour, tmp_path) as (pilot, app, _):
        type_at_once(app, ":journal⏎d")
        await wait_until_reading(pilot, app)
        app.post_message(events.Key("ctrl+c", "\x03"))
        await wait_for(pilot, lambda: app.return_code is not None, "the end")


class ClosesMeanwhile(Dialog[None]):
    """A dialog that closes while a key is on its way through its widgets, as by an answer that arrives then."""

    def on_key(self) -> None:
        self.dismiss()


async def test_key_typed_at_a_dialog_that_closes_meanwhile_acts_on_nothing(
    store_of_an_hour: Path, tmp_path: Path
) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        for key in ("q", "D"):
            app.push_screen(ClosesMeanwhile())
            await wait_for(pilot, lambda: isinstance(app.screen, ClosesMeanwhile), "the dialog")
            type_at_once(app, key)
            await wait_for(pilot, lambda: not isinstance(app.screen, ClosesMeanwhile), "the dialog closed")
            await wait_for(pilot, lambda: app.held_keys.is_idle, "the key handled")
            assert places(app) == ["SessionsScreen"]
            assert app.return_code is None
        type_at_once(app, "D")
        await wait_for(pilot, lambda: isinstance(app.screen, ConfirmDelete), "the next key as usual")


async def test_screen_that_no_key_opened_receives_the_next_key(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        app.push_screen(Picker("Opened by itself", []))
        type_at_once(app, "qd")
        await wait_for(pilot, lambda: [field.value for field in app.screen.query(Input)] == ["qd"], "the keys typed")


async def test_progress_of_a_delete_is_open_before_the_next_key(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        opened: list[list[str]] = []
        start = app.deletion._start

        def start_and_note(work: Coroutine[Any, Any, None]) -> None:
            opened.append(places(app))
            start(work)

        app.deletion._start = start_and_note
        await pilot.press(*"     ", "d", "5", "enter", "enter")
        await wait_for(pilot, lambda: opened, "the delete")
        assert opened == [["SessionsScreen", DeleteProgress.__name__]]
        await wait_for(pilot, lambda: len(app.state.store) < 11, "the delete done")


async def test_keys_wait_for_a_delete_dialog_whose_sessions_are_still_searched(
    store_of_an_hour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of a stream with tens of thousands of sessions; what is polled meanwhile is not in the dialog."""
    is_searched = asyncio.Event()
    plan_steps = delete_plan.plan_steps

    def slow_steps(*chosen: Any) -> Generator[None, None, DeletePlan]:
        while not is_searched.is_set():
            yield
        return (yield from plan_steps(*chosen))

    run = Calculation.run

    async def run_once_searched(calculation: Calculation[DeletePlan]) -> DeletePlan:
        await is_searched.wait()
        return await run(calculation)

    monkeypatch.setattr(delete_plan, "plan_steps", slow_steps)
    monkeypatch.setattr(Calculation, "run", run_once_searched)
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        session = app.sessions_screen.table.cursor_session
        assert session is not None
        known = {found.key for found in app.state.store.of_stream(session.stream)}
        type_at_once(app, "Dqd")
        await wait_for(pilot, lambda: app.state.opening == "the delete dialog", "the wait shown")
        newer = replace(session, start_time=session.start_time + 1)
        app.state.view.update(app.state.store.apply([newer], known))
        assert places(app) == ["SessionsScreen"]
        is_searched.set()
        await wait_for(pilot, lambda: isinstance(app.screen, ConfirmDelete), "the dialog")
        await wait_for(pilot, lambda: [field.value for field in app.screen.query(Input)] == ["qd"], "the keys typed")
        assert isinstance(app.screen, ConfirmDelete)
        assert set(app.screen._plan.keys) == known


@pytest.mark.parametrize(("opening", "place"), [("/", "FilterPrompt"), (":", "Input"), ("?", "HelpScreen")])
async def test_result_of_a_delete_waits_until_nothing_is_typed(
    store_of_an_hour: Path, tmp_path: Path, opening: str, place: str
) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        type_at_once(app, opening)
        await wait_for(pilot, lambda: type(app.focused or app.screen).__name__ == place, "the key handled")
        app.sessions_screen.show_outcome(Outcome("live/cam"))
        await pilot.pause(0.3)
        assert DeleteResult.__name__ not in places(app)
        type_at_once(app, "⎋")
        await wait_for(pilot, lambda: places(app) == ["SessionsScreen", "DeleteResult"], "the result")
