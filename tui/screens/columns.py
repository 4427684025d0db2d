"""The dialog that chooses the table's columns and their order."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from tui.model.sessions.columns import COLUMNS
from tui.model.text import padded
from tui.screens.dialog import Dialog
from tui.widgets.lines import Line, Part


class ColumnsScreen(Dialog[list[str]]):
    """Dismissed with the names of the chosen columns in their order."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,C", "close", "close", show=False),
        Binding("j,down", "move(1)", "down", show=False),
        Binding("k,up", "move(-1)", "up", show=False),
        Binding("space", "switch", "show or hide", show=False),
        Binding("J,shift+down", "shift(1)", "later", show=False),
        Binding("K,shift+up", "shift(-1)", "earlier", show=False),
        Binding("backspace", "reset", "defaults", show=False),
    ]

    def __init__(self, chosen: list[str]) -> None:
        super().__init__()
        self._order = [*chosen, *(name for name in COLUMNS if name not in chosen)]
        self._chosen = set(chosen)
        self._at = 0

    def compose(self) -> ComposeResult:
        """Return the widgets."""
        with Vertical(id="picker"):
            yield Line(id="picker-title")
            for number in range(len(COLUMNS)):
                yield Line(id=f"choice-{number}")
            yield Line(id="picker-keys")

    def prepare(self) -> None:
        """Prepare the widgets."""
        self.query_one("#picker-title", Line).show([(" Columns, as far as they fit", "strong")])
        self.query_one("#picker-keys", Line).show(
            [(" space: show or hide   J K: move   backspace: reset   esc: close", "quiet")]
        )
        self._draw()

    def _draw(self) -> None:
        for number, name in enumerate(self._order):
            mark = "✓ " if name in self._chosen else "  "
            cursor = number == self._at
            parts: list[Part] = [("▸ " if cursor else "  ", "accent"), (mark, "marked")]
            parts += [(padded(COLUMNS[name].title, 10), "strong" if cursor else ""), (COLUMNS[name].help, "quiet")]
            self.query_one(f"#choice-{number}", Line).show(parts)

    def action_move(self, by: int) -> None:
        """Move down, or up (below zero)."""
        self._at = (self._at + by) % len(self._order)
        self._draw()

    def action_switch(self) -> None:
        """Show or hide the column under the cursor."""
        self._chosen ^= {self._order[self._at]}
        self._draw()

    def action_shift(self, by: int) -> None:
        """Move the column under the cursor."""
        to = self._at + by
        if 0 <= to < len(self._order):
            self._order.insert(to, self._order.pop(self._at))
            self._at = to
            self._draw()

    def action_reset(self) -> None:
        """Restore the default columns."""
        self._order, self._chosen = list(COLUMNS), set(COLUMNS)
        self._draw()

    def action_close(self) -> None:
        """Close the dialog with the chosen columns."""
        self.dismiss([name for name in self._order if name in self._chosen])
