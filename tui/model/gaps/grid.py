"""The grid of the gap view: rows of servers or streams, cells of a minute to a day, and their descriptions. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from streamusage.api.daily import GapDelta
from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import SLOT_MS, WORST_FIRST, Interval, Provenance, slot_of
from tui.model import formats
from tui.model.gaps.accounts import NOTHING, CoverageTimeline, CoverageTotals
from tui.model.gaps.timeline_cells import TimelineCells

GLYPHS: dict[Provenance | None, str] = {
    Provenance.LIVE: "█",
    Provenance.BACKFILLED: "▒",
    Provenance.PARTIAL: "▄",
    Provenance.MISSING: "·",
    Provenance.LOST: "×",
    Provenance.HELD: "?",
    None: " ",
}
IMPORTED_GLYPH = "»"
NOT_RUNNING = "not running"
NOT_DUE = "not due yet"

_MINUTE, _HOUR, _DAY = formats.MINUTE_MS, formats.HOUR_MS, formats.DAY_MS
CELL_LENGTHS_MS = (
    *(number * _MINUTE for number in (1, 2, 5, 10, 15, 30)),
    *(number * _HOUR for number in (1, 2, 6, 12)),
    _DAY,
)
"""Lengths of a cell, finest first: 60 cells cover an hour, a day or a month."""


class Row(NamedTuple):
    """One server or stream in the window."""

    name: str
    timeline: CoverageTimeline
    totals: CoverageTotals


class GapGrid:
    """A window of the gap view. Cells are computed only for requested rows."""

    def __init__(self, edges: Sequence[int], cell_ms: int, rows: Sequence[Row], hidden: int = 0) -> None:
        self.edges = edges
        self.cell_ms = cell_ms
        self.rows = rows
        self.hidden = hidden
        """Number of rows that the filter hides."""
        self._cells: dict[int, TimelineCells] = {}
        self._amounts: dict[int, dict[Provenance, int]] = {}
        due = [row.totals for row in rows]
        self._totals = CoverageTotals(*map(sum, zip(*due, strict=True))) if due else NOTHING
        self._owed = _describe_owed(rows)

    @property
    def from_ms(self) -> int:
        """Start of the window."""
        return self.edges[0]

    @property
    def to_ms(self) -> int:
        """End of the window, not included."""
        return self.edges[-1]

    @property
    def cells(self) -> int:
        """Number of cells in a row."""
        return len(self.edges) - 1

    def cells_of(self, row: int) -> TimelineCells:
        """Return the cells of a row."""
        found = self._cells.get(row)
        if found is None:
            found = self._cells[row] = self.rows[row].timeline.cells(self.edges)
        return found

    def amounts_of(self, row: int) -> dict[Provenance, int]:
        """Return the time of a row in each state within the window, without states of no time."""
        found = self._amounts.get(row)
        if found is None:
            spans = self.rows[row].timeline.between(self.from_ms, self.to_ms)
            found = self._amounts[row] = dict(amounts_of(spans, self.from_ms, self.to_ms))
        return found

    def cell_at(self, at_ms: int) -> int:
        """Return the cell of an instant, clipped to the window."""
        return min(self.cells - 1, max(0, bisect_right(self.edges, at_ms) - 1))

    def cell_range(self, interval: Interval) -> tuple[int, int]:
        """Return the first cell that has time of an interval, and the one after the last."""
        first = max(0, bisect_right(self.edges, interval.from_ms) - 1)
        return first, min(self.cells, bisect_left(self.edges, interval.to_ms))

    def complete(self) -> str:
        """Return the complete share of the window in percent."""
        total = self.totals()
        return formats.percent(total.complete_ms, total.due_ms)

    def totals(self) -> CoverageTotals:
        """Return the totals over all rows."""
        return self._totals

    def owed(self) -> str:
        """Return `owed 2m by edge-4`, or an empty text where nothing is missing."""
        return self._owed

    def next_gap(self, row: int, cell: int, *, forward: bool) -> tuple[int, int] | None:
        """Return (row, instant) of the next gap, by time and then by row, wrapping around.

        It can be outside the window. `None` if no gap is known.
        """
        found = self._gaps_after(row, cell) if forward else self._gaps_before(row, cell)
        if not found:  # wrap around
            found = self._gaps_after(-1, -1) if forward else self._gaps_before(len(self.rows), self.cells)
        if not found:
            return None
        _, number, at_ms = min(found) if forward else max(found)
        return number, at_ms

    def _gaps_after(self, row: int, cell: int) -> list[tuple[int, int, int]]:
        found = []
        for number, entry in enumerate(self.rows):
            if cell < 0:
                begins: int | None = entry.timeline.next_gap(0)
            else:
                begins = entry.timeline.next_gap(self.edges[cell]) if number > row else None
                if begins is None or begins >= self.edges[cell + 1]:
                    begins = entry.timeline.next_gap(self.edges[cell + 1])
            if begins is not None:
                found.append((self._place(begins), number, begins))
        return found

    def _gaps_before(self, row: int, cell: int) -> list[tuple[int, int, int]]:
        found = []
        for number, entry in enumerate(self.rows):
            if cell >= self.cells:
                begins = entry.timeline.gap_before(1 << 62)
            else:
                begins = entry.timeline.gap_before(self.edges[cell + (number < row)])
            if begins is not None:
                found.append((self._place(begins), number, begins))
        return found

    def _place(self, at_ms: int) -> int:
        """Return the cell of an instant, also outside the window."""
        if self.from_ms <= at_ms < self.to_ms:
            return self.cell_at(at_ms)
        return (at_ms - self.from_ms) // self.cell_ms


def _describe_owed(rows: Sequence[Row]) -> str:
    owing = sorted((row for row in rows if row.totals.owed_ms), key=lambda row: -row.totals.owed_ms)
    if not owing:
        return ""
    total = formats.age(sum(row.totals.owed_ms for row in owing))
    more = f" and {len(owing) - 1} more" if len(owing) > 1 else ""
    return f"owed {total} by {owing[0].name}{more}"


def window(now_ms: int, cells: int, cell_ms: int = SLOT_MS, *, cells_back: int = 0) -> int:
    """Return the start of a window of `cells` whose last cell holds now, or is that many cells back."""
    last = now_ms - now_ms % cell_ms
    return last - (cells - 1 + cells_back) * cell_ms


def window_edges(now_ms: int, cells: int, cell_ms: int, cells_back: int, tz: tzinfo | None) -> list[int]:
    """Return the edges of the cells of a window that ends now or that many cells back; days are those of the zone."""
    here = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(tz)
    if cell_ms == _DAY:
        first = here.date() - timedelta(days=cells - 1 + cells_back)
        return [_midnight_ms(first + timedelta(days=number), tz) for number in range(cells + 1)]
    offset = here.utcoffset() or timedelta()
    offset_ms = int(offset.total_seconds()) * 1000
    from_ms = window(now_ms + offset_ms, cells, cell_ms, cells_back=cells_back) - offset_ms
    return [from_ms + number * cell_ms for number in range(cells + 1)]


def _midnight_ms(day: date, tz: tzinfo | None) -> int:
    return int(datetime.combine(day, time.min, tz).timestamp()) * 1000


def grid(
    timelines: Mapping[str, CoverageTimeline],
    edges: Sequence[int],
    cell_ms: int,
    *,
    wanted: str = "",
    most_lacking_first: bool = False,
) -> GapGrid:
    """Return the grid of the rows that run in the window, by name or most missing first. `wanted` filters by name."""
    needle = wanted.casefold()
    names = [name for name in sorted(timelines) if needle in name.casefold()] if needle else sorted(timelines)
    from_ms, to_ms = edges[0], edges[-1]
    rows = [Row(name, timeline := timelines[name], timeline.totals(from_ms, to_ms)) for name in names]
    hidden = len(timelines) - len(rows)
    if most_lacking_first:
        rows.sort(key=lambda row: (-row.totals.lacking_ms, row.name))
    return GapGrid(edges, cell_ms, rows, hidden)


# Descriptions


def describe_cell(
    made: GapGrid, row: int, cell: int, tz: tzinfo | None, now_ms: int
) -> list[tuple[str, CoverageSpan | None]]:
    """Return lines about the cell under the cursor: row, time and amounts by state, then its spans, worst first."""
    entry = made.rows[row]
    begins, ends = made.edges[cell], made.edges[cell + 1]
    spans = entry.timeline.between(begins, ends)
    if not spans:
        goes_on = entry.timeline.spans and entry.timeline.spans[-1].to_ms >= now_ms - SLOT_MS
        why = NOT_DUE if goes_on and ends > now_ms - SLOT_MS else NOT_RUNNING
        return [(f"{entry.name} · {period(begins, ends, tz, now_ms)} · {why}", None)]
    ordered = sorted(spans, key=lambda span: (WORST_FIRST.index(span.state), span.from_ms))
    if made.cell_ms == SLOT_MS or len(spans) == 1:
        descriptions = [describe_span(span, tz, now_ms) for span in ordered]
        texts = [f"{entry.name} · {descriptions[0]}", *(f"also {text}" for text in descriptions[1:])]
        return list(zip(texts, ordered, strict=True))
    amounts = ", ".join(
        f"{state.value} {formats.duration(length)}" for state, length in amounts_of(spans, begins, ends)
    )
    gaps = [span for span in ordered if span.state is not Provenance.LIVE]
    return [
        (f"{entry.name} · {period(begins, ends, tz, now_ms)} · {amounts}", None),
        *((describe_span(span, tz, now_ms), span) for span in gaps),
    ]


def amounts_of(spans: Iterable[CoverageSpan], from_ms: int, to_ms: int) -> list[tuple[Provenance, int]]:
    """Return the time of a window in each state, worst first."""
    lengths: dict[Provenance, int] = {}
    for span in spans:
        inside = span.interval.clip(from_ms, to_ms).length_ms
        lengths[span.state] = lengths.get(span.state, 0) + inside
    return [(state, lengths[state]) for state in WORST_FIRST if lengths.get(state)]


def period(from_ms: int, to_ms: int, tz: tzinfo | None, now_ms: int) -> str:
    """Return `12:03–12:19`, with the day if it is not today, with seconds if it is not of whole minutes."""
    seconds = slot_of(from_ms) != from_ms or slot_of(to_ms) != to_ms
    begin, end = formats.clock_times(from_ms, to_ms, tz, seconds=seconds)
    first, last, today = (formats.day(at_ms, tz) for at_ms in (from_ms, to_ms - 1, now_ms))
    if first != last:
        if begin == end == "00:00":
            return f"{first}–{last}"
        return f"{first} {begin}–{formats.day(to_ms, tz)} {end}"
    if begin == end == "00:00":
        return first
    end = "24:00" if end == "00:00" else end
    return f"{begin}–{end}" if first == today else f"{first} {begin}–{end}"


def _since(from_ms: int, tz: tzinfo | None, now_ms: int) -> str:
    day = formats.day(from_ms, tz)
    on = "" if day == formats.day(now_ms, tz) else f"{day} "
    return f"{on}{formats.clock_time(from_ms, tz, seconds=slot_of(from_ms) != from_ms)}–now"


def describe_span(span: CoverageSpan, tz: tzinfo | None, now_ms: int) -> str:
    """Return a span's time, state, length, detection or backfill, reason and recovered figures."""
    still_owed = span.state is Provenance.MISSING and span.to_ms >= now_ms
    parts = [
        _since(span.from_ms, tz, now_ms) if still_owed else period(span.from_ms, span.to_ms, tz, now_ms),
        f"{span.state.value}, {formats.duration(span.interval.length_ms)}",
    ]
    if span.filled_at is not None:
        parts[-1] += f", filled {describe_fill(span, tz)}"
    elif span.state is Provenance.MISSING and span.detected_at is not None:
        parts[-1] += f", detected {formats.clock_time(span.detected_at, tz, seconds=True)}, still owed"
    elif span.state is Provenance.MISSING:
        parts[-1] += ", still owed"
    if span.reason:
        parts.append(span.reason)
    if span.delta is not None:
        parts.append(describe_delta(span.delta, tz))
    return " · ".join(parts)


def describe_fill(span: CoverageSpan, tz: tzinfo | None) -> str:
    """Return `12:24 (after 5m)`, counted from the end of the gap."""
    assert span.filled_at is not None
    after_ms = max(0, span.filled_at - span.to_ms)
    at = formats.clock_time(span.filled_at, tz, seconds=slot_of(span.filled_at) != span.filled_at)
    return f"{at} (after {formats.duration(after_ms)})" if after_ms >= 1000 else f"{at} (at once)"


def describe_delta(delta: GapDelta, tz: tzinfo | None) -> str:
    """Return recovered figures: `+312 connections (RTMP 290, HLS 22) · 4.21 GB out · peak 88.1 Mbit/s at 12:11`."""
    parts = [
        f"+{formats.count(delta.connections)} connections" + (f" ({split})" if (split := by_protocol(delta)) else "")
    ]
    if delta.bytes_in:
        parts.append(f"{formats.traffic(delta.bytes_in)} in")
    parts.append(f"{formats.traffic(delta.bytes_out)} out")
    if delta.peak_out_bps:
        at = f" at {formats.clock_time(delta.peak_out_at, tz)}" if delta.peak_out_at is not None else " out"
        parts.append(f"peak {formats.bandwidth(delta.peak_out_bps)}{at}")
    return " · ".join(parts)


def by_protocol(delta: GapDelta) -> str:
    """Return `RTMP 290, HLS 22`, the largest first."""
    split = sorted(delta.connections_by_protocol.items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{protocol.upper()} {formats.count(number)}" for protocol, number in split if number)


def newly_backfilled(before: CoverageTimeline | None, after: CoverageTimeline) -> list[Interval]:
    """Return the intervals that were at least partly missing before and are backfilled now."""
    if before is None:
        return []
    found: list[Interval] = []
    for span in before.missing():
        for now in after.between(span.from_ms, span.to_ms):
            if now.state in (Provenance.BACKFILLED, Provenance.PARTIAL) and now.interval not in found:
                found.append(now.interval)
    return found
