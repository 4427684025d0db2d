"""A page of text: help, a raw record, a command, the result of a delete, the timing of the polls."""

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import Key
from textual.widgets import Static

from tui.screens.dialog import Dialog


class PageScreen(Dialog[None]):
    """Shows lines that are safe to draw. The keys in `closed_by` close it too.

    The screen has the keys that scroll, not the container: a container scrolls in a later frame, from where it was at
    the press, so that of several keys at once only one would scroll.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "close", show=False),
        Binding("j,down", "scroll(1)", "down", show=False),
        Binding("k,up", "scroll(-1)", "up", show=False),
        Binding("pagedown", "scroll_page(1)", "page down", show=False),
        Binding("pageup", "scroll_page(-1)", "page up", show=False),
        Binding("home", "first", "first line", show=False),
        Binding("end", "last", "last line", show=False),
    ]

    def __init__(self, lines: list[str], closed_by: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._lines = lines
        self._closed_by = closed_by

    def compose(self) -> ComposeResult:
        """Return the widgets."""
        with VerticalScroll(id="help", can_focus=False):
            yield Static(self._text(), markup=False, id="page")

    def _text(self) -> Text:
        return Text("\n".join([*self._lines, "", "esc: close   j k: scroll"]))

    def on_key(self, event: Key) -> None:
        """Close the page by a key that opens it."""
        if event.key in self._closed_by:
            event.stop()  # else the screen below would receive the same key and open the page again
            event.prevent_default()
            self.dismiss()

    def action_scroll(self, lines: int) -> None:
        """Scroll down, or up (below zero)."""
        self.query_one("#help").scroll_relative(y=lines, animate=False, immediate=True)

    def action_scroll_page(self, pages: int) -> None:
        """Scroll pages down, or up (below zero)."""
        self.action_scroll(pages * self.query_one("#help").scrollable_content_region.height)

    def action_first(self) -> None:
        """Scroll to the first line."""
        self.query_one("#help").scroll_home(animate=False, immediate=True)

    def action_last(self) -> None:
        """Scroll to the last line."""
        self.query_one("#help").scroll_end(animate=False, immediate=True)


class AgingPage(PageScreen):
    """Shows lines with a time that continues: `make_lines` returns them as they are now."""

    def __init__(self, make_lines: Callable[[], list[str]], closed_by: tuple[str, ...] = ()) -> None:
        super().__init__(make_lines(), closed_by)
        self._make_lines = make_lines

    def prepare(self) -> None:
        """Draw what is different once a second."""
        self.set_interval(1, self._update)

    def _update(self) -> None:
        lines = self._make_lines()
        if lines != self._lines:
            self._lines = lines
            self.query_one("#page", Static).update(self._text())


class CommandPage(PageScreen):
    """Shows commands for a shell; `copy` copies the first one. It has no frame at its sides: lines can be selected."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("Y", "copy", "copy", show=False)]

    def __init__(self, lines: list[str], copy: Callable[[], None]) -> None:
        super().__init__([*lines, "", "Y: copy the first one"], closed_by=("c",))
        self._copy = copy

    def action_copy(self) -> None:
        """Copy the first command, and close the page."""
        self.dismiss()
        self._copy()
