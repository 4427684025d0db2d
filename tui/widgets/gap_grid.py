"""The gap view's grid: one row a server or stream, one cell an interval of time.

The cursor is kept as a row's name and an instant, so that it stays there while the window moves or the order changes.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo

from textual import events
from textual.message import Message
from textual.strip import Strip

from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import Interval, Provenance
from tui.model import formats
from tui.model.gaps.accounts import WHOLE
from tui.model.gaps.grid import GLYPHS, GapGrid, Row
from tui.model.gaps.timeline_cells import LOOKS
from tui.model.text import padded, padded_left, sanitize
from tui.widgets.headed_table import HeadedTable
from tui.widgets.lines import Part

_LEAST_NAME, _MOST_NAME = 10, 20
_PERCENT_CELLS = 7
_AMOUNTS_FROM_CELLS = 130
"""From this width on, the durations that a row owes, was backfilled and has lost are shown as figures."""
_AMOUNTS = (
    ("OWED", (Provenance.MISSING, Provenance.HELD)),
    ("BACKFILLED", (Provenance.BACKFILLED,)),
    ("LOST", (Provenance.LOST, Provenance.PARTIAL)),
)
_AMOUNT_CELLS = 11
_HOUR_CELLS = 60
"""Names yield to an hour of minutes."""
_LABEL_MINUTES = (10, 20, 30, 60, 120, 180, 360, 720, 1440, 2 * 1440, 7 * 1440, 14 * 1440, 28 * 1440)
_LABEL_CELLS = 9
_TICK = "│"


def name_cells(width: int) -> int:
    """Return the width of the column of names in a widget of that width."""
    return min(_MOST_NAME, max(_LEAST_NAME, width - _HOUR_CELLS - _PERCENT_CELLS - 3))


def figure_cells(width: int) -> int:
    """Return the width of the figures beside the time in a widget of that width."""
    return _PERCENT_CELLS if width < _AMOUNTS_FROM_CELLS else 2 + _PERCENT_CELLS + len(_AMOUNTS) * _AMOUNT_CELLS


def cells_within(width: int) -> int:
    """Return how many cells of time fit into a widget of that width."""
    return max(10, width - name_cells(width) - 2 - figure_cells(width) - 1)


class GapGridView(HeadedTable):
    """Draws a `GapGrid`. The time axis is its heading."""

    DEFAULT_CSS = "GapGridView { height: 1fr; }"

    class CursorMoved(Message):
        """Another cell is under the cursor."""

    def __init__(self, tz: tzinfo | None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._tz = tz
        self.grid: GapGrid | None = None
        self.row = 0
        self.at_ms: int | None = None
        """The cursor's instant; `None` for the newest cell, which moves with time."""
        self._name: str | None = None
        self._backfilled: Mapping[str, Sequence[Interval]] = {}
        self._strips: dict[str, tuple[Row, Strip]] = {}
        """The rows of the window that were drawn without the cursor, by name: a row that is the same is not drawn."""
        self._axis = ""
        """The labels of the time axis."""

    @property
    def gap_row(self) -> Row | None:
        """The row under the cursor."""
        return self.grid.rows[self.row] if self.grid and self.row < len(self.grid.rows) else None

    @property
    def cell(self) -> int:
        """The cell under the cursor."""
        if self.grid is None:
            return 0
        return self.grid.cells - 1 if self.at_ms is None else self.grid.cell_at(self.at_ms)

    @property
    def selection(self) -> tuple[int, int] | None:
        """The row and the cell under the cursor."""
        return None if self.gap_row is None else (self.row, name_cells(self.size.width) + 2 + self.cell)

    def gaps_here(self) -> list[CoverageSpan]:
        """Return the gaps in the cell under the cursor, oldest first."""
        row = self.gap_row
        if self.grid is None or row is None:
            return []
        spans = row.timeline.between(self.grid.edges[self.cell], self.grid.edges[self.cell + 1])
        return [span for span in spans if span.state is not Provenance.LIVE]

    def show(
        self,
        grid: GapGrid,
        backfilled: Mapping[str, Sequence[Interval]] | None = None,
        cursor: tuple[int, int] | None = None,
    ) -> None:
        """Show a window; the cursor stays at its row and instant, or moves to the nearest one in it.

        `backfilled` is what has just been backfilled, by row: it is highlighted. With `cursor`, a row and an instant,
        the cursor moves there.
        """
        backfilled = backfilled or {}
        if self.grid is None or self.grid.edges != grid.edges or self._backfilled != backfilled:
            self._strips = {}
            self._axis = ""
        self.grid, self._backfilled = grid, backfilled
        if cursor is None:
            number = next((number for number, row in enumerate(grid.rows) if row.name == self._name), self.row)
            self.row = min(number, max(0, len(grid.rows) - 1))
        else:
            self._set_cursor(*cursor)
        if self.at_ms is not None:
            self.at_ms = min(max(self.at_ms, grid.from_ms), grid.to_ms - 1)
        self.set_row_count(len(grid.rows))
        self.keep_visible(self.row)
        self.repaint()

    def select_row(self, name: str) -> None:
        """Move the cursor to a row, once a window with it is shown."""
        self._name = name

    def put(self, row: int, at_ms: int | None) -> None:
        """Move the cursor to a row at an instant of the window."""
        if self.grid is None:
            return
        before = self.row
        self._set_cursor(row, at_ms)
        self.keep_visible(self.row)
        self.repaint_cursor(before, self.row)

    def _set_cursor(self, row: int, at_ms: int | None) -> None:
        rows = self.grid.rows if self.grid else ()
        self.row = min(max(0, row), max(0, len(rows) - 1))
        self.at_ms = at_ms
        self._name = self.gap_row.name if self.gap_row else None

    def put_cell(self, row: int, cell: int) -> None:
        """Move the cursor to a cell. At the newest one it moves with time."""
        if self.grid is not None:
            cell = min(max(0, cell), self.grid.cells - 1)
            self.put(row, None if cell == self.grid.cells - 1 else self.grid.edges[cell])

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.forget_drawn()

    def forget_drawn(self) -> None:
        """Draw every line again when it is needed next."""
        super().forget_drawn()
        self._strips = {}
        self._axis = ""

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the click."""
        if event.y >= 1:
            self.put_cell(self.scroll_offset.y + event.y - 1, event.x - name_cells(self.size.width) - 2)
            self.post_message(self.CursorMoved())

    def draw_line(self, y: int) -> Strip:
        """Return a line of the widget as it must look now."""
        cells = self.cells
        grid = self.grid
        if grid is None:
            return self.strip((), cells)
        if y == 0:
            return self.strip(self._time_axis(grid), cells)
        number = self.scroll_offset.y + y - 1
        if number >= len(grid.rows):
            text = "no row matches the filter" if grid.hidden else "no server has reported yet"
            return self.strip([(f" {text}", "quiet")] if y == 1 and not grid.rows else (), cells)
        if number == self.row:
            return self.strip(self._row(grid, number), cells)
        row = grid.rows[number]
        known = self._strips.get(row.name)
        if known is None or known[0].timeline is not row.timeline:
            known = self._strips[row.name] = row, self.strip(self._row(grid, number), cells)
        return known[1]

    def _row(self, grid: GapGrid, number: int) -> list[Part]:
        row = grid.rows[number]
        name = padded(sanitize(row.name), name_cells(self.size.width))
        parts: list[Part] = [(f"▸{name} ", "strong") if number == self.row else (f" {name} ", "")]
        codes = bytearray(grid.cells_of(number).codes)
        for piece in self._backfilled.get(row.name, ()):
            for place in range(*grid.cell_range(piece)):
                codes[place] |= _TURNED
        if number == self.row:
            codes[self.cell] |= _REVERSED
        for found in _RUNS.finditer(codes):
            run = found[0]
            glyph, ink = _DRAWN[run[0]]
            parts.append((glyph * len(run), ink))
        totals = row.totals
        percent = formats.percent(totals.complete_ms, totals.due_ms)
        worst = Provenance.MISSING.value if totals.owed_ms else Provenance.LOST.value
        wide = self.size.width >= _AMOUNTS_FROM_CELLS
        parts.append((padded_left(percent, _PERCENT_CELLS + 2 * wide), worst if totals.lacking_ms else "quiet"))
        return [*parts, *self._amounts(grid, number)] if wide else parts

    def _amounts(self, grid: GapGrid, number: int) -> list[Part]:
        amounts = grid.amounts_of(number)
        parts: list[Part] = []
        for _, states in _AMOUNTS:
            length_ms = sum(amounts.get(state, 0) for state in states)
            text = formats.duration(length_ms) if length_ms else ""
            ink = next((state.value for state in states if amounts.get(state)), "")
            parts.append((padded_left(text, _AMOUNT_CELLS), ink))
        return parts

    def _time_axis(self, grid: GapGrid) -> list[Part]:
        """Return clock times, or days where the cells are long, as far as they fit."""
        if not self._axis:
            self._axis = self._labels(grid)
        line = self._axis
        titles = ""
        if self.size.width >= _AMOUNTS_FROM_CELLS:
            titles = padded_left("COMPLETE", _PERCENT_CELLS + 2)
            titles += "".join(padded_left(title, _AMOUNT_CELLS) for title, _ in _AMOUNTS)
        # Reversed half-tone cells look the same: the cursor is shown above them too.
        before, here, after = line[: self.cell], line[self.cell], line[self.cell + 1 :]
        cursor = ("▾", "accent") if here in (" ", _TICK) else (here, "accent reversed")
        indent = " " * (name_cells(self.size.width) + 2)
        return [(indent + before, "quiet"), cursor, (after + titles, "quiet")]

    def _labels(self, grid: GapGrid) -> str:
        """Return the labels of the cells in one line, each after a tick in its own cell."""
        line = [" "] * grid.cells
        every = next(
            (minutes for minutes in _LABEL_MINUTES if minutes * 60_000 >= _LABEL_CELLS * grid.cell_ms),
            _LABEL_MINUTES[-1],
        )
        free_from = 0
        for cell in range(grid.cells):
            label = self._label(grid.edges[cell], every)
            text = f"{_TICK}{label}"
            if label and cell >= free_from and cell + len(text) <= grid.cells:
                line[cell : cell + len(text)] = text
                free_from = cell + len(text) + 1
        return "".join(line)

    def _label(self, at_ms: int, every_minutes: int) -> str:
        local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self._tz)
        minutes = local.hour * 60 + local.minute
        if every_minutes >= 1440:
            whole_days = every_minutes // 1440
            return "" if minutes or local.toordinal() % whole_days else formats.day(at_ms, self._tz)
        if minutes % every_minutes:
            return ""
        return formats.day(at_ms, self._tz) if not minutes else formats.clock_time(at_ms, self._tz)


def _ink(state: Provenance | None, mostly_other: bool) -> str:
    """Return the ink of a cell's worst state, on a background that shows whether most of the cell is complete."""
    if state is None:
        return ""
    return f"{state.value} mostly" if mostly_other and state not in WHOLE else state.value


_TURNED, _REVERSED = 1 << 6, 1 << 7
"""Added to the code of a cell that was backfilled just now, and of the cell under the cursor."""
_RUNS = re.compile(rb"(.)\1*", re.DOTALL)

_DRAWN = {
    code | turned | reverse: (GLYPHS[state], " ".join(filter(None, (_ink(state, mostly_other), *inks))))
    for code, (state, mostly_other) in enumerate(LOOKS)
    for turned, turned_ink in ((0, ""), (_TURNED, "turned"))
    for reverse, reverse_ink in ((0, ""), (_REVERSED, "reversed"))
    for inks in [(turned_ink, reverse_ink)]
}
"""Glyph and ink of a cell, by its code."""
