"""Connects the stage to Textual: the one module that knows how Textual hands its output to the terminal.

Textual's app writes each frame to its driver as text: the start of synchronized output where the terminal has it, then
moves, SGR and text, then the end. A subclass of the driver's class (`App(driver_class=…)`) sends what the stage returns
instead. No private name of Textual is used.
"""

from collections.abc import Callable
from typing import Any

from textual import events
from textual.app import App
from textual.driver import Driver
from textual.message import Message

from tui.display import terminfo
from tui.display.ascii import to_ascii
from tui.display.cells import Terminal
from tui.display.stage import WIDTH_PROBE, Stage, is_harmless


class StagedDriver:
    """What every driver with a stage has. `staged` makes its subclasses."""

    stage: Stage | None
    """`None` after a fault of the stage: then Textual's frames are sent as they are."""

    def forget(self) -> None:
        """Note that the terminal may show anything: the next frame writes every line."""
        raise NotImplementedError


def fitted(base: type[Driver], *, has_stage: bool, is_unicode: bool) -> type[Driver]:
    """Return the driver class for this terminal."""
    if has_stage:
        base = staged(base, erases_in_colour=terminfo.erases_in_colour, measures_widths=is_unicode)
    return base if is_unicode else in_ascii(base)


def in_ascii(base: type[Driver]) -> type[Driver]:
    """Return a driver class that sends ASCII only, of the same width; `base` itself if it does not fit."""
    if not fits(base):
        return base

    class Ascii(base):  # type: ignore[misc, valid-type]
        def write(self, data: str) -> None:
            super().write(to_ascii(data))

    return Ascii


def staged(base: type[Driver], *, erases_in_colour: Callable[[], bool], measures_widths: bool = True) -> type[Driver]:
    """Return a driver class that sends only cells that differ; `base` itself if it does not fit.

    With `measures_widths` it has the terminal report how wide it draws characters of ambiguous width. It fits if it
    draws a full screen on a terminal: Textual's driver for Linux and macOS.
    """
    if not fits(base):
        return base

    class Staged(base, StagedDriver):  # type: ignore[misc, valid-type]
        def __init__(self, app: App[Any], **given: Any) -> None:
            super().__init__(app, **given)
            self._sized_app = app
            self.stage: Stage | None = Stage(0, 0, Terminal(erases_in_colour()))
            self._awaits_widths = False

        def write(self, data: str) -> None:
            stage = self.stage
            if stage is None or is_harmless(data):  # also from the thread that reads the keyboard
                super().write(data)
                return
            try:
                stage.resize(*self._sized_app.size)
                sent = stage.receive(data)
            except Exception as error:
                self._sized_app.log.error(f"display stage: {error!r}")
                self.stage = None
                sent = stage.reset_sequence() + data
                self._sized_app.call_later(self._sized_app.refresh)
            if sent:
                super().write(sent)

        def start_application_mode(self) -> None:
            super().start_application_mode()
            if self.stage is not None and measures_widths:
                self._awaits_widths = True
                super().write(WIDTH_PROBE)

        def process_message(self, message: Message) -> None:
            # In the thread that reads the keyboard.
            if self._awaits_widths and isinstance(message, events.CursorPosition):
                self._awaits_widths = False
                if self.stage is not None:
                    self.stage.learn_widths(message.x)
                return
            super().process_message(message)

        def forget(self) -> None:
            if self.stage is not None:
                self.stage.forget()

    return Staged


def fits(base: type[Driver]) -> bool:
    """Return whether a driver is as the stage expects: Textual's for a terminal, whose output all passes `write`."""
    try:
        from textual.drivers.linux_driver import LinuxDriver
    except ImportError:
        return False
    parts = ("write", "start_application_mode", "process_message")
    return issubclass(base, LinuxDriver) and all(callable(getattr(base, part, None)) for part in parts)
