"""The detail of one stream: the session under the cursor, its chart, its servers, and every session of the stream."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from streamusage.api.extension import History
from streamusage.core.coverage import OWED, Provenance, worst
from streamusage.core.usage import SessionKey
from tui.app.state import ConsoleState
from tui.model import formats
from tui.model.gaps.grid import GLYPHS, IMPORTED_GLYPH
from tui.model.sessions.chart import Chart, from_history, from_polls, look_at
from tui.model.sessions.columns import format_length
from tui.model.sessions.sparkline import Scale, sparkline_parts
from tui.model.sessions.store import Session
from tui.model.text import padded, padded_left, sanitize, width
from tui.widgets.lines import Inked, Part, different_cells
from tui.widgets.plot import BACKFILLED_MARK, SEEN_MARK, plot, top_of

_GUTTER = 8
_LEAST_PLOT_CELLS = 40
_LEAST_PLOT_LINES = 15
"""Below this height of the detail one line of blocks replaces the chart."""
_FIGURES_HEADING = "".join(padded_left(title, 8) for title in ("DUR", "ACTIVE", "PEAK", "LOST", "TOTAL"))


class _Row(NamedTuple):
    left: list[Part]
    right: list[Part] = []  # noqa: RUF012


class DetailView(ScrollView, Inked, can_focus=False, inherit_bindings=False):
    """Draws one session and its stream. Scrolls where it does not fit."""

    DEFAULT_CSS = "DetailView { scrollbar-size: 1 1; overflow-x: hidden; overflow-y: auto; }"

    def __init__(self, state: ConsoleState, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._state = state
        self._key: SessionKey | None = None
        self._above: list[Strip] = []
        """What is above the sessions of the stream."""
        self._sessions: Sequence[int] = ()
        """The sessions of the stream, newest first, as rows of the store: a line each, drawn when it is visible."""
        self._drawn: dict[int, Strip] = {}
        """The lines that were visible in the last update, by number."""
        self._plot_of: tuple[object, ...] = ()
        self._plot: list[str] = []

    def show(self, key: SessionKey | None) -> None:
        """Show another session, from its top."""
        if key != self._key:
            self._key = key
            self.scroll_to(y=0, animate=False, immediate=True)
        self.update()

    def update(self) -> None:
        """Redraw the cells that differ."""
        if not self.cells or not self.display:
            return
        self._read()
        top, before = self.scroll_offset.y, self._drawn
        self._drawn = {number: self._line(number) for number in range(top, top + self.size.height)}
        for number, line in self._drawn.items():
            if cells := different_cells(before.get(number), line):
                self.refresh(Region(cells[0], number - top, cells[1] - cells[0], 1))
        # Last: it may add a scrollbar and redraw.
        self.virtual_size = Size(self.size.width, len(self._above) + len(self._sessions))

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._redraw()

    def watch_show_vertical_scrollbar(self) -> None:
        """Redraw when the scrollbar appears or disappears."""
        self._redraw()  # the scrollbar takes a cell of every line

    def _redraw(self) -> None:
        self._drawn = {}
        self.update()

    def render_line(self, y: int) -> Strip:
        """Return a line of the widget."""
        number = self.scroll_offset.y + y
        line = self._drawn.get(number)
        if line is None:
            line = self._drawn[number] = self._line(number)
        return line

    def _line(self, number: int) -> Strip:
        """Return a line of the whole height, empty below the last one."""
        if number < len(self._above):
            return self._above[number]
        place = number - len(self._above)
        return self.strip(self._session(self._sessions[place]) if place < len(self._sessions) else (), self.cells)

    def _strips(self, row: _Row) -> list[Strip]:
        """Return the row as one line, or as two where its sides do not fit into one."""
        cells = self.cells
        left_cells, right_cells = (sum(width(text) for text, _ in side) for side in row)
        if not right_cells:
            return [self.strip(row.left, cells)]
        blank: list[Part] = [(" " * max(0, cells - right_cells), "")]
        if left_cells + 2 + right_cells > cells:
            return [self.strip(row.left, cells), self.strip([*blank, *row.right], cells)]
        return [Strip.join([self.strip(row.left, cells - right_cells), self.strip(row.right, right_cells)])]

    # Content

    def _read(self) -> None:
        """Lay out what is above the sessions, and find these."""
        session = None if self._key is None else self._state.store.get(self._key)
        if session is None:
            self._sessions, rows = (), [_Row([("no session under the cursor", "quiet")])]
        else:
            self._sessions = self._state.store.stream_rows(session.stream, session.service)
            chart = self._charted(session)
            rows = self._heading(session, chart)
            rows += self._chart(session, chart)
            rows += self._servers(session)
            rows += self._sessions_heading()
        self._above = [strip for row in rows for strip in self._strips(row)]

    def _heading(self, session: Session, chart: Chart | None) -> list[_Row]:
        state, now_ms = self._state, self._state.now_ms()
        length = "" if session.lasted_ms(now_ms) is None else f" {format_length(session, now_ms)}"
        known_start = f"session {formats.moment(session.start_time, now_ms, state.tz)}, " if session.start_time else ""
        when = f"{known_start}{'on air' if session.live else 'ended, lasted'}{length}"
        rows = [_Row([(sanitize(str(session.stream)), "strong")], [(when, "good" if session.live else "quiet")])]
        figures: list[list[Part]] = []
        shown = [("peak", session.peak), ("lost", session.lost), ("total", session.total)]
        if session.live or session.active:
            shown.insert(0, ("active", session.active))
        for name, number in shown:
            text = formats.lower_bound if name == "active" and session.leaves_out_server else formats.count
            figure: list[Part] = [(f"{name} ", "quiet"), (text(number), "strong")]
            if name == "peak" and (at_ms := self._peak_at(session, chart)) is not None:
                figure.append((f" at {formats.moment(at_ms, now_ms, state.tz)}", "quiet"))
            figures.append([*figure, ("   ", "")])
        if sum(width(text) for figure in figures for text, _ in figure) > self.cells + 3:
            rows.append(_Row(list(chain(*figures[:2]))))
            figures = figures[2:]
        rows.append(_Row(list(chain(*figures)), [(self._margin(), "quiet")]))
        provenance = _describe_provenance(session)
        if provenance:
            ink = session.provenance.value if session.provenance else "quiet"
            rows.append(_Row([(provenance, ink)]))
        rows.append(_Row([]))
        return rows

    def _margin(self) -> str:
        intervals = [server.sync_interval_ms for server in self._state.servers or ()]
        return f"± one interval ({formats.duration(max(intervals))})" if intervals else "± one reporting interval"

    def _history(self, session: Session) -> History | str | None:
        return self._state.stream_history.get(session.key)

    def _charted(self, session: Session) -> Chart | None:
        """Return the session over time, from the service's history, else from own polls."""
        history = self._history(session)
        if not isinstance(history, History):
            return from_polls(self._state.history, session.key, max(1, self.cells - _GUTTER))
        request = look_at(session, history.now)
        to_ms = history.now if request.to_ms is None else request.to_ms
        step_ms = max(1, history.step_ms)
        from_ms = request.from_ms - request.from_ms % step_ms
        on_air = self._state.store.on_air_times(session, from_ms, to_ms + step_ms)
        return from_history(history, from_ms, to_ms, on_air)

    def _peak_at(self, session: Session, chart: Chart | None) -> int | None:
        """Return when the peak was reached, if the chart shows it."""
        if chart is None or not session.peak or not session.start_time:
            return None
        ended_ms = None if session.live else session.end_time
        return chart.reached(session.peak, session.start_time, chart.to_ms if ended_ms is None else ended_ms)

    def _chart(self, session: Session, chart: Chart | None) -> list[_Row]:
        plot_cells = self.cells - _GUTTER
        history = self._history(session)
        rows: list[_Row] = []
        if chart is None or not any(step.state for step in chart.steps):
            rows.append(_Row([("no figures over time yet", "quiet")]))
        elif plot_cells < _LEAST_PLOT_CELLS or self.size.height < _LEAST_PLOT_LINES:
            points = chart.points()[-max(1, self.cells) :]
            rows.append(_Row([*sparkline_parts(points, Scale(0, chart.highest))]))
            rows += self._time_axis(chart, 0)
        else:
            rows += self._plotted(chart, plot_cells)
        if isinstance(history, str):
            rows.append(_Row([(sanitize(history), "quiet")]))
        rows.append(_Row([]))
        return rows

    def _plotted(self, chart: Chart, plot_cells: int) -> list[_Row]:
        lines = min(13, max(5, self.size.height // 3)) - 1 | 1  # odd, so that a label is half way
        top = top_of(chart)
        rows = []
        plot_of = (chart, plot_cells, lines)
        if plot_of != self._plot_of:
            self._plot_of, self._plot = plot_of, plot(chart, plot_cells, lines, braille=self._state.braille)
        for number, line in enumerate(self._plot):
            label = ""
            if number in (0, lines // 2, lines - 1):
                label = formats.count_within(round(top * (lines - 1 - number) / (lines - 1)), _GUTTER - 2)
            rows.append(_Row([(padded_left(label, _GUTTER - 2) + " ┤", "quiet"), *_inked(line)]))
        rows.append(_Row([(" " * _GUTTER, ""), *state_line(chart, plot_cells)]))
        rows += self._time_axis(chart, _GUTTER)
        return rows

    def _time_axis(self, chart: Chart, gutter: int) -> list[_Row]:
        """Return the times of both ends below their ticks, and the legend between or below them."""
        tz = self._state.tz
        now_ms = self._state.now_ms()
        first, last = (formats.moment(at_ms, now_ms, tz) for at_ms in (chart.from_ms, chart.to_ms))
        states = {step.state for step in chart.steps}
        legend: list[Part] = []
        for state in (Provenance.BACKFILLED, Provenance.PARTIAL, Provenance.MISSING, Provenance.LOST, Provenance.HELD):
            if state in states:
                legend += [("  ", ""), (f"{GLYPHS[state]} {state.value}", state.value)]
        legend.append((f"  {chart.source}", "quiet"))
        begin, end = (f"{' ' * gutter}│{first}", "quiet"), [(f"{last}│", "quiet")]
        if sum(width(text) for text, _ in (begin, *legend, *end)) + 2 <= self.cells:
            return [_Row([begin, *legend], end)]
        return [_Row([begin], end), _Row([(" " * max(0, gutter - 2), ""), *legend])]

    def _servers(self, session: Session) -> list[_Row]:
        history = self._history(session)
        if not isinstance(history, History) or not history.servers:
            return []
        cells = max(10, min(30, self.cells - 40))
        rows = [
            _Row([(padded("SERVER", cells) + padded_left("ACTIVE", 9) + padded_left("SHARE", 9) + "  STATE", "quiet")])
        ]
        total = sum(server.active or 0 for server in history.servers)
        knows_all = not any(server.state in OWED for server in history.servers)
        for server in history.servers:
            # The figure of a server that is not seen is as old as its last report.
            active = None if server.state in OWED else server.active
            share = formats.UNKNOWN
            if knows_all and server.active is not None:
                share = formats.percent(server.active, total)
            had = f": had {formats.count(server.active)}" if server.state in OWED and server.active else ""
            ink = server.state if server.state in {state.value for state in Provenance} else ""
            figures = padded_left(formats.count(active), 9) + padded_left(share, 9) + "  "
            parts: list[Part] = [(padded(sanitize(server.server), cells) + figures, "")]
            rows.append(_Row([*parts, (f"{sanitize(server.state)}{had}", ink)]))
        rows.append(_Row([]))
        return rows

    def _sessions_heading(self) -> list[_Row]:
        count = len(self._sessions)
        number = f"{count:,} session{'' if count == 1 else 's'} of this stream"
        heading = padded("STARTED", self._started_cells) + _FIGURES_HEADING
        if self.cells < 60 + len(number):
            return [_Row([(number, "quiet")]), _Row([(f"  {heading}", "quiet")])]
        return [_Row([(f"  {heading}", "quiet")], [(number, "quiet")])]

    @property
    def _started_cells(self) -> int:
        return max(13, min(18, self.cells - 2 - width(_FIGURES_HEADING)))

    def _session(self, row: int) -> list[Part]:
        """Return the line of a session of the stream."""
        state, now_ms, started_cells = self._state, self._state.now_ms(), self._started_cells
        columns = state.store.columns
        if row >= len(columns) or not columns.is_used(row):
            return []  # a poll has removed it, and this view was not drawn since
        session = columns.session(row)
        mark = "▸ " if session.key == self._key else "  "
        figures = [session.active if session.live else session.active or None]
        figures += [session.peak, session.lost, session.total]
        text = padded(formats.moment(session.start_time, now_ms, state.tz, cells=started_cells - 1), started_cells)
        text += padded_left(format_length(session, now_ms), 8)
        for place, figure in enumerate(figures):
            count = formats.lower_bound if place == 0 and session.leaves_out_server else formats.count_within
            text += padded_left(count(figure, 7), 8)
        return [(mark, "accent"), (text, "" if session.live else "quiet")]


def state_line(chart: Chart, cells: int) -> list[Part]:
    """Return the line below a chart, one glyph a cell: the provenance of the figures above it, of several the worst."""
    parts: list[Part] = []
    count = len(chart.steps)
    for cell in range(cells):
        first = cell * count // cells
        steps = chart.steps[first : max(first + 1, (cell + 1) * count // cells)]
        state = worst(step.state for step in steps if step.state is not None)
        parts.append(("▔" if state is Provenance.LIVE else GLYPHS[state], state.value if state else ""))
    return parts


_MARK_INKS = {" ": "", BACKFILLED_MARK: "backfilled", SEEN_MARK: "quiet"}


def _inked(line: str) -> list[Part]:
    """Return a line of a plot in the inks of its marks."""
    parts: list[Part] = []
    for character in line:
        ink = _MARK_INKS.get(character, "good")
        if parts and parts[-1][1] == ink:
            parts[-1] = (parts[-1][0] + character, ink)
        else:
            parts.append((character, ink))
    return parts


def _describe_provenance(session: Session) -> str:
    if session.imported:
        return f"{IMPORTED_GLYPH} imported: no server accounts for these figures"
    if not session.live and session.provenance in OWED:
        return "· ended: the stream began again elsewhere, and the server of this session is not seen"
    match session.provenance:
        case Provenance.BACKFILLED:
            return "▒ backfilled: these figures were reported after an outage"
        case Provenance.PARTIAL:
            return "▄ partial: some of this session's time is not accounted for; figures are lower bounds"
        case Provenance.MISSING:
            return "· missing: a server owes reports; figures are lower bounds"
        case Provenance.LOST:
            return "× lost: some of this session's time is unrecoverable; figures are lower bounds"
        case Provenance.HELD:
            return "? held: a report was received and not accepted; an operator must decide"
        case _:
            return ""
