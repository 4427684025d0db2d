"""Every key of every view performs its action, in a console over the frozen service."""

from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.support.console.frozen_service import frozen_service
from tests.support.console.pilot import (
    is_gap_grid_drawn,
    open_console,
    screen_text,
    wait_for,
    wait_for_figures,
)
from tests.support.program import REPOSITORY
from tui.app.actions import ACTIONS, VIEWS, Action, Context, available, find_keymap_error
from tui.app.console_app import ConsoleApp
from tui.config.settings import ConnectionSettings
from tui.model.sessions.columns import Density
from tui.screens.columns import ColumnsScreen
from tui.screens.confirm_delete import ConfirmDelete
from tui.screens.days import DaysScreen
from tui.screens.gap import GapScreen
from tui.screens.gaps import GapsScreen
from tui.screens.help import HelpScreen
from tui.screens.page import PageScreen
from tui.screens.picker import Picker
from tui.screens.servers import ServersScreen

Check = Callable[[ConsoleApp, Any], object]
Press = Callable[[Pilot[int]], Awaitable[None]]


def cursor_row(app: ConsoleApp) -> int:
    return app.sessions_screen.table.cursor_row


def is_screen(kind: type) -> Check:
    return lambda app, before: isinstance(app.screen, kind)


SESSIONS: dict[str, tuple[list[str], Callable[[ConsoleApp], Any], Check]] = {
    "filter": ([], lambda app: None, lambda app, _: isinstance(app.focused, Input)),
    "detail": ([], lambda app: None, lambda app, _: app.sessions_screen.detail_is_open),
    "mark": ([], lambda app: app.sessions_screen.table.cursor_key, lambda app, key: list(app.state.marks) == [key]),
    "mark_range(1)": ([], cursor_row, lambda app, at: len(app.state.marks) == 2 and cursor_row(app) == at + 1),
    "mark_range(-1)": (["j", "j"], cursor_row, lambda app, at: len(app.state.marks) == 2 and cursor_row(app) == at - 1),
    "delete_session": ([], lambda app: None, is_screen(ConfirmDelete)),
    "delete_stream": ([], lambda app: None, is_screen(ConfirmDelete)),
    "undo": ([], lambda app: None, lambda app, _: "nothing to undo" in str(app.sessions_screen.notice)),
    "sort_next": ([], lambda app: app.state.view.column, lambda app, before: app.state.view.column != before),
    "reverse": ([], lambda app: app.state.view.descending, lambda app, was: app.state.view.descending != was),
    "sort": ([], lambda app: None, is_screen(Picker)),
    "columns": ([], lambda app: None, is_screen(ColumnsScreen)),
    "density": ([], lambda app: None, lambda app, _: app.state.density is Density.DENSE),
    "group": ([], lambda app: None, lambda app, _: app.state.view.grouped),
    "raw_record": ([], lambda app: None, is_screen(PageScreen)),
    "command": ([], lambda app: None, is_screen(PageScreen)),
    "copy": ([], lambda app: None, is_screen(Picker)),
    "export": ([], lambda app: None, is_screen(Picker)),
    "bundle": ([], lambda app: None, lambda app, _: list(Path.cwd().glob("*.tar.gz"))),
    "audience": ([], lambda app: app.state.shows_audience, lambda app, shown: app.state.shows_audience is not shown),
    "pause": ([], lambda app: None, lambda app, _: app.state.is_paused),
    "step(-1)": ([], lambda app: None, lambda app, _: app.state.is_paused),
    "step(1)": ([], lambda app: None, lambda app, _: app.state.is_paused),
    "live": (["p"], lambda app: None, lambda app, _: not app.state.is_paused),
    "interval(1)": ([], lambda app: app.state.poll_interval_ms, lambda app, ms: app.state.poll_interval_ms < ms),
    "interval(-1)": (
        ["plus", "plus"],
        lambda app: app.state.poll_interval_ms,
        lambda app, ms: app.state.poll_interval_ms > ms,
    ),
    "latency": ([], lambda app: None, is_screen(PageScreen)),
    "profile": ([], lambda app: None, is_screen(Picker)),
    "move(1)": ([], cursor_row, lambda app, at: cursor_row(app) == at + 1),
    "move(-1)": (["j", "j"], cursor_row, lambda app, at: cursor_row(app) == at - 1),
    "move_page(1)": ([], cursor_row, lambda app, at: cursor_row(app) > at + 1),
    "move_page(-1)": (["end"], cursor_row, lambda app, at: cursor_row(app) < at - 1),
    "first": (["j", "j"], cursor_row, lambda app, _: cursor_row(app) == 0),
    "last": ([], cursor_row, lambda app, _: cursor_row(app) == len(app.state.view) - 1),
    "refresh": ([], lambda app: len(app.state.timeline), lambda app, polls: len(app.state.timeline) > polls),
    "palette": ([], lambda app: None, is_screen(Picker)),
    "back": (["space"], lambda app: None, lambda app, _: not app.state.marks),
    "help": ([], lambda app: None, is_screen(HelpScreen)),
    "quit": ([], lambda app: None, lambda app, _: app.return_code == 0),
}


def at_ms(app: ConsoleApp) -> int:
    screen = app.screen
    assert isinstance(screen, GapsScreen)
    view = screen.grid_view
    return view.grid.edges[view.cell] if view.grid else 0


def back_cells(app: ConsoleApp) -> int:
    screen = app.screen
    assert isinstance(screen, GapsScreen)
    return screen.window.cells_back


def gap_row(app: ConsoleApp) -> int:
    screen = app.screen
    assert isinstance(screen, GapsScreen)
    return screen.grid_view.row


GAPS: dict[str, tuple[list[str], Callable[[ConsoleApp], Any], Check]] = {
    "next_gap": (["N", "N"], at_ms, lambda app, at: at_ms(app) != at),
    "previous_gap": ([], at_ms, lambda app, at: at_ms(app) != at),
    "pan(-1)": ([], at_ms, lambda app, at: at_ms(app) == at - 60_000),
    "pan(1)": (["h", "h"], at_ms, lambda app, at: at_ms(app) == at + 60_000),
    "page(-1)": ([], back_cells, lambda app, back: back_cells(app) > back),
    "page(1)": (["H"], back_cells, lambda app, back: back_cells(app) < back),
    "move(1)": ([], gap_row, lambda app, at: gap_row(app) == at + 1),
    "move(-1)": (["j"], gap_row, lambda app, at: gap_row(app) == at - 1),
    "move_page(1)": ([], gap_row, lambda app, at: gap_row(app) > at),
    "move_page(-1)": (["end"], gap_row, lambda app, at: gap_row(app) < at),
    "first": (["end"], gap_row, lambda app, _: gap_row(app) == 0),
    "last": ([], gap_row, lambda app, _: gap_row(app) == 2),
    "bundle": ([], lambda app: None, lambda app, _: list(Path.cwd().glob("*.tar.gz"))),
    "back": ([], lambda app: None, lambda app, _: app.screen is app.sessions_screen),
}


def server_row(app: ConsoleApp) -> int:
    screen = app.screen
    assert isinstance(screen, ServersScreen)
    return screen._row()


def cell_ms(app: ConsoleApp) -> int:
    screen = app.screen
    assert isinstance(screen, GapsScreen)
    return screen.grid_view.grid.cell_ms if screen.grid_view.grid else 0


GAPS |= {
    "open": (["N", "N"], lambda app: None, is_screen(GapScreen)),
    "zoom(1)": ([], cell_ms, lambda app, before: cell_ms(app) > before),
    "zoom(-1)": (["minus", "minus"], cell_ms, lambda app, before: cell_ms(app) < before),
    "other_rows": ([], lambda app: None, lambda app, _: getattr(app.screen, "_of_streams", False)),
    "order": ([], lambda app: None, lambda app, _: getattr(app.screen, "_most_missing_first", False)),
    "filter": ([], lambda app: None, lambda app, _: isinstance(app.focused, Input)),
}


def scroll_y(app: ConsoleApp) -> float:
    return app.screen.query_one("#page").scroll_offset.y


GAP: dict[str, tuple[list[str], Callable[[ConsoleApp], Any], Check]] = {
    "next_gap": ([], lambda app: None, is_screen(GapScreen)),
    "previous_gap": ([], lambda app: None, is_screen(GapScreen)),
    "move(1)": ([], scroll_y, lambda app, at: scroll_y(app) == at + 1),
    "move(-1)": (["j", "j"], scroll_y, lambda app, at: scroll_y(app) == at - 1),
    "move_page(1)": ([], scroll_y, lambda app, at: scroll_y(app) > at + 1),
    "move_page(-1)": (["end"], scroll_y, lambda app, at: scroll_y(app) < at),
    "first": (["end"], scroll_y, lambda app, _: scroll_y(app) == 0),
    "last": ([], scroll_y, lambda app, at: scroll_y(app) > at),
    "bundle": ([], lambda app: None, lambda app, _: list(Path.cwd().glob("*.tar.gz"))),
    "back": ([], lambda app: None, is_screen(GapsScreen)),
}


def shown_month(app: ConsoleApp) -> date:
    screen = app.screen
    assert isinstance(screen, DaysScreen)
    return screen.first


def day_row(app: ConsoleApp) -> int:
    """Return the cursor's row among the roles and servers of a day."""
    screen = app.screen
    assert isinstance(screen, DaysScreen)
    return screen._cursor()


def is_day_open(app: ConsoleApp) -> bool:
    return isinstance(app.screen, DaysScreen) and app.screen.opened is not None


def shown_group(app: ConsoleApp) -> str:
    """Return the group of streams that the days view shows; empty for servers."""
    screen = app.screen
    assert isinstance(screen, DaysScreen)
    return "" if screen._groups.rows is None else screen._groups.rows.request.group


DAYS: dict[str, tuple[list[str], Callable[[ConsoleApp], Any], Check]] = {
    "open": ([], is_day_open, lambda app, was: is_day_open(app) != was),
    "reconciled": ([], lambda app: None, lambda app, _: "streamtop reconcile FILE" in screen_text(app)),
    "next_group(1)": ([], shown_group, lambda app, _: shown_group(app) == "stream"),
    "next_group(-1)": ([], shown_group, lambda app, _: shown_group(app) == "customer"),
    "filter": (["tab"], lambda app: None, lambda app, _: isinstance(app.focused, Input)),
    "order": (["tab"], lambda app: None, lambda app, _: "most traffic out first" in screen_text(app)),
    "pan(-1)": ([], shown_month, lambda app, at: shown_month(app) < at),
    "pan(1)": (["h"], shown_month, lambda app, at: shown_month(app) > at),
    "move(1)": (["enter"], day_row, lambda app, at: day_row(app) == at + 1),
    "move(-1)": (["enter", "j", "j"], day_row, lambda app, at: day_row(app) == at - 1),
    "move_page(1)": (["enter"], day_row, lambda app, at: day_row(app) > at + 1),
    "move_page(-1)": (["enter", "end"], day_row, lambda app, at: day_row(app) < at - 1),
    "first": (["enter", "end"], day_row, lambda app, _: day_row(app) == 0),
    "last": (["enter"], day_row, lambda app, _: day_row(app) == 4),
    "bundle": ([], lambda app: None, lambda app, _: list(Path.cwd().glob("*.tar.gz"))),
    "back": ([], lambda app: None, lambda app, _: app.screen is app.sessions_screen),
}


SERVERS: dict[str, tuple[list[str], Callable[[ConsoleApp], Any], Check]] = {
    "open": ([], lambda app: None, is_screen(GapsScreen)),
    "move(1)": ([], server_row, lambda app, at: server_row(app) == at + 1),
    "move(-1)": (["j"], server_row, lambda app, at: server_row(app) == at - 1),
    "move_page(1)": ([], server_row, lambda app, at: server_row(app) == 2),
    "move_page(-1)": (["end"], server_row, lambda app, _: server_row(app) == 0),
    "first": (["end"], server_row, lambda app, _: server_row(app) == 0),
    "last": ([], server_row, lambda app, _: server_row(app) == 2),
    "bundle": ([], lambda app: None, lambda app, _: list(Path.cwd().glob("*.tar.gz"))),
    "back": ([], lambda app: None, lambda app, _: app.screen is app.sessions_screen),
}
EVERYWHERE = (
    "audience",
    "pause",
    "interval(1)",
    "interval(-1)",
    "latency",
    "profile",
    "refresh",
    "palette",
    "help",
    "bundle",
    "quit",
)
"""Actions of all views whose checks are those of the sessions view."""


OF_VIEW = {
    Context.SESSIONS: SESSIONS,
    Context.GAPS: GAPS,
    Context.GAP: GAP,
    Context.DAYS: DAYS,
    Context.SERVERS: SERVERS,
}
"""A view that is missing here tests its own keys, and the cursor, in its `test_VIEW.py` below `tests/tui/screens/`."""


def find_check(context: Context, action: Action) -> tuple[list[str], Callable[[ConsoleApp], Any], Check] | None:
    if action.opens is not None:
        return [], lambda app: None, lambda app, _: getattr(app.screen, "CONTEXT", None) is action.opens
    of_view = OF_VIEW.get(context, {}).get(action.name)
    return of_view or (SESSIONS[action.name] if action.name in EVERYWHERE else None)


@pytest.mark.usefixtures("fast_keys")
@pytest.mark.parametrize("context", list(Context))
async def test_every_key_performs_its_action(
    context: Context, store_of_an_hour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions = [action for action in ACTIONS if context in action.contexts and action.keys]
    unchecked = [action for action in actions if find_check(context, action) is None]
    own_tests = [*(REPOSITORY / "tests" / "tui" / "screens").rglob(f"test_{context.value}.py")]
    assert not unchecked or (context not in OF_VIEW and own_tests), "every key is to be tested"
    actions = [action for action in actions if action not in unchecked]
    actions.sort(key=lambda action: action.name == "quit")
    async with open_console(store_of_an_hour, tmp_path, context) as (pilot, app):
        for action in actions:
            entry = find_check(context, action)
            assert entry is not None
            before_keys, measure, check = entry
            for key in action.keys.split(","):
                directory = tmp_path / f"{action.name} {key}"
                directory.mkdir()
                monkeypatch.chdir(directory)
                await reset_console(pilot, app, context)
                for before_key in before_keys:
                    await pilot.press(before_key)
                    await wait_for(pilot, lambda: not app.fetcher.is_waiting, "the requested data")
                    await pilot.pause()
                before = measure(app)
                await pilot.press(key)
                await wait_for(
                    pilot,
                    lambda check=check, before=before: check(app, before),
                    f"{context.value}: {key} for {action.name}",
                )


async def test_next_gap_cycles_through_the_gaps_of_a_cell(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("g")
        await wait_for(pilot, lambda: is_gap_grid_drawn(app), "coverage")
        await pilot.press("j", *["minus"] * 7)
        await wait_for(pilot, lambda: is_gap_grid_drawn(app) and cell_ms(app) == 7_200_000, "cells of two hours")
        await pilot.press("N", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, GapScreen) and app.screen.is_drawn, "the gap")
        gap = app.screen
        assert isinstance(gap, GapScreen)
        began = [gap.gap.from_ms]
        for key in ("n", "n", "N"):
            await pilot.press(key)
            began.append(gap.gap.from_ms)
        first, second, again, back = began
        assert first != second
        assert again == first, "the search wraps around"
        assert back == second


def is_scrollable_gap(app: ConsoleApp) -> bool:
    return isinstance(app.screen, GapScreen) and app.screen.query_one("#page").max_scroll_y > 2


async def reset_console(pilot: Pilot[int], app: ConsoleApp, context: Context) -> None:
    """Close every view that a key opened, and undo its changes."""
    if app.return_code is not None:
        return
    while len(app.screen_stack) > 1:
        app.pop_screen()
    screen, state = app.sessions_screen, app.state
    screen.remove_class("detail-open", "filtering")
    state.resume()
    state.marks.clear()
    state.density = Density.AUTO
    state.view.group(False)
    app.poller.interval_seconds, state.poll_interval_ms = 60, 60_000
    screen.table.rows_changed()
    screen.table.move_to(0)
    screen.table.focus()
    if context in (Context.GAPS, Context.GAP):
        app.open_view(Context.GAPS)
        await pilot.pause()
        await wait_for(pilot, lambda: is_gap_grid_drawn(app), "coverage")
    if context is Context.GAP:
        await pilot.press("N", "N", "enter")
        await wait_for(pilot, lambda: is_scrollable_gap(app), "a gap that is longer than the screen")
    elif context is Context.DAYS:
        app.open_view(Context.DAYS)
        await wait_for(pilot, lambda: isinstance(app.screen, DaysScreen) and app.screen._rows(), "the month")
    elif context in VIEWS and context is not Context.GAPS:
        app.open_view(context)
    await pilot.pause()


@pytest.mark.parametrize(("key", "seen"), [("s", "edge-2"), ("y", "Sat 21"), ("g", "edge-2")])
async def test_view_is_drawn_when_it_opens(
    store_of_an_hour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, seen: str
) -> None:
    monkeypatch.setattr(ConsoleApp, "_tick", lambda app: None)
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press(key)
        await wait_for(pilot, lambda: seen in screen_text(app), "the view's content, without a later tick of the clock")


def test_replays_and_read_only_consoles_have_no_key_that_changes_silences() -> None:
    changes = {"silence", "end_silence"}
    assert {action.name for action in available(Context.ALERTS, read_only=False)} >= changes
    for limits in ({"read_only": True}, {"read_only": False, "has_service": False}):
        assert not {action.name for action in available(Context.ALERTS, **limits)} & changes


def test_default_key_map_assigns_no_key_twice() -> None:
    assert find_keymap_error({}) == ""


@pytest.mark.parametrize(
    ("keymap", "reason"),
    [
        ({"nothing": "x"}, "unknown action 'nothing'"),
        ({"gaps": "x", "servers": "x"}, "x is assigned to both gaps and servers"),
        ({"gaps": "x,x"}, "x is assigned to both gaps and gaps"),
        ({"delete_everything": "x"}, "unknown action 'delete_everything'"),
    ],
)
def test_invalid_key_map_is_refused_with_a_reason(keymap: dict[str, str], reason: str) -> None:
    assert reason in find_keymap_error(keymap)


def test_key_of_the_user_takes_the_default_of_another_action() -> None:
    keymap = {"gaps": "u", "mark": "G"}
    assert find_keymap_error(keymap) == ""
    by_name = {action.name: action for action in available(Context.SESSIONS, read_only=False, keymap=keymap)}
    assert (by_name["gaps"].keys, by_name["undo"].keys, by_name["undo"].shown) == ("u", "", "")
    assert (by_name["mark"].keys, by_name["last"].keys) == ("G", "end")
    gaps = {action.name: action for action in available(Context.GAPS, read_only=False, keymap=keymap)}
    assert gaps["last"].keys == "end,G", "there the user gave the key to no action"


async def test_key_of_the_user_works_where_it_is_the_default_of_another_action(
    store_of_an_hour: Path, tmp_path: Path
) -> None:
    async with frozen_service(store_of_an_hour, tmp_path) as (client, clock):
        settings = ConnectionSettings(poll_interval_s=60, keys={"gaps": "u"})
        app = ConsoleApp(client, settings, clock=clock, journal_path=tmp_path / "j")
        async with app.run_test(size=(100, 24)) as pilot:
            await wait_for_figures(pilot)
            await pilot.press("u")
            assert isinstance(app.screen, GapsScreen)


async def test_key_of_the_user_replaces_the_default_key(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with frozen_service(store_of_an_hour, tmp_path) as (client, clock):
        app = ConsoleApp(
            client,
            ConnectionSettings(poll_interval_s=60, keys={"gaps": "w", "move(1)": "n,down"}),
            clock=clock,
            journal_path=tmp_path / "j",
        )
        async with app.run_test(size=(100, 24)) as pilot:
            await wait_for_figures(pilot)
            await pilot.press("n", "n")
            assert cursor_row(app) == 2
            await pilot.press("g")
            assert app.screen is app.sessions_screen
            await pilot.press("w")
            assert isinstance(app.screen, GapsScreen)
