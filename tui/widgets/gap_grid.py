"""The gap view's grid: one row a server, one cell a slot, and the cell under the cursor told in words.

The cursor stands at a server and an instant, so that it stays there while the window moves on.
"""

from datetime import tzinfo
from typing import ClassVar

from textual import events
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from streamusage.coverage import Provenance
from tui.model import formats
from tui.model.gaps import GLYPHS, GapGrid, GapRow
from tui.model.text import padded, padded_left, safe
from tui.widgets.lines import INK_CLASSES, Inked, Part

_NAME_CELLS = 12
_PERCENT_CELLS = 8


def cells_within(width: int) -> int:
    """How many slots are shown in a widget of that width."""
    return max(10, width - _NAME_CELLS - 1 - _PERCENT_CELLS - 1)


class GapGridView(ScrollView, Inked, can_focus=True, inherit_bindings=False):
    """Draws a `GapGrid`. The time line stands still above the rows."""

    COMPONENT_CLASSES: ClassVar[set[str]] = INK_CLASSES
    DEFAULT_CSS = "GapGridView { scrollbar-size: 1 1; overflow-x: hidden; overflow-y: auto; height: 1fr; }"

    def __init__(self, tz: tzinfo | None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._tz = tz
        self.grid: GapGrid | None = None
        self.row = 0
        self.at_ms: int | None = None
        self._server: str | None = None
        self._drawn: dict[int, Strip] = {}

    @property
    def gap_row(self) -> GapRow | None:
        return self.grid.rows[self.row] if self.grid and self.row < len(self.grid.rows) else None

    @property
    def cell(self) -> int:
        if self.grid is None:
            return 0
        return self.grid.cells - 1 if self.at_ms is None else self.grid.cell_at(self.at_ms)

    def show(self, grid: GapGrid) -> None:
        """Takes in a new window; the cursor stays at its server and instant, or goes to the nearest that is there."""
        self.grid = grid
        servers = [row.server for row in grid.rows]
        if self._server in servers:
            self.row = servers.index(self._server)
        self.put(self.row, self.cell if self.at_ms is not None else grid.cells - 1)
        self.virtual_size = Size(self.cells, len(grid.rows) + 1)

    def stand_at(self, server: str) -> None:
        """Puts the cursor on a server, once a window that has it is shown."""
        self._server = server

    def put(self, row: int, cell: int) -> None:
        """Puts the cursor on a cell."""
        if self.grid is None:
            return
        self.row = min(max(0, row), max(0, len(self.grid.rows) - 1))
        cell = min(max(0, cell), self.grid.cells - 1)
        self.at_ms = self.grid.from_ms + cell * self.grid.cell_ms
        gap_row = self.gap_row
        self._server = gap_row.server if gap_row else None
        page = max(1, self.size.height - 1)
        if self.row < self.scroll_offset.y:
            self.scroll_to(y=self.row, animate=False)
        elif self.row >= self.scroll_offset.y + page:
            self.scroll_to(y=self.row - page + 1, animate=False)
        self.repaint()

    def repaint(self) -> None:
        drawn = {y: self._draw(y) for y in range(self.size.height)}
        for y, strip in drawn.items():
            if self._drawn.get(y) != strip:
                self.refresh_line(self.scroll_offset.y + y)
        self._drawn = drawn

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._drawn = {}

    def on_resize(self) -> None:
        self._drawn = {}

    def on_click(self, event: events.Click) -> None:
        if event.y >= 1:
            self.put(self.scroll_offset.y + event.y - 1, event.x - _NAME_CELLS - 1)

    def render_line(self, y: int) -> Strip:
        strip = self._drawn.get(y)
        if strip is None:
            strip = self._drawn[y] = self._draw(y)
        return strip

    def _draw(self, y: int) -> Strip:
        cells = self.cells
        grid = self.grid
        if grid is None:
            return self.strip((), cells)
        if y == 0:
            return self.strip(self._time_line(grid), cells)
        number = self.scroll_offset.y + y - 1
        if number >= len(grid.rows):
            return self.strip([("no server has reported yet", "quiet")] if y == 1 else (), cells)
        row = grid.rows[number]
        name_ink = "strong" if number == self.row else ""
        parts: list[Part] = [(padded(safe(row.server), _NAME_CELLS) + " ", name_ink)]
        for cell, state in enumerate(row.cells):
            ink = state.value if state else ""
            on_cursor = number == self.row and cell == self.cell
            parts.append((GLYPHS[state], f"{ink} reversed" if on_cursor else ink))
        whole = row.due_ms == row.complete_ms
        percent = formats.percent(row.complete_ms, row.due_ms)
        worst = Provenance.LOST.value if not row.owed_ms else Provenance.MISSING.value
        parts.append((padded_left(percent, _PERCENT_CELLS), "quiet" if whole else worst))
        return self.strip(parts, cells)

    def _time_line(self, grid: GapGrid) -> list[Part]:
        """A clock time every ten cells, where it fits."""
        line = [" "] * grid.cells
        for cell in range(grid.cells):
            at_ms = grid.from_ms + cell * grid.cell_ms
            if at_ms % (10 * grid.cell_ms) == 0:
                text = formats.clock_time(at_ms, self._tz)
                if cell + len(text) <= grid.cells:
                    line[cell : cell + len(text)] = text
        return [(" " * (_NAME_CELLS + 1) + "".join(line), "quiet")]
