"""Puts `EscapeFinder` between the terminal and Textual's parser.

The one module that knows how Textual reads the keyboard: its driver for Linux and macOS has a thread that reads bytes
and feeds a parser, both without a public interface. Where they are not as expected, Textual reads the keyboard itself.
"""

import codecs
import os
import selectors
from collections.abc import Collection, Iterable
from typing import Any, Protocol

from textual.app import App
from textual.constants import ESCAPE_DELAY
from textual.driver import Driver
from textual.message import Message

from tui.keyboard.escapes import ESCAPE_KEY, EscapeFinder

_LOOK_AGAIN_S = 0.1
"""How often the thread looks whether it is to end."""


class _Parser(Protocol):
    def feed(self, data: str) -> Iterable[Message]: ...

    def tick(self) -> Iterable[Message]: ...


def finds_escapes(base: type[Driver], alt_characters: Collection[str] = ()) -> type[Driver]:
    """Return a driver class that keeps Escape apart from sequences; `base` itself if it does not fit."""
    if not fits(base):
        return base

    class FindsEscapes(base):  # type: ignore[misc, valid-type]
        def __init__(self, app: App[Any], **given: Any) -> None:
            super().__init__(app, **given)
            self._escapes = EscapeFinder(alt_characters)

        def run_input_thread(self) -> None:
            """Read keys until the driver stops, or the terminal is gone."""
            parser = _create_parser()
            decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
            with selectors.SelectSelector() as selector:
                selector.register(self.fileno, selectors.EVENT_READ)
                while not self.exit_event.is_set():
                    if selector.select(ESCAPE_DELAY if self._escapes.is_waiting else _LOOK_AGAIN_S):
                        typed = os.read(self.fileno, 4096)
                        if not typed:  # the terminal is gone: this end of its input is readable for ever
                            return
                        self._process_text(parser, self._escapes.feed(decode(typed)))
                    elif self._escapes.is_waiting:
                        self._process_text(parser, self._escapes.time_out())
                    self._process_all(parser.tick())

        def _process_text(self, parser: _Parser, text: str) -> None:
            if text:  # an empty text is the end of the input
                self._process_all(parser.feed(text))

        def _process_all(self, messages: Iterable[Message]) -> None:
            for message in messages:
                self.process_message(message)

    return FindsEscapes


def _create_parser() -> _Parser:
    from textual._xterm_parser import XTermParser

    return XTermParser()


def fits(base: type[Driver]) -> bool:
    """Return whether driver and parser are as expected."""
    try:
        from textual.drivers.linux_driver import LinuxDriver

        parser = _create_parser()
        keys = [getattr(message, "key", "") for message in parser.feed(ESCAPE_KEY)]
        next(iter(parser.tick()), None)
    except (ImportError, AttributeError, TypeError):
        return False
    return issubclass(base, LinuxDriver) and callable(getattr(base, "run_input_thread", None)) and keys == ["escape"]
