"""Splits a large accepted report into parts that are applied one after another. Pure.

The service accepts a report whole, in one transaction: the acknowledged revision, the baseline, and all rows as parts
that wait. From then on it has every unit of the report, whatever happens to the agent's journal. Each part is applied
in a transaction of its own, so that other agents wait for one part at most. Rows are in order of time, and a part
covers only the time whose rows have all been applied with it or before it.
"""

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from typing import NamedTuple

import msgspec

from streamusage.api.report import (
    OutageRow,
    Report,
    SampleRow,
    SessionRow,
    SlotRow,
    SpanRow,
    StreamSlotRow,
    ViewerRow,
)
from streamusage.core.coverage import SLOT_MS, slot_of
from streamusage.service.rules.spans import place_mark
from streamusage.service.rules.stream_slots import group_by_slot

ROWS_PER_PART = 5_000
"""About this many rows, with everything that they list, are applied in one transaction."""

LARGEST_WHOLE = 10_000
"""A report of more rows is applied in parts."""


class StreamsOfSlot(NamedTuple):
    """The rows by stream of one slot, which stay together."""

    slot: int
    rows: Sequence[StreamSlotRow]


TimedRow = SlotRow | StreamsOfSlot | SessionRow | SampleRow


class ReportPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rows of an accepted report that are applied in one transaction."""

    epoch: int
    received_at: int
    """When the report was accepted: decides which of its figures are late."""
    covers_to: int | None = None
    """Up to where the spans may be covered with this part; `None` to their end."""
    slots: tuple[SlotRow, ...] = ()
    spans: tuple[SpanRow, ...] = ()
    sessions: tuple[SessionRow, ...] = ()
    samples: tuple[SampleRow, ...] = ()
    viewers: tuple[ViewerRow, ...] = ()
    outages: tuple[OutageRow, ...] = ()
    stream_slots: tuple[StreamSlotRow, ...] = ()


def split_report(report: Report, received_at: int, rows_per_part: int = ROWS_PER_PART) -> Iterator[ReportPart]:
    """Yield the parts of a report in the order in which they must be applied. The last one covers the report's end."""
    spans = sorted(report.spans, key=lambda span: span.from_ms)
    last_slot = slot_of(max((span.to_ms for span in spans), default=1) - 1)
    covered_to = newest = 0
    rows: list[TimedRow | ViewerRow] = []
    weight = 0
    for row in _in_order(report):
        if weight >= rows_per_part:
            covers_to = min(newest if isinstance(row, ViewerRow) else _slot_of_row(row), last_slot)
            yield _part(report.epoch, received_at, rows, _spans_of(spans, rows, covered_to, covers_to), covers_to)
            rows, weight, covered_to = [], 0, covers_to
        rows.append(row)
        newest = newest if isinstance(row, ViewerRow) else _slot_of_row(row)
        weight += _weight(row)
    last = _part(report.epoch, received_at, rows, _spans_of(spans, rows, covered_to, None), None)
    yield msgspec.structs.replace(last, outages=report.outages)


def mark_end(last: ReportPart, mark: SpanRow, watermark: int) -> ReportPart:
    """Return the last part of a report, which covers its end, with a place for a hidden mark (`spans.place_mark`)."""
    return msgspec.structs.replace(last, spans=place_mark(last.spans, mark, watermark))


def _in_order(report: Report) -> Iterable[TimedRow | ViewerRow]:
    """Yield the rows by minute, the viewers last. A publish follows its samples, which decide its record's maximum."""
    streams = [StreamsOfSlot(slot, rows) for slot, rows in group_by_slot(report.stream_slots).items()]
    timed: tuple[Sequence[TimedRow], ...] = (report.slots, streams, report.samples, report.sessions)
    yield from merge(*(sorted(rows, key=_slot_of_row) for rows in timed), key=_slot_of_row)
    yield from report.viewers


def _weight(row: TimedRow | ViewerRow) -> int:
    """Return the number of rows, with everything that they list."""
    if isinstance(row, StreamsOfSlot):
        return len(row.rows)
    return 1 + (len(row.connections) if isinstance(row, SlotRow) else 0)


def _slot_of_row(row: TimedRow) -> int:
    return slot_of(row.end_time if isinstance(row, SessionRow) else row.slot)


def _spans_of(
    spans: Sequence[SpanRow], rows: Sequence[TimedRow | ViewerRow], covered_to: int, covers_to: int | None
) -> tuple[SpanRow, ...]:
    """Return the spans of a part: those that it covers, and those of its rows, which show whether these came late."""
    newest = next((_slot_of_row(row) for row in reversed(rows) if not isinstance(row, ViewerRow)), covered_to)
    to_ms = None if covers_to is None else max(covers_to, newest + SLOT_MS)
    return tuple(span for span in spans if span.to_ms > covered_to and (to_ms is None or span.from_ms < to_ms))


def _part(
    epoch: int,
    received_at: int,
    rows: Sequence[TimedRow | ViewerRow],
    spans: tuple[SpanRow, ...],
    covers_to: int | None,
) -> ReportPart:
    return ReportPart(
        epoch=epoch,
        received_at=received_at,
        covers_to=covers_to,
        spans=spans,
        slots=tuple(row for row in rows if isinstance(row, SlotRow)),
        sessions=tuple(row for row in rows if isinstance(row, SessionRow)),
        samples=tuple(row for row in rows if isinstance(row, SampleRow)),
        viewers=tuple(row for row in rows if isinstance(row, ViewerRow)),
        stream_slots=tuple(row for streams in rows if isinstance(streams, StreamsOfSlot) for row in streams.rows),
    )
