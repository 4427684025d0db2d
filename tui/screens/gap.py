"""An opened gap: its timeline, the whole delta, its slots, and the affected streams with the gap marked."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from streamusage.api.extension import CoverageSpan, Outage, ServerStatus
from tui.app.actions import Context, bindings
from tui.app.messages.views import GapDetailsFetched
from tui.model import formats
from tui.model.gaps.coverage_book import CoverageBook
from tui.model.gaps.gap_timeline import GapFigures, drawn
from tui.model.gaps.grid import GLYPHS, by_protocol, period
from tui.model.text import padded, padded_left, sanitize
from tui.screens.base import ScrollingScreen
from tui.widgets.audience import AudienceStrip
from tui.widgets.gap_lines import delta_lines, timeline_lines
from tui.widgets.lines import Line, Part
from tui.widgets.page import PageView

_SLOT_CELLS = 11
"""A time of day with its offset, `02:53-0230`, and a blank."""
_SLOT_TITLES = (("CONNECTIONS", 13), ("OUT", 11), ("PEAK OUT", 16))


class GapScreen(ScrollingScreen):
    """The gaps of one cell, one at a time. `row` is the server, or the stream where `of_stream`."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Context.GAP)]

    CONTEXT: ClassVar[Context] = Context.GAP

    def __init__(
        self, row: str, gaps: Sequence[CoverageSpan], outages: Sequence[Outage] = (), *, of_stream: bool
    ) -> None:
        super().__init__()
        self._row = row
        self._gaps = list(gaps)
        self._outages = outages
        self._place = 0
        self._of_stream = of_stream
        self._figures: dict[int, GapFigures | str] = {}

    @property
    def row(self) -> str:
        """The server or stream whose gap is open."""
        return self._row

    @property
    def of_stream(self) -> bool:
        """Whether the row is a stream."""
        return self._of_stream

    def compose(self) -> ComposeResult:
        """Return the widgets."""
        yield Line(id="header")
        yield AudienceStrip(self.state, id="audience")
        yield Line(id="summary")
        yield PageView(id="page")
        yield Line(id="keys")

    def prepare(self) -> None:
        """Prepare the widgets."""
        self.subscribe(self.port.feeds.gap_details, self._show_details)
        self.subscribe(self.port.feeds.gaps, self._follow_gaps)
        self.query_one(PageView).focus()
        self._fetch()
        self.state_changed(polled=False)

    @property
    def gap(self) -> CoverageSpan:
        """The gap that is shown."""
        return self._gaps[self._place]

    def _fetch(self) -> None:
        if self.gap.from_ms not in self._figures:
            self.port.fetcher.fetch_gap(self._row, self.gap, of_stream=self._of_stream)

    def _show_details(self, fetched: GapDetailsFetched) -> None:
        """Show the details of a gap of this row, or why they could not be fetched."""
        if fetched.row == self._row:
            self._figures[fetched.from_ms] = fetched.figures
            self.state_changed(polled=False)

    def _follow_gaps(self, book: CoverageBook) -> None:
        """Update the gaps and outages from newer coverage."""
        if self._of_stream or self._row not in book.servers:
            return
        self._outages = book.outages.get(self._row, ())
        spans = book.servers[self._row].spans
        for place, gap in enumerate(self._gaps):
            newer = next((span for span in spans if span.from_ms == gap.from_ms), None)
            if newer is not None and newer != gap:
                self._gaps[place] = newer
                if newer.state is not gap.state:
                    self._figures.pop(gap.from_ms, None)
        self._fetch()
        self.state_changed(polled=False)

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.state_changed(polled=False)

    def state_changed(self, *, polled: bool) -> None:
        """Draw what is different."""
        if not self.is_drawn:
            return
        state = self.state
        self._draw_header("gap")
        gap = self.gap
        when = period(gap.from_ms, gap.to_ms, state.tz, state.now_ms())
        left: list[Part] = [
            (f" {sanitize(self._row)}", "strong"),
            (f"  {when}  ", ""),
            (
                f"{GLYPHS[gap.state]} {gap.state.value}, {formats.duration(gap.interval.length_ms)}",
                gap.state.value,
            ),
        ]
        right = (
            [(f"{self._place + 1} of {len(self._gaps)} in this cell, n: next ", "quiet")] if len(self._gaps) > 1 else []
        )
        self.query_one("#summary", Line).show(left, right)
        self.query_one(PageView).show(self._content())
        self._draw_keys()

    def _server(self) -> ServerStatus | None:
        return next((server for server in self.state.servers or () if server.server == self._row), None)

    def _content(self) -> list[list[Part]]:
        gap, tz, server = self.gap, self.state.tz, self._server()
        lines: list[list[Part]] = [[], *timeline_lines(gap, server, self._outages, tz, self.state.now_ms())]
        lines.append([])
        lines += self._delta(gap)
        figures = self._figures.get(gap.from_ms)
        if figures is None:
            lines.append([(" loading its minutes and streams …", "quiet")])
        elif isinstance(figures, str):
            lines.append([(f" {sanitize(figures)}", "bad")])
        else:
            lines += self._slots(figures)
            lines += self._streams(figures, gap)
        return lines

    def _delta(self, gap: CoverageSpan) -> list[list[Part]]:
        if not self._of_stream:
            return [*delta_lines(gap, self.state.tz), []]
        text = "This is the gap of the servers that carried the stream; their rows show what was recovered."
        return [[(f" {text}", "quiet")], []]

    def _slots(self, figures: GapFigures) -> list[list[Part]]:
        if not figures.slots:
            return []
        lines: list[list[Part]] = [
            [
                (
                    " " + padded("SLOT", _SLOT_CELLS + 2) + "".join(padded_left(*title) for title in _SLOT_TITLES),
                    "quiet",
                )
            ]
        ]
        for slot in figures.slots:
            at = formats.clock_time(slot.slot, self.state.tz)
            parts: list[Part] = [
                (f" {padded(at, _SLOT_CELLS)}", ""),
                (f"{GLYPHS[slot.state]} ", slot.state.value if slot.state else ""),
            ]
            delta = slot.delta
            if delta is None:
                parts.append((padded_left(formats.UNKNOWN, 13), "quiet"))
            else:
                peak = formats.bandwidth(delta.peak_out_bps) if delta.peak_out_bps else formats.UNKNOWN
                parts.append((padded_left(f"+{formats.count(delta.connections)}", 13), ""))
                parts.append((padded_left(formats.traffic(delta.bytes_out), 11) + padded_left(peak, 16), ""))
                parts.append((f"  {by_protocol(delta)}", "quiet"))
            lines.append(parts)
        return [*lines, []]

    def _streams(self, figures: GapFigures, gap: CoverageSpan) -> list[list[Part]]:
        if not figures.streams:
            return [[(" No stream was on air there.", "quiet")]]
        first = figures.streams[0][1]
        name_cells = max(16, min(32, self.size.width - 50))
        begin, end = (
            formats.clock_time(at_ms, self.state.tz)
            for at_ms in _ends(first.points[0].at, first.points[-1].at, first.step_ms)
        )
        more = f", {figures.other_streams} more" if figures.other_streams else ""
        lines: list[list[Part]] = [[(f" STREAMS ON IT{more}, {begin}–{end}, all servers", "quiet")]]
        glyph = GLYPHS[gap.state]
        for number, (stream, history) in enumerate(figures.streams):
            blocks = drawn(history, gap.interval)
            if number == 0:
                marks: list[Part] = [(" " * (name_cells + 3), "")]
                marks += [(glyph if inside else " ", gap.state.value) for _, inside in blocks]
                lines.append(marks)
            parts: list[Part] = [(f"  {padded(sanitize(str(stream)), name_cells)} ", "")]
            parts += [(text, f"{gap.state.value} filled" if inside else "live") for text, inside in blocks]
            highest = max((point.active or 0 for point in history.points), default=0)
            parts.append((f"  up to {formats.count(highest)}", "quiet"))
            lines.append(parts)
        return lines

    # Keys

    def action_next_gap(self) -> None:
        """Move to the next gap."""
        self._go(1)

    def action_previous_gap(self) -> None:
        """Move to the previous gap."""
        self._go(-1)

    def _go(self, step: int) -> None:
        self._place = (self._place + step) % len(self._gaps)
        self._fetch()
        self.state_changed(polled=False)

    def action_back(self) -> None:
        """Close the innermost thing that is open."""
        self.app.pop_screen()


def _ends(first_at: int, last_at: int, step_ms: int) -> tuple[int, int]:
    return first_at, last_at + step_ms
