"""The rows of the gap view: one a server, one cell a slot (or several), and the words for a cell. Pure."""

from dataclasses import dataclass, field
from datetime import tzinfo

from streamusage.answers import Coverage, Delta, ServerCoverage, Span
from streamusage.coverage import SLOT_MS, Provenance, slot_of, worst
from tui.model import formats

GLYPHS: dict[Provenance | None, str] = {
    Provenance.LIVE: "█",
    Provenance.BACKFILLED: "▒",
    Provenance.PARTIAL: "▄",
    Provenance.MISSING: "·",
    Provenance.LOST: "×",
    Provenance.HELD: "?",
    None: " ",
}
NOT_RUNNING = "not running"
_WHOLE = (Provenance.LIVE, Provenance.BACKFILLED)


@dataclass
class GapRow:
    """One server in the window."""

    server: str
    cells: list[Provenance | None]
    spans: list[Span]
    complete_ms: int
    """How much was seen live or has been filled."""
    due_ms: int
    """How much there is to account for."""
    owed_ms: int
    """How much is missing and can still come."""


@dataclass
class GapGrid:
    """The gap view's window: `cells` slots from `from_ms` on."""

    from_ms: int
    cells: int
    cell_ms: int = SLOT_MS
    rows: list[GapRow] = field(default_factory=list)

    @property
    def to_ms(self) -> int:
        return self.from_ms + self.cells * self.cell_ms

    def complete(self) -> str:
        """How much of the window is accounted for, in percent."""
        return formats.percent(sum(row.complete_ms for row in self.rows), sum(row.due_ms for row in self.rows))

    def owed(self) -> str:
        """What is owed and by whom: `owed 2 min by edge-4`; empty where nothing is."""
        owing = sorted((row for row in self.rows if row.owed_ms), key=lambda row: -row.owed_ms)
        if not owing:
            return ""
        total = formats.duration_in_words(sum(row.owed_ms for row in owing))
        more = f" and {len(owing) - 1} more" if len(owing) > 1 else ""
        return f"owed {total} by {owing[0].server}{more}"

    def cell_at(self, at_ms: int) -> int:
        """The cell that holds an instant, clipped to the window."""
        return min(self.cells - 1, max(0, (at_ms - self.from_ms) // self.cell_ms))

    def next_gap(self, row: int, cell: int, *, forward: bool) -> tuple[int, int] | None:
        """(row, cell) where the next gap begins, in time and then in the order of rows, round and round.

        `None` where the window has no gap.
        """
        starts = sorted((start, number) for number, gap_row in enumerate(self.rows) for start in _gap_starts(gap_row))
        here = (cell, row)
        if forward:
            found = next((start for start in starts if start > here), starts[0] if starts else None)
        else:
            found = next((start for start in reversed(starts) if start < here), starts[-1] if starts else None)
        return None if found is None else (found[1], found[0])


def window(now_ms: int, cells: int, cell_ms: int = SLOT_MS, *, pages_back: int = 0, cells_back: int = 0) -> int:
    """Where a window of `cells` begins whose last cell holds now, or lies that far back."""
    last = now_ms - now_ms % cell_ms
    return last - (cells - 1 + cells_back + pages_back * cells) * cell_ms


def grid(coverage: Coverage, from_ms: int, cells: int, cell_ms: int = SLOT_MS) -> GapGrid:
    """The cells of every server, each in its worst state."""
    made = GapGrid(from_ms, cells, cell_ms)
    made.rows = [_row(server, made) for server in coverage.servers]
    return made


def _row(server: ServerCoverage, made: GapGrid) -> GapRow:
    states: list[Provenance | None] = [None] * made.cells
    row = GapRow(server.server, states, [], 0, 0, 0)
    for span in server.spans:
        piece = span.interval.clip(made.from_ms, made.to_ms)
        if not piece.length_ms:
            continue
        row.spans.append(span)
        row.due_ms += piece.length_ms
        if span.state in _WHOLE:
            row.complete_ms += piece.length_ms
        if span.state is Provenance.MISSING:
            row.owed_ms += piece.length_ms
        first = (piece.from_ms - made.from_ms) // made.cell_ms
        last = (piece.to_ms - 1 - made.from_ms) // made.cell_ms
        for cell in range(first, last + 1):
            state = states[cell]
            states[cell] = span.state if state is None else worst((state, span.state))
    return row


def _gap_starts(row: GapRow) -> list[int]:
    starts = []
    before: Provenance | None = None
    for cell, state in enumerate(row.cells):
        if state is not None and state is not Provenance.LIVE and state is not before:
            starts.append(cell)
        before = state
    return starts


def spans_of_cell(made: GapGrid, row: GapRow, cell: int) -> list[Span]:
    """The spans that meet a cell, oldest first."""
    from_ms = made.from_ms + cell * made.cell_ms
    return [span for span in row.spans if span.interval.clip(from_ms, from_ms + made.cell_ms).length_ms]


def in_words(made: GapGrid, row: GapRow, cell: int, tz: tzinfo | None) -> list[str]:
    """The cell under the cursor: the state it shows first, then what else it holds; one string a span."""
    spans = spans_of_cell(made, row, cell)
    at = formats.clock_time(made.from_ms + cell * made.cell_ms, tz)
    if not spans:
        return [f"{row.server} · {at} · {NOT_RUNNING}"]
    first = row.cells[cell]
    ordered = sorted(spans, key=lambda span: (span.state is not first, span.from_ms))
    told = [_span_in_words(span, tz) for span in ordered]
    return [f"{row.server} · {told[0]}", *(f"also {text}" for text in told[1:])]


def _span_in_words(span: Span, tz: tzinfo | None) -> str:
    same_minute = slot_of(span.from_ms) == span.from_ms and slot_of(span.to_ms) == span.to_ms
    begin = formats.clock_time(span.from_ms, tz, seconds=not same_minute)
    end = formats.clock_time(span.to_ms, tz, seconds=not same_minute)
    parts = [f"{begin}–{end}", f"{span.state.value}, {formats.duration_in_words(span.interval.length_ms)}"]
    if span.filled_at is not None:
        after = formats.duration_in_words(max(0, span.filled_at - span.to_ms))
        parts[-1] += f", filled {formats.clock_time(span.filled_at, tz, seconds=True)} ({after} after)"
    elif span.state is Provenance.MISSING and span.detected_at is not None:
        parts[-1] += f", noticed {formats.clock_time(span.detected_at, tz, seconds=True)}, still owed"
    elif span.state is Provenance.MISSING:
        parts[-1] += ", still owed"
    if span.reason:
        parts.append(span.reason)
    if span.delta is not None:
        parts.append(delta_in_words(span.delta))
    return " · ".join(parts)


def delta_in_words(delta: Delta) -> str:
    """What a fill brought: `+312 connections (RTMP 290, HLS 22) · 4.21 GB out · peak 88.1 Mbit/s out`."""
    by_protocol = sorted(delta.connections_by_protocol.items(), key=lambda entry: (-entry[1], entry[0]))
    split = ", ".join(f"{protocol.upper()} {formats.count(number)}" for protocol, number in by_protocol if number)
    parts = [f"+{formats.count(delta.connections)} connections" + (f" ({split})" if split else "")]
    if delta.bytes_in:
        parts.append(f"{formats.traffic(delta.bytes_in)} in")
    parts.append(f"{formats.traffic(delta.bytes_out)} out")
    if delta.peak_out_bps:
        parts.append(f"peak {formats.bandwidth(delta.peak_out_bps)} out")
    return " · ".join(parts)
