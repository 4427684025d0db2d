"""Figures by stream in the journal, and as rows of a report. Pure.

The journal has one row for each slot with the parts of all its streams: a reading changes nearly all streams of the
present slot, and writes one record instead of thousands. The row has the same revisions as any other, and it changes
only together with its slot. A report has one row for each stream, and always all of a slot.

Figures by stream are the newest that fit: what a report or the journal has no room for stays in the figures of the
server, where it is not by stream.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from streamusage.agent.metering.additions import StreamAddition
from streamusage.api.report import Millis, Name, SlotRow, StreamSlotRow
from streamusage.core.figures import Count, StreamTraffic, least_exact
from streamusage.core.usage import StreamId

MOST_JOURNAL_BYTES = 64 * 1024 * 1024
"""Size of the figures by stream that the journal keeps: of 200 streams those of more than four days."""

MOST_REPORT_ROWS = 480_000
MOST_REPORT_BYTES = 36 * 1024 * 1024
"""Rows by stream fill a report up to this, below the limits of the service (docs/decisions/0009-limits.md)."""

_BYTES_OF_ROW = 200
"""A row of a report without its names."""
_BYTES_OF_PROTOCOL = 20


class StreamPart(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Part of one stream in a slot."""

    scope: Name
    name: Name
    connections: int
    bytes_in: int
    bytes_out: int
    view_time_ms: int
    traffic: StreamTraffic


class SlotStreams(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of all streams in one slot, each stream once."""

    slot: Millis
    revision: Count
    parts: tuple[StreamPart, ...]


def make_slot_streams(slot: int, revision: int, added: Mapping[StreamId, StreamAddition]) -> SlotStreams:
    """Return what a reading adds to the streams of a slot as a row."""
    parts = (
        StreamPart(*stream, part.connections, part.bytes_in, part.bytes_out, part.view_time_ms, part.traffic)
        for stream, part in sorted(added.items())
    )
    return SlotStreams(slot=slot, revision=revision, parts=tuple(parts))


def merge_slot_streams(older: SlotStreams, newer: SlotStreams) -> SlotStreams:
    """Return two rows of one slot merged: the figures of a stream add up."""
    parts = {(part.scope, part.name): part for part in older.parts}
    for part in newer.parts:
        stream = part.scope, part.name
        known = parts.get(stream)
        parts[stream] = part if known is None else _add(known, part)
    return msgspec.structs.replace(newer, parts=tuple(parts[stream] for stream in sorted(parts)))


def _add(known: StreamPart, more: StreamPart) -> StreamPart:
    return StreamPart(
        known.scope,
        known.name,
        known.connections + more.connections,
        known.bytes_in + more.bytes_in,
        known.bytes_out + more.bytes_out,
        known.view_time_ms + more.view_time_ms,
        least_exact(known.traffic, more.traffic),
    )


def select_stream_rows(rows: Sequence[Any], most_rows: int, most_bytes: int) -> tuple[StreamSlotRow, ...]:
    """Return the rows by stream of a report that has these rows: those of the newest slots that fit, oldest first.

    The limits are those of the whole report.
    """
    most_rows -= sum(map(_count_rows, rows))
    most_bytes -= sum(map(_estimate_bytes, rows))
    selected: list[SlotStreams] = []
    for row in sorted((row for row in rows if isinstance(row, SlotStreams)), key=lambda row: -row.slot):
        most_rows -= len(row.parts)
        most_bytes -= sum(_BYTES_OF_ROW + len(part.scope) + len(part.name) for part in row.parts)
        if min(most_rows, most_bytes) < 0:
            break
        selected.append(row)
    return tuple(
        StreamSlotRow(
            slot=row.slot,
            revision=row.revision,
            scope=part.scope,
            name=part.name,
            connections=part.connections,
            bytes_in=part.bytes_in,
            bytes_out=part.bytes_out,
            view_time_ms=part.view_time_ms,
            traffic=part.traffic,
        )
        for row in reversed(selected)
        for part in row.parts
    )


def _count_rows(row: Any) -> int:
    if isinstance(row, SlotStreams):
        return 0
    return 1 + (len(row.connections) if isinstance(row, SlotRow) else 0)


def _estimate_bytes(row: Any) -> int:
    """Return about how long a row of another kind is in a report, its names included."""
    if isinstance(row, SlotStreams):
        return 0
    names = len(getattr(row, "scope", "")) + len(getattr(row, "name", ""))
    return _BYTES_OF_ROW + names + (_BYTES_OF_PROTOCOL * len(row.connections) if isinstance(row, SlotRow) else 0)
