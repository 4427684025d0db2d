"""The gap view's grid: one row a server or stream, one cell a stretch of time.

The cursor stands at a row's name and an instant, so that it stays there while the window moves on or the order changes.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo

from textual import events
from textual.message import Message
from textual.strip import Strip

from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import Interval, Provenance
from tui.model import formats
from tui.model.gaps.accounts import WHOLE, TimelineCell
from tui.model.gaps.grid import GLYPHS, GapGrid, Row
from tui.model.text import padded, padded_left, safe
from tui.widgets.headed_table import HeadedTable
from tui.widgets.lines import Part

_LEAST_NAME, _MOST_NAME = 10, 20
_PERCENT_CELLS = 7
_AMOUNTS_FROM_CELLS = 130
"""So wide a grid also tells in figures how much of the window a row owes, was filled in, and has lost."""
_AMOUNTS = (
    ("OWED", (Provenance.MISSING, Provenance.HELD)),
    ("FILLED", (Provenance.BACKFILLED,)),
    ("LOST", (Provenance.LOST, Provenance.PARTIAL)),
)
_AMOUNT_CELLS = 10
_HOUR_CELLS = 60
"""Names get no room that an hour of minutes needs."""
_LABEL_MINUTES = (10, 20, 30, 60, 120, 180, 360, 720, 1440, 2 * 1440, 7 * 1440, 14 * 1440, 28 * 1440)
_LABEL_CELLS = 8


def name_cells(width: int) -> int:
    """How wide the column of names is in a widget of that width."""
    return min(_MOST_NAME, max(_LEAST_NAME, width - _HOUR_CELLS - _PERCENT_CELLS - 3))


def figure_cells(width: int) -> int:
    """How wide the figures beside the time are in a widget of that width."""
    return _PERCENT_CELLS if width < _AMOUNTS_FROM_CELLS else 2 + _PERCENT_CELLS + len(_AMOUNTS) * _AMOUNT_CELLS


def cells_within(width: int) -> int:
    """How many cells of time are shown in a widget of that width."""
    return max(10, width - name_cells(width) - 2 - figure_cells(width) - 1)


class GapGridView(HeadedTable):
    """Draws a `GapGrid`. The time line is its heading."""

    DEFAULT_CSS = "GapGridView { height: 1fr; }"

    class CursorMoved(Message):
        """Another cell is under the cursor."""

    def __init__(self, tz: tzinfo | None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._tz = tz
        self.grid: GapGrid | None = None
        self.row = 0
        self.at_ms: int | None = None
        """Where the cursor stands in time; `None` at the newest cell, whichever that is."""
        self._name: str | None = None
        self._turned: Mapping[str, Sequence[Interval]] = {}
        self._rows_drawn: dict[int, Strip] = {}
        """The rows of the window as they look without the cursor."""

    @property
    def gap_row(self) -> Row | None:
        return self.grid.rows[self.row] if self.grid and self.row < len(self.grid.rows) else None

    @property
    def cell(self) -> int:
        if self.grid is None:
            return 0
        return self.grid.cells - 1 if self.at_ms is None else self.grid.cell_at(self.at_ms)

    def gaps_here(self) -> list[CoverageSpan]:
        """The gaps in the cell under the cursor, oldest first."""
        row = self.gap_row
        if self.grid is None or row is None:
            return []
        spans = row.timeline.between(self.grid.edges[self.cell], self.grid.edges[self.cell + 1])
        return [span for span in spans if span.state is not Provenance.LIVE]

    def show(self, grid: GapGrid, turned: Mapping[str, Sequence[Interval]] | None = None) -> None:
        """Takes in a window; the cursor stays at its row and instant, or goes to the nearest that is there.

        `turned` is what has just been filled, by row.
        """
        self.grid = grid
        self._turned = turned or {}
        self._rows_drawn = {}
        number = next((number for number, row in enumerate(grid.rows) if row.name == self._name), self.row)
        self.row = min(number, max(0, len(grid.rows) - 1))
        if self.at_ms is not None:
            self.at_ms = min(max(self.at_ms, grid.from_ms), grid.to_ms - 1)
        self.fit(len(grid.rows))
        self.keep_in_sight(self.row)
        self.repaint()

    def stand_at(self, name: str) -> None:
        """Puts the cursor on a row, once a window that has it is shown."""
        self._name = name

    def put(self, row: int, at_ms: int | None) -> None:
        """Puts the cursor on a row at an instant of the window."""
        if self.grid is None:
            return
        self.row = min(max(0, row), max(0, len(self.grid.rows) - 1))
        self.at_ms = at_ms
        self._name = self.gap_row.name if self.gap_row else None
        self.keep_in_sight(self.row)
        self.repaint()

    def put_cell(self, row: int, cell: int) -> None:
        """Puts the cursor on a cell. At the newest one it goes along with the time."""
        if self.grid is not None:
            cell = min(max(0, cell), self.grid.cells - 1)
            self.put(row, None if cell == self.grid.cells - 1 else self.grid.edges[cell])

    def on_resize(self) -> None:
        self.forget_drawn()

    def forget_drawn(self) -> None:
        super().forget_drawn()
        self._rows_drawn = {}

    def on_click(self, event: events.Click) -> None:
        if event.y >= 1:
            self.put_cell(self.scroll_offset.y + event.y - 1, event.x - name_cells(self.size.width) - 2)
            self.post_message(self.CursorMoved())

    def draw_line(self, y: int) -> Strip:
        cells = self.cells
        grid = self.grid
        if grid is None:
            return self.strip((), cells)
        if y == 0:
            return self.strip(self._time_line(grid), cells)
        number = self.scroll_offset.y + y - 1
        if number >= len(grid.rows):
            why = "nothing here has the name that you look for" if grid.hidden else "no server has reported yet"
            return self.strip([(f" {why}", "quiet")] if y == 1 and not grid.rows else (), cells)
        if number == self.row:
            return self.strip(self._row(grid, number), cells)
        strip = self._rows_drawn.get(number)
        if strip is None:
            strip = self._rows_drawn[number] = self.strip(self._row(grid, number), cells)
        return strip

    def _row(self, grid: GapGrid, number: int) -> list[Part]:
        row = grid.rows[number]
        name = padded(safe(row.name), name_cells(self.size.width))
        parts: list[Part] = [(f"▸{name} ", "strong") if number == self.row else (f" {name} ", "")]
        just_turned = self._turned.get(row.name, ())
        for place, cell in enumerate(grid.cells_of(number)):
            ink = _ink(cell)
            if just_turned and any(
                piece.clip(grid.edges[place], grid.edges[place + 1]).length_ms for piece in just_turned
            ):
                ink += " turned"
            if number == self.row and place == self.cell:
                ink += " reversed"
            glyph = GLYPHS[cell.state if cell else None]
            if parts[-1][1] == ink and place:
                parts[-1] = (parts[-1][0] + glyph, ink)
            else:
                parts.append((glyph, ink))
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
            text = formats.duration_in_words(length_ms) if length_ms else ""
            ink = next((state.value for state in states if amounts.get(state)), "")
            parts.append((padded_left(text, _AMOUNT_CELLS), ink))
        return parts

    def _time_line(self, grid: GapGrid) -> list[Part]:
        """Clock times, or days where the cells are long, where they fit."""
        line = [" "] * grid.cells
        every = next(
            (minutes for minutes in _LABEL_MINUTES if minutes * 60_000 >= _LABEL_CELLS * grid.cell_ms),
            _LABEL_MINUTES[-1],
        )
        free_from = 0
        for cell in range(grid.cells):
            text = self._label(grid.edges[cell], every)
            if text and cell >= free_from and cell + len(text) <= grid.cells:
                line[cell : cell + len(text)] = text
                free_from = cell + len(text) + 1
        titles = ""
        if self.size.width >= _AMOUNTS_FROM_CELLS:
            titles = padded_left("COMPLETE", _PERCENT_CELLS + 2)
            titles += "".join(padded_left(title, _AMOUNT_CELLS) for title, _ in _AMOUNTS)
        # Half-tone cells turned round look as before: the cursor is shown above them too.
        before, after = "".join(line[: self.cell]), "".join(line[self.cell + 1 :])
        indent = " " * (name_cells(self.size.width) + 2)
        return [(indent + before, "quiet"), ("▾", "accent"), (after + titles, "quiet")]

    def _label(self, at_ms: int, every_minutes: int) -> str:
        here = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self._tz)
        minutes = here.hour * 60 + here.minute
        if every_minutes >= 1440:
            whole_days = every_minutes // 1440
            return "" if minutes or here.toordinal() % whole_days else formats.day(at_ms, self._tz)
        if minutes % every_minutes:
            return ""
        return formats.day(at_ms, self._tz) if not minutes else f"{here:%H:%M}"


def _ink(cell: TimelineCell | None) -> str:
    """The ink of a cell's worst state, on a ground that says whether most of the cell is all right."""
    if cell is None:
        return ""
    mostly_whole = cell.state not in WHOLE and 2 * cell.in_state_ms < cell.due_ms
    return f"{cell.state.value} mostly" if mostly_whole else cell.state.value
