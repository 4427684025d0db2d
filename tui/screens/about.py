"""The about view: which service is watched."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from tui.app.actions import Context, bindings
from tui.model.text import sanitize
from tui.screens.base import ConsoleScreen
from tui.widgets.lines import Line


class AboutScreen(ConsoleScreen):
    """One line: the service."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Context.ABOUT)]

    CONTEXT: ClassVar[Context] = Context.ABOUT

    def compose(self) -> ComposeResult:
        """Return the widgets."""
        yield Line(id="header")
        yield Line(id="summary")
        yield Line(id="keys")

    def state_changed(self, *, polled: bool) -> None:
        """Draw what is different."""
        if self.is_drawn:
            self._draw_header("about")
            self.query_one("#summary", Line).show([(f" service {sanitize(self.state.host)}", "")])
            self._draw_keys()

    def action_back(self) -> None:
        """Close the view."""
        self.app.pop_screen()

    def action_move(self, rows: int) -> None:
        """There is no cursor."""

    def action_move_page(self, pages: int) -> None:
        """There is no cursor."""

    def action_first(self) -> None:
        """There is no cursor."""

    def action_last(self) -> None:
        """There is no cursor."""
