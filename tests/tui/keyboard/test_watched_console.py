"""The watch of the random keys judges a key by the place that receives it."""

from pathlib import Path

import msgspec
import pytest
from textual import events
from textual.pilot import Pilot

from tests.support.console.pilot import open_console, wait_for
from tests.support.console.watched_console import HandledKey, watch_keys
from tui.app.actions import Context
from tui.app.console_app import ConsoleApp
from tui.keyboard.held_keys import HeldKeys

pytestmark = pytest.mark.usefixtures("fast_keys")


@pytest.fixture
def key_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of the keys of consoles that the test opens."""
    monkeypatch.setattr("tui.app.console_app.HeldKeys", HeldKeys)  # restored after the test
    watch_keys(tmp_path / "keys")
    return tmp_path / "keys"


def handled(log: Path) -> list[HandledKey]:
    return [msgspec.json.decode(line, type=HandledKey) for line in log.read_bytes().splitlines()]


async def type_around_blur(pilot: Pilot[int], app: ConsoleApp, before: str, after: events.Key) -> None:
    """Press a key, take the focus from the terminal, and press another key."""
    await pilot.press(before)
    app.post_message(events.AppBlur())
    await wait_for(pilot, lambda: not app.app_focus and app.focused is None, "the terminal without the focus")
    app.post_message(after)
    await wait_for(pilot, lambda: app.held_keys.is_idle and app.app_focus, "the key handled")


async def test_prompt_is_open_while_the_terminal_has_no_focus(
    store_of_an_hour: Path, tmp_path: Path, key_log: Path
) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await type_around_blur(pilot, app, "slash", events.Key("r", "r"))
        assert app.state.view.filter.text == "r"
        await pilot.press("s")
    assert [(key.key, key.focus, key.faults) for key in handled(key_log)] == [
        ("slash", "SessionTable", []),
        ("r", "FilterPrompt", []),
        ("s", "FilterPrompt", []),
    ]


async def test_enter_that_restores_the_focus_confirms_the_dialog(
    store_of_an_hour: Path, tmp_path: Path, key_log: Path
) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("d")
        await type_around_blur(pilot, app, "right", events.Key("enter", "\r"))
        await wait_for(pilot, lambda: app.screen is app.sessions_screen, "the delete confirmed")
    *_, confirming = handled(key_log)
    assert confirming.confirms is not None
    assert len(confirming.confirms.keys) == 1
