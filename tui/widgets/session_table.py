"""The session table: virtual, so that 100,000 rows cost as much as the visible ones. Cursor and scroll follow keys.

The cursor is on a session, not on a row number: when a poll moves the session, cursor and scroll move with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.message import Message
from textual.strip import Strip

from streamusage.core.coverage import Provenance
from streamusage.core.usage import SessionKey
from tui.app.state import ConsoleState
from tui.model import formats
from tui.model.gaps.grid import GLYPHS, IMPORTED_GLYPH
from tui.model.sessions.columns import LEAST_STREAM, STREAM, WIDE_STREAM, Column, fitting, text, widen_trend
from tui.model.sessions.sparkline import scale_of, sparkline_parts
from tui.model.sessions.store import Session
from tui.model.sessions.view import Heading
from tui.model.text import padded, padded_left, sanitize
from tui.model.unread import reason_lines
from tui.widgets.error_page import error_page, page_lines
from tui.widgets.headed_table import HeadedTable
from tui.widgets.lines import Part
from tui.widgets.services import TITLE as SERVICE_TITLE
from tui.widgets.services import is_outdated, service_cell, service_cells


class SessionTable(HeadedTable):
    """Draws the rows of a `SessionView`."""

    @dataclass
    class CursorMoved(Message):
        """Another session is under the cursor."""

        key: SessionKey | None

    def __init__(self, state: ConsoleState, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._state = state
        self.cursor_key: SessionKey | None = None
        self._cursor_row = 0
        self._faded = False

    # The cursor

    @property
    def cursor_session(self) -> Session | None:
        """The session under the cursor."""
        return None if self.cursor_key is None else self._state.store.get(self.cursor_key)

    @property
    def cursor_row(self) -> int:
        """The row under the cursor."""
        return self._cursor_row

    @property
    def selection(self) -> tuple[int, int] | None:
        """The row under the cursor; `None` in an empty table."""
        return None if self.cursor_key is None else (self._cursor_row, 0)

    def move_to(self, row: int) -> None:
        """Move the cursor to a row of the table as it is drawn now."""
        last = len(self._state.view) - 1
        before, top = self._cursor_row, self.scroll_offset.y
        self._set_cursor(min(max(0, row), last) if last >= 0 else 0)
        self.keep_visible(self._cursor_row)
        if self.scroll_offset.y == top:
            self.repaint_rows(before, self._cursor_row)

    def move_by(self, rows: int) -> None:
        """Move the cursor down, or up (below zero)."""
        self.move_to(self._cursor_row + rows)

    def _set_cursor(self, row: int) -> None:
        self._cursor_row = row
        session = self._state.view.at(row)
        key = session.key if session else None
        if key != self.cursor_key:
            self.cursor_key = key
            self.post_message(self.CursorMoved(key))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the click."""
        row = self.scroll_offset.y + event.y - 1
        if event.y >= 1 and row < len(self._state.view):
            self.move_to(row)

    # Drawing

    def rows_changed(self) -> None:
        """Redraw after a poll, or another filter or order: cursor and scroll stay with their sessions."""
        view = self._state.view
        top = self.scroll_offset.y
        anchor_row = self._cursor_row
        anchor_key = self.cursor_key
        row = None if anchor_key is None else view.row_of(anchor_key)
        self.set_row_count(len(self._state.view))
        if row is None:
            self._set_cursor(min(anchor_row, max(0, len(view) - 1)))
            self.keep_visible(self._cursor_row)
        else:
            self._set_cursor(row)
            if top and row != anchor_row:
                self.scroll_to(y=max(0, top + row - anchor_row), animate=False, immediate=True)
            self.keep_visible(self._cursor_row)
        self.repaint()

    def redraw(self) -> None:
        """Redraw every line: other columns are shown."""
        self.forget_drawn()
        self.refresh()

    def repaint(self) -> None:
        """Redraw the cells that differ from the screen, and no others."""
        state = self._state
        self._faded = state.has_figures and not state.parts and not state.freshness().allows_deletes
        super().repaint()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.forget_drawn()
        self.set_row_count(len(self._state.view))
        self.keep_visible(self._cursor_row)

    def draw_line(self, y: int) -> Strip:
        """Return a line of the widget as it must look now."""
        cells = self.cells
        state = self._state
        service = service_cells(state)
        least = WIDE_STREAM if self.screen.has_class("very-wide") else LEAST_STREAM
        columns = widen_trend(fitting(state.columns, cells - service, state.density, least), cells - service)
        stream_cells = max(1, cells - 3 - service - sum(size + 1 for _, size in columns))
        if y == 0:
            return self.strip(self._header(columns, stream_cells), cells)
        row = self.scroll_offset.y + y - 1
        found = state.view.row(row)
        if found is None:
            empty = [] if len(state.view) else self._empty_table(cells)
            return self.strip(empty[y - 2] if 0 <= y - 2 < len(empty) else (), cells)
        on_cursor = row == self._cursor_row
        faded = self._faded or (isinstance(found, Session) and is_outdated(state, found))
        over = ("faded " if faded else "") + ("cursor" if on_cursor else "")
        if isinstance(found, Heading):
            return self.strip(self._heading(found, on_cursor=on_cursor), cells, over)
        return self.strip(self._row(found, columns, stream_cells, on_cursor=on_cursor), cells, over)

    def _heading(self, heading: Heading, *, on_cursor: bool) -> list[Part]:
        knows_live = self._state.knows_live
        on_air = f"{formats.count(heading.live if knows_live else None)} on air of {formats.count(heading.sessions)}"
        watching = ("≥ " if self._state.leaves_out_server else "") + formats.count(self._state.watching_below(heading))
        return [
            ("▸ " if on_cursor else "  ", "accent"),
            (f"{sanitize(heading.scope)}/  ", "strong"),
            (f"{on_air}, {watching} watching", "quiet"),
        ]

    def _empty_table(self, cells: int) -> list[list[Part]]:
        """Return the lines of a table without rows: why there are none."""
        if page := error_page(self._state):
            return page_lines(page, cells)
        if not self._state.has_figures:
            return [[("   polling " + sanitize(self._state.host) + " …", "quiet")]]
        if self._state.view.filter:
            return [[("   no session matches the filter; esc clears it", "quiet")]]
        unread = self._state.longest_unread_server()
        if unread is None:
            return [[("   no sessions", "quiet")]]
        reasons = reason_lines(unread, self._state.now_ms(), cells - 6)
        return [
            [
                ("   no sessions; ", "quiet"),
                (sanitize(unread.server), "strong"),
                (" cannot be read by its agent:", "bad"),
            ],
            *([("     " + reason, "bad")] for reason in reasons),
        ]

    def _header(self, columns: Sequence[tuple[Column, int]], stream_cells: int) -> list[Part]:
        parts: list[Part] = [("   ", ""), self._title("STREAM", STREAM, stream_cells, at_right=False)]
        if service := service_cells(self._state):
            parts.append((padded(f" {SERVICE_TITLE}", service), "quiet"))
        for column, cells in columns:
            parts += [(" ", ""), self._title(column.title, column.name, cells, at_right=column.at_right)]
        return parts

    def _title(self, title: str, column: str, cells: int, *, at_right: bool) -> Part:
        view = self._state.view
        sorted_by = column == view.column
        if sorted_by:
            title += "▾" if view.descending else "▴"
        return (padded_left(title, cells) if at_right else padded(title, cells), "accent" if sorted_by else "quiet")

    def _row(
        self, session: Session, columns: Sequence[tuple[Column, int]], stream_cells: int, *, on_cursor: bool
    ) -> list[Part]:
        state, part = self._state, self._state.part_of(session)
        now_ms = state.now_ms() if state.is_paused else part.now_ms()
        base = "" if session.live else "quiet"
        before = state.changed.get(session.key)
        provenance = session.provenance
        glyph = IMPORTED_GLYPH if session.imported else " " if provenance is Provenance.LIVE else GLYPHS[provenance]
        marked = session.key in state.marks
        parts: list[Part] = [
            ("▸" if on_cursor else " ", "accent"),
            ("✓", "marked") if marked else (glyph, provenance.value if provenance else ""),
            (" ", base),
            *self._stream(session, stream_cells, base),
        ]
        if service := service_cells(state):
            parts.append(service_cell(state, session, service))
        for column, cells in columns:
            parts.append((" ", base))
            if column.draws_trend and session.live:
                parts += self._trend(session, cells)
                continue
            if not part.knows_live and (column.draws_trend or column.name == "state"):
                parts.append((padded(formats.UNKNOWN, cells), base))
                continue
            ink = (column.ink and column.ink(session)) or base
            if column.draws_trend:
                ink = "quiet"
            elif before is not None and column.figure and column.figure(session) != column.figure(before):
                ink = f"{base} strong"
            parts.append((text(column, session, cells, now_ms, state.tz), ink))
        return parts

    def _stream(self, session: Session, cells: int, base: str) -> list[Part]:
        """Return scope and name, with the filter's matches underlined."""
        drawn = padded(sanitize(f"{session.scope}/{session.name}"), cells)
        parts: list[Part] = []
        at = 0
        for start, end in self._state.view.filter.found_in(drawn):
            parts += [(drawn[at:start], base), (drawn[start:end], f"{base} matched")]
            at = end
        return [*parts, (drawn[at:], base)]

    def _trend(self, session: Session, cells: int) -> list[Part]:
        points = self._state.trend(session, cells)
        return sparkline_parts(points, scale_of(points))
