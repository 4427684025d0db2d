"""Runs `streamtop` and logs each key when it is handled: where, and whether the one before it did what it should.

    python -m tests.support.console.watched_console LOG [ARGUMENTS OF streamtop]

The log has one JSON object a line: `HandledKey`.
"""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from textual import events
from textual.app import App
from textual.widget import Widget
from textual.widgets import Button, Input

import tui.app.console_app
from tui.keyboard.held_keys import HeldKeys, TypedEvent
from tui.model.text import sanitize
from tui.screens.base import ConsoleScreen
from tui.screens.confirm_delete import ConfirmDelete
from tui.screens.gaps import GapsScreen
from tui.screens.help import HelpScreen
from tui.screens.picker import Picker
from tui.screens.sessions import SessionsScreen


class Confirmed(msgspec.Struct):
    """A delete dialog that a key confirmed."""

    dialog: int
    keys: list[tuple[str, str, int]]


class HandledKey(msgspec.Struct, omit_defaults=True):
    """A key, or `paste`, and the place that received it."""

    key: str
    screen: str
    focus: str
    confirms: Confirmed | None = None
    quits: bool = False
    faults: list[str] = []


class KeyWatch:
    """Compares what a key did with what keys do: a character typed into a field is in it, a key opens its place."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("ab", buffering=0)
        self._expected: list[tuple[Callable[[], str], Callable[[], object]]] = []
        """What is to be true when the next key is handled."""

    def before(self, app: App[Any], event: TypedEvent) -> None:
        """Log an event that is handled now."""
        key, text = (event.key, event.character) if isinstance(event, events.Key) else ("paste", event.text)
        screen, focused = app.screen, receiver(app)
        handled = HandledKey(key, type(screen).__name__, type(focused).__name__)
        handled.faults = [describe() for describe, is_true in self._expected if not is_true()]
        self._expected = []
        self._expect(app, event, key, text)
        handled.confirms = confirmed_dialog(screen, focused, key)
        handled.quits = is_quit(screen, focused, key)
        self._log.write(msgspec.json.encode(handled) + b"\n")

    def given_up(self, event: TypedEvent) -> None:
        """Log an event that acts on nothing, because the screen that it was meant for does not open."""
        key = event.key if isinstance(event, events.Key) else "paste"
        self._log.write(msgspec.json.encode(HandledKey(key, "", "")) + b"\n")

    def _expect(self, app: App[Any], event: TypedEvent, key: str, text: str | None) -> None:
        screen, focused = app.screen, receiver(app)
        field = focused if isinstance(focused, Input) else None
        if field is not None and text is not None and (event.is_printable if isinstance(event, events.Key) else text):
            low, high = sorted(field.selection)
            self._expect_text(key, field, field.value[:low] + text + field.value[high:])
        elif key.isalnum() and len(key) == 1:
            for other in screen.query(Input):
                self._expect_text(key, other, other.value)
        if field is None:
            self._expect_opened(app, key)

    def _expect_text(self, key: str, field: Input, text: str) -> None:
        self._expected.append((lambda: f"{key}: {field.value!r} in place of {text!r}", lambda: field.value == text))

    def _expect_opened(self, app: App[Any], key: str) -> None:
        screen = app.screen
        if not isinstance(screen, ConsoleScreen):
            return
        if key == "slash" and isinstance(screen, SessionsScreen | GapsScreen):
            self._expected.append((lambda: "/ opens the prompt", lambda: isinstance(receiver(app), Input)))
        elif key == "colon":
            self._expected.append((lambda: ": opens the palette", lambda: isinstance(app.screen, Picker)))
        elif key == "question_mark":
            self._expected.append((lambda: "? opens the help", lambda: isinstance(app.screen, HelpScreen)))


def receiver(app: App[Any]) -> Widget | None:
    """Return the widget that the next key goes to, also while the terminal has lost the focus.

    Textual takes the focus from the widget then, and the next key restores it before the key is handled.
    """
    before = app._last_focused_on_app_blur
    if app.app_focus or app.focused is not None or before is None or not before.is_attached:
        return app.focused
    return before if before.screen is app.screen else None


def confirmed_dialog(screen: object, focused: object, key: str) -> Confirmed | None:
    """Return what a key confirms that is typed at this place."""
    if not isinstance(screen, ConfirmDelete) or not isinstance(focused, Button) or key != "enter":
        return None
    plan = screen._plan
    typed = [field.value for field in screen.query(Input)]
    if focused.id != "go" or (plan.to_type and not {plan.to_type, sanitize(plan.to_type)}.intersection(typed)):
        return None
    return Confirmed(id(screen), [(known.scope, known.name, known.start_time) for known in plan.keys])


def is_quit(screen: object, focused: object, key: str) -> bool:
    """Return whether a key ends the console that is typed at this place."""
    if isinstance(screen, Picker):
        return key == "enter" and any(choice.value == "quit" for choice in screen._shown[screen._at :][:1])
    return isinstance(screen, ConsoleScreen) and not isinstance(focused, Input) and key == "q"


def watch_keys(log: Path) -> None:
    """Log the keys of every console that this process opens."""
    watch = KeyWatch(log)

    class WatchedKeys(HeldKeys):
        def __init__(self, app: App[Any], handle: Callable[[TypedEvent], Awaitable[None]]) -> None:
            async def handle_watched(event: TypedEvent) -> None:
                watch.before(app, event)
                await handle(event)

            super().__init__(app, handle_watched)

        def drop(self, event: TypedEvent) -> None:
            watch.given_up(event)

    tui.app.console_app.HeldKeys = WatchedKeys  # type: ignore[misc]


if __name__ == "__main__":
    from tui.cli import main

    watch_keys(Path(sys.argv.pop(1)))
    main()
