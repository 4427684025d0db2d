"""Properties of all views: notices, subscriptions, pages, and keys that open and close them."""

import importlib
import pkgutil
from pathlib import Path

import pytest
from textual import events
from textual.screen import Screen

import tui.screens
from tests.support.console.pilot import is_gap_grid_drawn, open_console, screen_text, wait_for
from tui.app.actions import VIEWS, Context
from tui.screens.base import ConsoleScreen
from tui.screens.columns import ColumnsScreen
from tui.screens.dialog import Dialog
from tui.screens.gaps import GapsScreen
from tui.screens.page import PageScreen
from tui.screens.picker import Choice, Picker
from tui.screens.servers import ServersScreen
from tui.screens.views import create_view
from tui.widgets.lines import INK_CLASSES


def test_every_screen_declares_the_inks_that_its_widgets_draw_with() -> None:
    for _, name, _ in pkgutil.iter_modules(tui.screens.__path__, "tui.screens."):
        importlib.import_module(name)
    pending, found = [Screen], set()
    while pending:
        for screen in pending.pop().__subclasses__():
            pending.append(screen)
            found |= {screen} if screen.__module__.startswith("tui.") else set()
    assert len(found) > 10
    without = [
        screen
        for screen in found
        if not any(vars(base).get("COMPONENT_CLASSES") == INK_CLASSES for base in screen.__mro__)
    ]
    assert without == []


@pytest.mark.parametrize(
    "keys", [["g"], ["g", "N", "N", "enter"], ["s"], ["y"]], ids=["gaps", "gap", "servers", "days"]
)
async def test_notice_of_a_bundle_is_shown_on_the_view_that_requested_it(
    store_of_an_hour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        for key in keys:
            await pilot.press(key)
            await wait_for(pilot, lambda: app.screen is not app.sessions_screen, "the view")
            await wait_for(
                pilot, lambda: not isinstance(app.screen, GapsScreen) or is_gap_grid_drawn(app), "its coverage"
            )
        await pilot.press("B")
        await wait_for(pilot, lambda: "wrote an incident bundle" in screen_text(app), "the path of the bundle")
        app.state.clock.now += 9_000
        await wait_for(pilot, lambda: "? help" in screen_text(app), "the keys of the view")
        assert "wrote" not in screen_text(app)


async def test_gap_view_subscribes_again_after_another_gap_view_over_it_closed(
    store_of_an_hour: Path, tmp_path: Path
) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("g")
        await wait_for(pilot, lambda: is_gap_grid_drawn(app), "the coverage")
        below = app.screen
        assert isinstance(below, GapsScreen)
        await pilot.press("s")
        await wait_for(pilot, lambda: isinstance(app.screen, ServersScreen), "the servers")
        await pilot.press("enter")
        await wait_for(pilot, lambda: app.screen is not below and is_gap_grid_drawn(app), "the coverage")
        await pilot.press("escape", "escape")
        await wait_for(pilot, lambda: app.screen is below, "the first gap view")
        before = below.book.now_ms
        app.state.clock.now += 60_000
        app.poller.refresh()
        await wait_for(pilot, lambda: below.book.now_ms > before, "a newer poll")


async def test_pause_notice_disappears_on_resume(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("p", "d")
        assert "deletes are off: the table is paused" in screen_text(app)
        await pilot.press("p")
        assert "deletes are off" not in screen_text(app)
        await pilot.press("comma", "d")
        assert "deletes are off" in screen_text(app)
        await pilot.press("0")
        assert "deletes are off" not in screen_text(app)


@pytest.mark.parametrize("key", ["question_mark", "f1", "L", "J", "c"])
async def test_key_that_opens_a_page_closes_it(store_of_an_hour: Path, tmp_path: Path, key: str) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        for close in (key, "escape", "q", "enter"):
            await pilot.press(key)
            assert isinstance(app.screen, PageScreen)
            await pilot.press(close)
            await wait_for(pilot, lambda: app.screen is app.sessions_screen, f"{close} closes the page of {key}")


@pytest.mark.parametrize(
    ("opens", "closes"),
    [
        *((opens, "escape") for opens in ("L", "question_mark", "colon", "S", "C", "d", "D", "g", "s", "y")),
        ("L", "L"),
        ("J", "J"),
        ("S", "enter"),
        ("C", "enter"),
        ("D", "enter"),
    ],
)
async def test_repeated_key_closes_only_one_screen(
    store_of_an_hour: Path, tmp_path: Path, opens: str, closes: str
) -> None:
    """Keys can arrive faster than screens close."""
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("end", opens)
        assert app.screen is not app.sessions_screen
        for _ in range(6):
            app.post_message(events.Key(closes, closes if len(closes) == 1 else None))
        await pilot.pause(0.3)
        assert app.sessions_screen in app.screen_stack
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is app.sessions_screen, "the sessions")


async def test_console_that_ends_while_screens_open_ends_without_an_error(
    store_of_an_hour: Path, tmp_path: Path
) -> None:
    opened = [*map(create_view, VIEWS), Picker("Pick", [Choice("a", "a", "")]), ColumnsScreen(["stream"])]
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        for screen in opened:
            app.push_screen(screen)
        app.exit(143)
        await wait_for(pilot, lambda: not app.is_running, "the end")
    assert not any(screen.children for screen in opened), "no screen had its widgets yet"


def test_every_screen_prepares_its_widgets_where_it_has_some() -> None:
    for _, name, _ in pkgutil.walk_packages(tui.screens.__path__, "tui.screens."):
        importlib.import_module(name)
    pending, own = [ConsoleScreen, Dialog], []
    while pending:
        for screen in pending.pop().__subclasses__():
            pending.append(screen)
            own += [screen] if "on_mount" in vars(screen) else []
    assert own == [], "on_mount is called also for a screen that never gets its widgets"
