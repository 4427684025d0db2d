"""The rules of figures by stream: the streams of a slot are one row with one revision, as the slot itself. Pure.

A report has all streams of a slot or none. The newest revision replaces the row; what it adds to a stream is late where
the slot's figures came late. The streams of a slot never sum to more than the slot: the rest is not by stream.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from streamusage.api.report import Report, SlotRow, StreamSlotRow
from streamusage.core.figures import STREAM_SUM_NAMES, StreamTraffic, least_exact, slot_sums
from streamusage.core.usage import StreamId
from streamusage.service.errors import ContradictionError

MOST_STREAMS = 20_000
"""The most streams of one server in a slot."""


class StreamShare(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Part of one stream in a slot, and how much of it arrived too late to be live.

    The fields after `traffic` are the sums in the order of `STREAM_SUM_NAMES`, then their late parts.
    """

    scope: str
    name: str
    traffic: StreamTraffic
    connections: int
    bytes_in: int
    bytes_out: int
    view_time_ms: int
    late_connections: int
    late_bytes_in: int
    late_bytes_out: int
    late_view_time_ms: int

    @property
    def stream(self) -> StreamId:
        """The stream."""
        return StreamId(self.scope, self.name)


ShareColumns = Sequence[Sequence[Any]]
"""Parts of streams by column: for each field of `StreamShare` the values of all streams, in the same order."""


def share_columns(shares: Sequence[StreamShare]) -> ShareColumns:
    """Return parts of streams by column."""
    return [[getattr(share, name) for share in shares] for name in StreamShare.__struct_fields__]


class StoredStreams(NamedTuple):
    """The streams of one slot in one epoch as the store has them, in order."""

    slot: int
    revision: int
    shares: Sequence[StreamShare]


_sums_of: Callable[[StreamSlotRow | StreamShare], tuple[int, ...]] = attrgetter(*STREAM_SUM_NAMES)
_late_of: Callable[[StreamShare], tuple[int, ...]] = attrgetter(*(f"late_{name}" for name in STREAM_SUM_NAMES))
_NOTHING = (0,) * len(STREAM_SUM_NAMES)


def group_by_slot(rows: Iterable[StreamSlotRow]) -> dict[int, list[StreamSlotRow]]:
    """Return the rows of each slot."""
    by_slot: dict[int, list[StreamSlotRow]] = {}
    for row in rows:
        by_slot.setdefault(row.slot, []).append(row)
    return by_slot


def check_streams(report: Report) -> None:
    """Raise `ContradictionError` if the streams of a slot are not parts of it: they sum to more than the slot, or the
    report lacks the slot; or if they are not one row: a stream has two, or their revisions differ.
    """
    if not report.stream_slots:
        return
    slots = {row.slot: row for row in report.slots}
    for slot, rows in group_by_slot(report.stream_slots).items():
        if slot not in slots:
            raise ContradictionError(f"the report has streams of slot {slot}, but not the slot")
        if len(rows) > MOST_STREAMS:
            raise ContradictionError(f"slot {slot} has {len(rows)} streams; at most {MOST_STREAMS} are allowed")
        if len({(row.scope, row.name) for row in rows}) < len(rows) or len({row.revision for row in rows}) > 1:
            raise ContradictionError(f"the report names a stream of slot {slot} twice, or with several revisions")
        _check_sums(slots[slot], rows)


def _check_sums(slot: SlotRow, rows: Iterable[StreamSlotRow]) -> None:
    whole = slot_sums(slot) | {"connections": sum(slot.connections.values())}
    for name, parts in zip(STREAM_SUM_NAMES, zip(*map(_sums_of, rows), strict=True), strict=True):
        total = sum(parts)
        if total > whole[name]:
            raise ContradictionError(
                f"{name} of the streams of slot {slot.slot} sum to {total}, the slot has {whole[name]}"
            )


def merge_streams(stored: StoredStreams | None, rows: Sequence[StreamSlotRow], *, came_late: bool) -> StoredStreams:
    """Return the streams of a slot after newer rows of them."""
    known = {} if stored is None else {(share.scope, share.name): share for share in stored.shares}
    shares = []
    for row in sorted(rows, key=lambda row: (row.scope, row.name)):
        old = known.get((row.scope, row.name))
        sums = _sums_of(row)
        before, late = (_NOTHING, _NOTHING) if old is None else (_sums_of(old), _late_of(old))
        if came_late:
            late = tuple(part + now - then for part, now, then in zip(late, sums, before, strict=True))
        late = tuple(min(max(part, 0), whole) for part, whole in zip(late, sums, strict=True))
        shares.append(StreamShare(row.scope, row.name, row.traffic, *sums, *late))
    return StoredStreams(rows[0].slot, rows[0].revision, tuple(shares))


def newer_streams(
    stored: Mapping[int, StoredStreams], rows: Iterable[StreamSlotRow], came_late: Callable[[int], bool]
) -> list[StoredStreams]:
    """Return the streams of each slot that a report changes. `came_late` returns whether a slot's figures came late."""
    return [
        merge_streams(stored.get(slot), of_slot, came_late=came_late(slot))
        for slot, of_slot in group_by_slot(rows).items()
        if slot not in stored or of_slot[0].revision > stored[slot].revision
    ]


def move_streams(stored: Iterable[StoredStreams], move_slot: Callable[[int], int]) -> dict[int, StoredStreams]:
    """Return the streams of slots that a repair moves, by slot. Those that fall into one slot are added up.

    `stored` contains the slots that move and the slots to which they move. All that moves arrived late.
    """
    after: dict[int, StoredStreams] = {}
    for streams in sorted(stored, key=lambda streams: streams.slot):
        to = move_slot(streams.slot)
        moved = streams if to == streams.slot else _make_late(streams, to)
        after[to] = moved if to not in after else _add(after[to], moved)
    return after


def _make_late(streams: StoredStreams, slot: int) -> StoredStreams:
    shares = (
        StreamShare(share.scope, share.name, share.traffic, *_sums_of(share), *_sums_of(share))
        for share in streams.shares
    )
    return StoredStreams(slot, streams.revision, tuple(shares))


def _add(streams: StoredStreams, more: StoredStreams) -> StoredStreams:
    shares = sum_shares((*streams.shares, *more.shares))
    return StoredStreams(streams.slot, max(streams.revision, more.revision), shares)


def sum_shares(shares: Iterable[StreamShare]) -> tuple[StreamShare, ...]:
    """Return the shares of each stream added up, in the order of the streams."""
    by_stream: dict[StreamId, StreamShare] = {}
    for share in shares:
        known = by_stream.get(share.stream)
        by_stream[share.stream] = share if known is None else _add_share(known, share)
    return tuple(by_stream[stream] for stream in sorted(by_stream))


def _add_share(first: StreamShare, other: StreamShare) -> StreamShare:
    sums = map(sum, zip(_sums_of(first), _sums_of(other), strict=True))
    late = map(sum, zip(_late_of(first), _late_of(other), strict=True))
    return StreamShare(first.scope, first.name, least_exact(first.traffic, other.traffic), *sums, *late)
