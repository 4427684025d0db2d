"""The servers view: which servers report, up to when each is accounted for, and how much it owes."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from streamusage.api.extension import ServerStatus
from tui.app.actions import Context, bindings
from tui.app.state import ConsoleState
from tui.model import formats
from tui.model.services.servers import ServerOfService
from tui.model.text import padded, padded_left, sanitize
from tui.model.unread import reason_lines, state_word, unread_servers
from tui.model.unseen import watching
from tui.screens.base import ConsoleScreen
from tui.widgets import bars
from tui.widgets.audience import AudienceStrip
from tui.widgets.headed_table import LineTable
from tui.widgets.lines import Line, Part
from tui.widgets.services import TITLE as SERVICE_TITLE
from tui.widgets.services import service_cells

_COLUMNS = (
    ("ROLE", 10, False),
    ("STATE", 11, False),
    ("PHASE", 12, False),
    ("WATCHING", 9, True),
    ("LAST SYNC", 12, True),
    ("WATERMARK", 10, True),
    ("OWED", 8, True),
    ("BACKLOG", 13, True),
    ("CLOCK", 9, True),
)
_LEAST_NAME_CELLS = 16
CLOCK_REFUSED = "clock refused"
"""The state of a server whose reports cover time after the service's. Its journal keeps them."""
_IMPORTANCE = {"BACKLOG": 0, "ROLE": 3, "PHASE": 1, "CLOCK": 2, "WATERMARK": 4}
"""The least important column is left out first where not all fit; the others never are."""


class ServersScreen(ConsoleScreen):
    """A table of the servers, those that owe first."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Context.SERVERS)]

    CONTEXT: ClassVar[Context] = Context.SERVERS

    def __init__(self) -> None:
        super().__init__()
        self._server: str | None = None
        self._shown_row = 0
        """The row that is drawn with the cursor."""

    def compose(self) -> ComposeResult:
        """Return the widgets."""
        yield Line(id="header")
        yield AudienceStrip(self.state, id="audience")
        yield Line(id="summary")
        yield LineTable(id="page")
        yield Line(id="status")
        yield Line(id="keys")

    def prepare(self) -> None:
        """Prepare the widgets."""
        self.table.focus()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.state_changed(polled=False)

    @property
    def table(self) -> LineTable:
        """The table of the servers."""
        return self.query_one(LineTable)

    @property
    def _servers(self) -> list[ServerStatus]:
        return sorted(
            self.state.servers or [], key=lambda server: (server.state == "live", -server.owed_ms, server.server)
        )

    def _row(self) -> int:
        names = [server.server for server in self._servers]
        return names.index(self._server) if self._server in names else 0

    def state_changed(self, *, polled: bool) -> None:
        """Draw what is different."""
        if not self.is_drawn:
            return
        state, servers = self.state, self._servers
        self._draw_header("servers")
        self.query_one("#summary", Line).show(self._summary(servers))
        columns = self._columns()
        name_cells = self.size.width - 3 - sum(cells + 1 for _, cells, _ in columns)
        titles: list[Part] = [("   " + padded("SERVER", name_cells), "quiet")]
        for title, cells, at_right in columns:
            titles.append((" " + (padded_left(title, cells) if at_right else padded(title, cells)), "quiet"))
        row = self._shown_row = self._row()
        reasons: list[str] = []
        if servers and servers[row].is_unread:
            reasons = reason_lines(servers[row], state.now_ms(), self.size.width - 6)

        def draw_line(number: int) -> list[Part]:
            """Return a server, or a reason under the server of the cursor."""
            if row < number <= row + len(reasons):
                return [("     ", ""), (reasons[number - row - 1], "bad")]
            at = number if number <= row else number - len(reasons)
            return self._draw_row(servers[at], columns, name_cells, cursor=at == self._shown_row)

        self.table.show(titles, len(servers) + len(reasons), draw_line, visible=(row + len(reasons), row))
        self.query_one("#status", Line).show(*bars.status(state, None, None))
        self._draw_keys()

    def _summary(self, servers: list[ServerStatus]) -> list[Part]:
        if self.state.cannot_show and self.state.servers is None:
            return [(f" {sanitize(self.state.host)} is a plain Stream Manager: it does not report servers", "warn")]
        live = sum(server.state == "live" for server in servers)
        owed = sum(server.owed_ms for server in servers)
        parts: list[Part] = [(f" {live}", "strong"), (" live of ", "quiet"), (f"{len(servers)}", "strong")]
        parts.append((" servers", "quiet"))
        if without := [name for name, part in self.state.parts.items() if part.cannot_show and part.servers is None]:
            parts.append((f"   none of {sanitize(', '.join(without))}: a plain Stream Manager reports none", "warn"))
        if silent := [name for name, part in self.state.parts.items() if not part.freshness().allows_deletes]:
            parts.append((f"   those of {sanitize(', '.join(silent))} as of its last answer", "bad"))
        if owed:
            parts.append((f"   owed {formats.age(owed)}", "missing"))
        unread = unread_servers(servers)
        if unread:
            parts.append((f"   {len(unread)} cannot be read by {'its' if len(unread) == 1 else 'their'} agent", "bad"))
        clock = self.state.service_clock
        if clock is not None and self.state.doubts_clock():
            ahead = f"{formats.duration(abs(clock.wall_ahead_ms))} {'ahead' if clock.wall_ahead_ms > 0 else 'behind'}"
            parts.append((f"   the service's clock is doubtful, {ahead}: nothing is closed", "bad"))
        return parts

    def _columns(self) -> list[tuple[str, int, bool]]:
        columns = list(_COLUMNS)
        if cells := service_cells(self.state):
            columns.insert(0, (SERVICE_TITLE, cells - 1, False))
        if any(server.clock_refused_at is not None for server in self._servers):
            columns = [(title, len(CLOCK_REFUSED) if title == "STATE" else cells, at) for title, cells, at in columns]
        while self.size.width - 3 - sum(cells + 1 for _, cells, _ in columns) < _LEAST_NAME_CELLS and len(columns) > 3:
            columns.remove(min(columns, key=lambda column: _IMPORTANCE.get(column[0], 9)))
        return columns

    def _draw_row(
        self, server: ServerStatus, columns: list[tuple[str, int, bool]], name_cells: int, *, cursor: bool
    ) -> list[Part]:
        now_ms, tz = self.state.now_ms(), self.state.tz
        ago = formats.UNKNOWN if server.last_sync_at is None else formats.age(max(0, now_ms - server.last_sync_at))
        offset = server.clock_offset_ms
        figures = {
            SERVICE_TITLE: _service(self.state, server),
            "ROLE": (server.role, ""),
            "STATE": _state(server, now_ms),
            "PHASE": (server.phase, "" if server.phase == "online" else "warn"),
            "WATCHING": (formats.count(watching(server)), ""),
            "LAST SYNC": (ago, ""),
            "WATERMARK": (formats.UNKNOWN if not server.watermark else formats.clock_time(server.watermark, tz), ""),
            "OWED": (
                formats.age(server.owed_ms) if server.owed_ms else "–",
                "missing" if server.owed_ms else "quiet",
            ),
            "BACKLOG": _backlog(server),
            "CLOCK": (formats.UNKNOWN if offset is None else f"{offset / 1000:+.1f}s", ""),
        }
        parts: list[Part] = [
            ("▸" if cursor else " ", "accent"),
            ("· " if server.owed_ms else "  ", "missing"),
            (padded(sanitize(_own_name(server)), name_cells), "strong" if cursor else ""),
        ]
        for title, cells, at_right in columns:
            text, ink = figures[title]
            parts.append((" " + (padded_left(text, cells) if at_right else padded(text, cells)), ink))
        return parts

    # The cursor

    def _put(self, row: int) -> None:
        servers, before = self._servers, self._shown_row
        if not servers:
            return
        row = min(max(0, row), len(servers) - 1)
        self._server = servers[row].server
        if before >= len(servers) or servers[before].is_unread or servers[row].is_unread:
            self.state_changed(polled=False)  # the reasons below a server move the rows after it
        else:
            self._shown_row = row
            self.table.move_cursor(before, row, visible=(row,))

    def action_move(self, rows: int) -> None:
        """Move down, or up (below zero)."""
        self._put(self._row() + rows)

    def action_move_page(self, pages: int) -> None:
        """Move pages down, or up (below zero)."""
        self._put(self._row() + pages * max(1, self.table.page_rows))

    def action_first(self) -> None:
        """Move to the first row."""
        self._put(0)

    def action_last(self) -> None:
        """Move to the last row."""
        self._put(len(self._servers) - 1)

    @property
    def service_under_cursor(self) -> str:
        """The service of the server under the cursor, where there are several; else empty."""
        server = self._servers[self._row()] if self._servers else None
        return server.service if isinstance(server, ServerOfService) else ""

    def action_open(self) -> None:
        """Open the gap view at the server under the cursor."""
        if self._servers:
            self.port.open_view(Context.GAPS, server=self._servers[self._row()].server)
        else:
            self.show_notice("no gaps to open: no server is known", "warn")

    def action_back(self) -> None:
        """Close the innermost thing that is open."""
        self.app.pop_screen()


def _own_name(server: ServerStatus) -> str:
    return server.own_name if isinstance(server, ServerOfService) else server.server


def _service(state: ConsoleState, server: ServerStatus) -> Part:
    """Return the service of a server, marked where it does not answer; nothing where there is one service."""
    if not isinstance(server, ServerOfService):
        return "", ""
    in_time = state.parts[server.service].freshness().allows_deletes
    return (sanitize(server.service), "") if in_time else (f"▲ {sanitize(server.service)}", "bad")


def _state(server: ServerStatus, now_ms: int) -> Part:
    if server.clock_refused_at is not None and server.state != "removed":
        return CLOCK_REFUSED, "bad"
    state = state_word(server, now_ms)
    return state, "good" if state == "live" else "bad"


def _backlog(server: ServerStatus) -> Part:
    """Return what is owed as missing reports, one a sync interval. The agent sends all of it in one report."""
    reports = -(-server.owed_ms // max(1, server.sync_interval_ms))
    return (f"{formats.count(reports)} report{'' if reports == 1 else 's'}", "missing") if reports else ("–", "quiet")
