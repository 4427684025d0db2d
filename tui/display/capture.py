"""A driver without a terminal: the cells that a terminal would show stay in a stage, where they can be read."""

from typing import Any

from rich.console import Console
from textual import events
from textual.app import App
from textual.driver import Driver
from textual.geometry import Size

from tui.display.stage import Stage


class NullDevice:
    """A file that keeps nothing."""

    def write(self, _text: str) -> int:
        """Drop the text."""
        return 0

    def flush(self) -> None:
        """Do nothing."""


class Captured:
    """The screen of an app that runs without a terminal, in all colours whatever the environment allows."""

    def __init__(self, columns: int, lines: int) -> None:
        self.stage = Stage(columns, lines)
        self.writes = 0
        """How often the app has written: while it stays the same, the screen does."""

    def attach(self, app: App[Any]) -> None:
        """Make an app that does not run yet draw here. Run it with `headless=False` and the size of the screen."""
        app.driver_class = self._driver_class()
        app.no_color = False
        app.console = Console(
            file=NullDevice(),  # type: ignore[arg-type]
            color_system="truecolor",
            force_terminal=True,
            no_color=False,
            legacy_windows=False,
            markup=True,
            highlight=False,
            emoji=False,
        )

    def receive(self, data: str) -> None:
        """Draw what the app writes."""
        self.writes += 1
        self.stage.receive(data)

    def _driver_class(self) -> type[Driver]:
        captured = self

        class Capturing(Driver):
            def write(self, data: str) -> None:
                captured.receive(data)

            def start_application_mode(self) -> None:
                size = Size(captured.stage.width, captured.stage.height)
                self.send_message(events.Resize(size, size))

            def disable_input(self) -> None:
                pass

            def stop_application_mode(self) -> None:
                pass

        return Capturing
