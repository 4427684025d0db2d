"""A page of text to read: a raw record, a command, where a poll's time went."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static


class Page(ModalScreen[None]):
    """Lines that are safe to draw."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "close", show=False),
        Binding("j,down", "scroll(1)", "down", show=False),
        Binding("k,up", "scroll(-1)", "up", show=False),
    ]

    def __init__(self, lines: list[str], closed_by: str = "") -> None:
        super().__init__()
        self._lines = lines
        self._closed_by = closed_by
        """The key that opened the page closes it too."""

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield Static(Text("\n".join([*self._lines, "", "esc closes"])), markup=False, id="page")

    def on_key(self, event: object) -> None:
        if self._closed_by and getattr(event, "key", "") == self._closed_by:
            self.dismiss()

    def action_scroll(self, by: int) -> None:
        self.query_one("#help").scroll_relative(y=by, animate=False)
