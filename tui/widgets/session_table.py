"""The session table: virtual, so that 100,000 rows cost what the visible ones cost. Cursor and scroll keep to keys.

The row under the cursor is a session, not a number: when a poll moves it, cursor and scroll go with it.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from streamusage.coverage import Provenance
from streamusage.usage import SessionKey
from tui.model import formats
from tui.model.gaps import GLYPHS
from tui.model.sessions import Session
from tui.model.sparkline import sparkline
from tui.model.text import padded, padded_left, safe
from tui.model.view import Column
from tui.state import ConsoleState
from tui.widgets.lines import INK_CLASSES, Inked, Part


class _Shown(NamedTuple):
    """A column and how many cells it takes."""

    title: str
    column: Column | None
    cells: int


_LEAST_STREAM = 20
_TREND = _Shown("TREND", None, 8)
_LESS_AND_LESS: tuple[tuple[_Shown, ...], ...] = (
    (
        _Shown("STARTED", Column.STARTED, 12),
        _Shown("DUR", Column.DURATION, 6),
        _Shown("ACTIVE", Column.ACTIVE, 10),
        _Shown("PEAK", Column.PEAK, 10),
        _Shown("LOST", Column.LOST, 10),
        _Shown("TOTAL", Column.TOTAL, 11),
        _Shown("TREND", None, 24),
    ),
    (
        _Shown("STARTED", Column.STARTED, 9),
        _Shown("DUR", Column.DURATION, 5),
        _Shown("ACTIVE", Column.ACTIVE, 7),
        _Shown("PEAK", Column.PEAK, 6),
        _Shown("LOST", Column.LOST, 5),
        _Shown("TOTAL", Column.TOTAL, 6),
        _TREND,
    ),
    (
        _Shown("DUR", Column.DURATION, 5),
        _Shown("ACTIVE", Column.ACTIVE, 7),
        _Shown("PEAK", Column.PEAK, 6),
        _TREND,
    ),
    (_Shown("ACTIVE", Column.ACTIVE, 7), _TREND),
    (_Shown("ACTIVE", Column.ACTIVE, 7),),
)
"""Columns from the widest table to the narrowest; the stream takes what is left."""


class SessionTable(ScrollView, Inked, can_focus=True, inherit_bindings=False):
    """Draws the rows of a `SessionView`. The header stands still above them."""

    COMPONENT_CLASSES: ClassVar[set[str]] = INK_CLASSES
    DEFAULT_CSS = "SessionTable { scrollbar-size: 1 1; overflow-x: hidden; overflow-y: auto; }"

    @dataclass
    class CursorMoved(Message):
        """Another session is under the cursor."""

        key: SessionKey | None

    def __init__(self, state: ConsoleState, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._state = state
        self.cursor_key: SessionKey | None = None
        self._cursor_row = 0
        self._drawn: dict[int, Strip] = {}
        self._faded = False

    # The cursor

    @property
    def cursor_session(self) -> Session | None:
        return None if self.cursor_key is None else self._state.store.get(self.cursor_key)

    @property
    def page_rows(self) -> int:
        return max(1, self.size.height - 1)

    @property
    def cursor_row(self) -> int:
        return self._cursor_row

    def move_to(self, row: int) -> None:
        """Puts the cursor on a row of the table as it is drawn now."""
        last = len(self._state.view) - 1
        self._set_cursor(min(max(0, row), last) if last >= 0 else 0)
        self._scroll_to_cursor()
        self.repaint()

    def move_by(self, rows: int) -> None:
        self.move_to(self._cursor_row + rows)

    def _set_cursor(self, row: int) -> None:
        self._cursor_row = row
        session = self._state.view.at(row)
        key = session.key if session else None
        if key != self.cursor_key:
            self.cursor_key = key
            self.post_message(self.CursorMoved(key))

    def _scroll_to_cursor(self) -> None:
        top = self.scroll_offset.y
        if self._cursor_row < top:
            self.scroll_to(y=self._cursor_row, animate=False)
        elif self._cursor_row >= top + self.page_rows:
            self.scroll_to(y=self._cursor_row - self.page_rows + 1, animate=False)

    def on_click(self, event: events.Click) -> None:
        row = self.scroll_offset.y + event.y - 1
        if event.y >= 1 and row < len(self._state.view):
            self.move_to(row)

    # What is drawn

    def rows_changed(self) -> None:
        """Takes in that a poll, the filter or the order changed: cursor and scroll stay with their sessions."""
        view = self._state.view
        top = self.scroll_offset.y
        anchor_row = self._cursor_row
        anchor_key = self.cursor_key
        row = None if anchor_key is None else view.row_of(anchor_key)
        size = Size(self.cells, len(view) + 1)
        if size != self.virtual_size:
            self.virtual_size = size
        if row is None:
            self._set_cursor(min(anchor_row, max(0, len(view) - 1)))
            self._scroll_to_cursor()
        else:
            self._set_cursor(row)
            if top and row != anchor_row:
                self.scroll_to(y=max(0, top + row - anchor_row), animate=False)
            self._scroll_to_cursor()
        self.repaint()

    def repaint(self) -> None:
        """Draws again the lines that differ from what is on the screen, and no others."""
        self._faded = self._state.has_figures and not self._state.freshness().allows_deletes
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
        self.virtual_size = Size(self.cells, len(self._state.view) + 1)
        self._scroll_to_cursor()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn = {}

    def render_line(self, y: int) -> Strip:
        strip = self._drawn.get(y)
        if strip is None:
            strip = self._drawn[y] = self._draw(y)
        return strip

    def _draw(self, y: int) -> Strip:
        cells = self.cells
        columns = columns_within(cells)
        stream_cells = max(1, cells - 3 - sum(column.cells + 1 for column in columns))
        if y == 0:
            return self.strip(self._header(columns, stream_cells), cells)
        row = self.scroll_offset.y + y - 1
        session = self._state.view.at(row)
        if session is None:
            return self.strip(self._nothing() if y == 2 and not len(self._state.view) else (), cells)
        on_cursor = row == self._cursor_row
        over = ("faded " if self._faded else "") + ("cursor" if on_cursor else "")
        return self.strip(self._row(session, columns, stream_cells, on_cursor=on_cursor), cells, over)

    def _nothing(self) -> list[Part]:
        if not self._state.has_figures:
            return [("   asking " + safe(self._state.host) + " …", "quiet")]
        if self._state.view.filter:
            return [("   nothing matches the filter; esc clears it", "quiet")]
        return [("   no sessions", "quiet")]

    def _header(self, columns: tuple[_Shown, ...], stream_cells: int) -> list[Part]:
        parts: list[Part] = [("   ", ""), self._title("STREAM", Column.STREAM, stream_cells, at_right=False)]
        for column in columns:
            at_right = column.column not in (None, Column.STARTED)
            parts += [(" ", ""), self._title(column.title, column.column, column.cells, at_right=at_right)]
        return parts

    def _title(self, title: str, column: Column | None, cells: int, *, at_right: bool) -> Part:
        view = self._state.view
        sorted_by = column is not None and column is view.column
        if sorted_by:
            title += "▾" if view.descending else "▴"
        return (padded_left(title, cells) if at_right else padded(title, cells), "accent" if sorted_by else "quiet")

    def _row(self, session: Session, columns: tuple[_Shown, ...], stream_cells: int, *, on_cursor: bool) -> list[Part]:
        state = self._state
        base = "" if session.live else "quiet"
        before = state.changed.get(session.key)
        provenance = session.provenance
        told = provenance not in (None, Provenance.LIVE)
        parts: list[Part] = [
            ("▸" if on_cursor else " ", "accent"),
            (GLYPHS[provenance] if told else " ", provenance.value if provenance else ""),
            (" ", ""),
            *self._stream(session, stream_cells, base),
        ]
        now_ms = state.now_ms()
        for column in columns:
            parts.append((" ", ""))
            if column.column is None:
                parts.append(self._trend(session, column.cells))
                continue
            if column.column is Column.STARTED:
                text = padded(formats.moment(session.start_time, now_ms, state.tz), column.cells)
            elif column.column is Column.DURATION:
                text = padded_left(formats.duration(session.lasted_ms(now_ms)), column.cells)
            else:
                number = _figure(session, column.column)
                if column.column is Column.ACTIVE and not session.live:
                    number = number or None
                text = padded_left(formats.count_within(number, column.cells), column.cells)
                if before is not None and number != _figure(before, column.column):
                    parts.append((text, f"{base} strong"))
                    continue
            parts.append((text, base))
        return parts

    def _stream(self, session: Session, cells: int, base: str) -> list[Part]:
        """Scope and name, with what the filter looked for underlined."""
        drawn = padded(safe(f"{session.scope}/{session.name}"), cells)
        parts: list[Part] = []
        at = 0
        for start, end in self._state.view.filter.found_in(drawn):
            parts += [(drawn[at:start], base), (drawn[start:end], f"{base} matched")]
            at = end
        return [*parts, (drawn[at:], base)]

    def _trend(self, session: Session, cells: int) -> Part:
        if not session.live:
            return (padded("ended", cells), "quiet")
        points = self._state.trend(session, cells)
        highest = max((point for point in points if isinstance(point, int)), default=0)
        return (sparkline(points, max(highest, session.peak or 0)), "good")


def _figure(session: Session, column: Column) -> int | None:
    match column:
        case Column.ACTIVE:
            return session.active
        case Column.PEAK:
            return session.peak
        case Column.LOST:
            return session.lost
        case _:
            return session.total


def columns_within(cells: int) -> tuple[_Shown, ...]:
    """The columns that fit beside a readable stream name."""
    for columns in _LESS_AND_LESS:
        if cells - 3 - sum(column.cells + 1 for column in columns) >= _LEAST_STREAM:
            return columns
    return _LESS_AND_LESS[-1] if cells > 30 else ()
