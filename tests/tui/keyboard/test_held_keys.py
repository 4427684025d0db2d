"""Keys that arrive at once act like keys that are typed one after another."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.widgets import Input

from tests.support.console.pilot import is_gap_grid_drawn, open_console, wait_for
from tests.support.waiting import LONGEST_WAIT_S
from tui.app.actions import Context
from tui.app.console_app import ConsoleApp
from tui.screens.gap import GapScreen
from tui.widgets.filter_prompt import FilterPrompt

pytestmark = pytest.mark.usefixtures("fast_keys")

NAMED = {"⏎": "enter", "⎋": "escape", "↓": "down", "↑": "up", "⇥": "tab", "⌫": "backspace"} | {
    "⇟": "pagedown",
    "⇞": "pageup",
    "⇱": "home",
    "⇲": "end",
}


def key_event(character: str) -> events.Key:
    if character in NAMED:
        return events.Key(NAMED[character], None)
    return events.Key(character if character.isalnum() else _character_to_key(character), character)


async def press_at_once(pilot: Pilot[int], keys: str) -> None:
    """Press keys as if they arrived in one write, and wait for the effect of the last."""
    for character in keys:
        pilot.app.post_message(key_event(character))
    await wait_until_handled(pilot)


async def press_slowly(pilot: Pilot[int], keys: str) -> None:
    for character in keys:
        pilot.app.post_message(key_event(character))
        await wait_until_handled(pilot)


async def wait_until_handled(pilot: Pilot[int]) -> None:
    """Wait for the effect of all keys, and a little longer: a late effect is a fault."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    async with asyncio.timeout(LONGEST_WAIT_S):
        await asyncio.sleep(0.005)
        while not (app.held_keys.is_idle or has_ended(app)):  # noqa: ASYNC110 - the app has no event for it
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.02)


def has_ended(app: ConsoleApp) -> bool:
    return app.return_code is not None


def place(app: ConsoleApp) -> dict[str, Any]:
    """Return what keys have done so far."""
    state, screen = app.state, app.screen
    typed = screen.query(Input).results()
    return {
        "screens": [type(known).__name__ for known in app.screen_stack],
        "focus": app.focused.id if app.focused is not None else None,
        "typed": [field.value for field in typed],
        "filter": state.view.filter.text,
        "filters": app.sessions_screen.filters,
        "order": (state.view.column, state.view.descending, state.view.grouped),
        "density": state.density,
        "marks": sorted(state.marks),
        "cursor": app.sessions_screen.table.cursor_key,
        "detail": app.sessions_screen.detail_is_open,
        "paused": state.is_paused,
    }


async def test_keys_after_the_slash_belong_to_the_prompt(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await press_at_once(pilot, "/dy")
        assert app.screen is app.sessions_screen
        assert app.sessions_screen.query_one(FilterPrompt).value == "dy"
        await press_at_once(pilot, "⎋/quality")
        assert app.is_running
        assert app.sessions_screen.query_one(FilterPrompt).value == "quality"


async def test_command_is_run_if_it_arrives_in_one_write(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await press_at_once(pilot, ":sort total⏎")
        assert app.state.view.column == "total"
        assert app.screen is app.sessions_screen


@pytest.mark.parametrize(
    ("keys", "screens"),
    [
        ("?q", ["SessionsScreen"]),
        ("g⎋?", ["SessionsScreen", "HelpScreen"]),
        ("d⎋d", ["SessionsScreen", "ConfirmDelete"]),
        ("?⎋:", ["SessionsScreen", "Picker"]),
    ],
)
async def test_screen_that_opens_receives_the_next_key(
    store_of_an_hour: Path, tmp_path: Path, keys: str, screens: list[str]
) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await press_at_once(pilot, keys)
        assert [type(screen).__name__ for screen in app.screen_stack] == screens


@pytest.mark.parametrize(
    ("opening", "widget", "keys", "lines"),
    [("?", "#help", "jjjk", 2), ("?", "#help", "↓↓↓↑", 2), ("?", "#help", "⇱⇟⇟⇞j", 7), ("d", "#dialog", "↑↑↑↓", -2)],
)
async def test_every_key_of_a_burst_scrolls(
    store_of_an_hour: Path, tmp_path: Path, opening: str, widget: str, keys: str, lines: int
) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.resize_terminal(100, 8)
        await press_at_once(pilot, opening)
        page = app.screen.query_one(widget)
        await wait_for(pilot, lambda: page.max_scroll_y >= 3, "a page that is longer than the screen")
        top = page.scroll_offset.y
        await press_at_once(pilot, keys)
        assert page.scroll_offset.y == top + lines


async def test_keys_after_the_end_of_a_text_move_from_there(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.resize_terminal(100, 8)
        await press_at_once(pilot, "?")
        text = app.screen.query_one("#help")
        await press_at_once(pilot, "⇲kkj")
        assert text.scroll_offset.y == text.max_scroll_y - 1


async def test_keys_after_the_end_of_a_page_move_from_there(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.resize_terminal(100, 8)
        await press_at_once(pilot, "g")
        await wait_for(pilot, lambda: is_gap_grid_drawn(app), "coverage")
        await press_at_once(pilot, "N⏎")
        await wait_for(pilot, lambda: isinstance(app.screen, GapScreen) and not app.fetcher.is_waiting, "the gap")
        page = app.screen.query_one("#page")
        await wait_for(pilot, lambda: page.max_scroll_y >= 3, "a gap that is longer than the screen")
        await press_at_once(pilot, "Gkkj")
        assert page.scroll_offset.y == page.max_scroll_y - 1


async def test_text_that_is_pasted_into_a_terminal_without_the_focus_is_kept(
    store_of_an_hour: Path, tmp_path: Path
) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await press_at_once(pilot, "/")
        app.post_message(events.AppBlur())
        await wait_for(pilot, lambda: app.focused is None, "the focus lost")
        app.post_message(events.Paste("stage"))
        await wait_until_handled(pilot)
        assert app.screen.query_one(FilterPrompt).value == "stage"


async def test_pasted_text_goes_where_the_keys_before_it_have_led(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        app.post_message(key_event("/"))
        app.post_message(events.Paste("stage"))
        app.post_message(key_event("⏎"))
        app.post_message(key_event("↓"))
        await wait_until_handled(pilot)
        assert app.state.view.filter.text == "stage"
        assert app.sessions_screen.table.cursor_row == 1


async def test_half_typed_filter_is_not_remembered(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await press_at_once(pilot, "/stage⏎")
        assert app.state.view_memory([]).filter == "stage"
        await press_at_once(pilot, "/keynote")
        assert app.state.view_memory([]).filter == "stage"
        await press_at_once(pilot, "⏎")
        assert app.state.view_memory([]).filter == "keynote"


async def test_ctrl_c_never_waits(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        blocked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        app.sessions_screen.call_later(lambda: blocked)
        for key in (key_event("?"), key_event("?"), events.Key("ctrl+c", "\x03")):
            app.post_message(key)
        async with asyncio.timeout(LONGEST_WAIT_S):
            while not has_ended(app):  # noqa: ASYNC110 - the app has no event for it
                await asyncio.sleep(0.01)
        blocked.set_result(None)
        await pilot.pause()


ALPHABET = "//::⏎⏎⎋⎋⎋↓↑⇥⌫?jkmM*NrSovn 0amtioel=<>()-"
"""Without the keys of views and dialogs that fetch data: what they do depends on its arrival, too."""
SEQUENCES = 60
"""Random sequences in CI; `.ci/nightly` runs more steps of them."""


async def test_random_keys_at_once_do_what_they_do_one_by_one(store_of_an_hour: Path, tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    choice = random.Random(seed)
    for folder in ("slow", "fast"):
        (tmp_path / folder).mkdir()
    async with (
        open_console(store_of_an_hour, tmp_path / "slow", Context.SESSIONS) as (slow_pilot, slow),
        open_console(store_of_an_hour, tmp_path / "fast", Context.SESSIONS) as (fast_pilot, fast),
    ):
        for _ in range(SEQUENCES):
            keys = "".join(choice.choices(ALPHABET, k=choice.randint(2, 12)))
            await press_slowly(slow_pilot, keys)
            await press_at_once(fast_pilot, keys)
            assert has_ended(fast) == has_ended(slow), f"after {keys!r}"
            if has_ended(slow):  # by a command that the keys have chosen
                return
            assert place(fast) == place(slow), f"after {keys!r}"
