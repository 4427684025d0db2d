"""Figures by stream in one step of the meter. Pure.

Connections and view time belong to the stream of their viewer. Bytes are the server's own: a step files them in slots
first, and then deals them over the streams. Bytes of a counter that names its stream belong to that stream. Other bytes
are dealt in proportion to how much the streams' own counters rose; where there are none, outgoing bytes in proportion
to view time since the last reading, incoming bytes to the time on air. What remains is not by stream.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from streamusage.agent.metering.additions import Additions, StreamAddition
from streamusage.agent.metering.stream_shares import NOT_BY_STREAM, SlotAmount, deal, deal_over_slots
from streamusage.agent.reading import EndedConnection, Reading, StreamCounterReading
from streamusage.api.report import OpenStreamCounter, ViewerRow
from streamusage.core.coverage import SLOT_MS, slot_of
from streamusage.core.figures import StreamTraffic, least_exact
from streamusage.core.usage import StreamId

MOST_STREAMS = 20_000
"""Figures of at most so many streams are filed in one step; the others are not by stream."""

MOST_PARTS = 200_000
"""A step files figures of streams in about so many slots of streams at most: the newest. Those of earlier slots, after
a long pause between two readings, are not by stream."""

SHORT_PAUSE_MS = 10 * SLOT_MS
"""After a shorter pause no part is left out."""

Direction = Literal["bytes_in", "bytes_out"]


class StreamWeights(NamedTuple):
    """By what bytes are dealt, in and out."""

    bytes_in: Mapping[StreamId, int]
    bytes_out: Mapping[StreamId, int]


class StreamParts:
    """Figures by stream that a step collects for its additions."""

    def __init__(self, additions: Additions, traffic: StreamTraffic) -> None:
        """`traffic` is how the source knows the bytes of streams."""
        self._additions = additions
        self._traffic = traffic
        self._streams: set[StreamId] = set()
        self._first_slot = 0
        self._dealt: list[tuple[Direction, Sequence[SlotAmount]]] = []
        self._counted: list[tuple[Direction, Sequence[SlotAmount]]] = []
        self.watched: Counter[StreamId] = Counter()
        """View time since the last reading."""
        self.on_air: Counter[StreamId] = Counter()
        """Time on air since the last reading."""

    def keep_recent(self, at: int, streams: int) -> None:
        """Leave out the slots in which that many streams would have too many parts in a long pause before `at`."""
        self._first_slot = slot_of(at) - MOST_PARTS // max(1, streams) * SLOT_MS

    def add_connections(self, stream: StreamId, slot: int, number: int) -> None:
        """Add connections that started in a slot."""
        part = self._part(stream, slot)
        if part is not None:
            part.connections += number

    def add_view_time(self, stream: StreamId, slot: int, view_time_ms: int) -> None:
        """Add view time in a slot."""
        if not view_time_ms:
            return
        self.watched[stream] += view_time_ms
        part = self._part(stream, slot)
        if part is not None:
            part.view_time_ms += view_time_ms

    def share_view_time(self, amounts: Sequence[SlotAmount], viewers: Mapping[StreamId, int]) -> None:
        """Add the view time of several viewers, which is filed already, to the streams of these numbers of viewers."""
        for slot, shares in self._deal_recent(amounts, viewers):
            for stream, share in shares.items():
                self.add_view_time(stream, slot, share)

    def add_bytes(self, direction: Direction, amounts: Sequence[SlotAmount]) -> None:
        """Add bytes that are dealt at the end of the step."""
        self._dealt.append((direction, amounts))

    def add_counted_bytes(self, direction: Direction, amounts: Sequence[SlotAmount]) -> None:
        """Add bytes of counters that may name their streams, dealt at the end of the step."""
        self._counted.append((direction, amounts))

    def add_bytes_of(self, stream: StreamId, direction: Direction, amounts: Iterable[SlotAmount]) -> None:
        """Add bytes of a log line, of which it is not certain that they are all of this stream."""
        for slot, amount in amounts:
            self._add_share(stream, slot, direction, amount, "apportioned")

    def deal(self, own: StreamWeights | None, counted: StreamWeights | None) -> None:
        """Deal the bytes: in proportion to `own`, how much the counters of streams rose, and those of counters that
        name their streams to `counted`. `None` where there are no such counters.
        """
        estimated = StreamWeights(self.on_air, self.watched)
        for direction, amounts in self._dealt:
            self._deal(direction, amounts, own, estimated)
        for direction, amounts in self._counted:
            self._deal(direction, amounts, counted or own, estimated)

    def _deal(
        self, direction: Direction, amounts: Sequence[SlotAmount], measured: StreamWeights | None, other: StreamWeights
    ) -> None:
        weights, traffic = getattr(measured, direction, {}), self._traffic
        if not any(weights.values()):
            weights, traffic = getattr(other, direction), least_exact(self._traffic, "apportioned")
        for slot, shares in self._deal_recent(amounts, weights):
            for stream, share in shares.items():
                self._add_share(stream, slot, direction, share, traffic)

    def _deal_recent(
        self, amounts: Sequence[SlotAmount], weights: Mapping[StreamId, int]
    ) -> Iterable[tuple[int, dict[StreamId, int]]]:
        return deal_over_slots([amount for amount in amounts if amount.slot >= self._first_slot], weights)

    def _add_share(self, stream: StreamId, slot: int, direction: Direction, share: int, traffic: StreamTraffic) -> None:
        part = self._part(stream, slot)
        if part is None:
            return
        if direction == "bytes_in":
            part.bytes_in += share
        else:
            part.bytes_out += share
        part.traffic = least_exact(part.traffic, traffic)

    def _part(self, stream: StreamId, slot: int) -> StreamAddition | None:
        """Return the addition to a stream's part of a slot; `None` for what is not by stream."""
        if not stream.scope or not stream.name or slot < self._first_slot:
            return None
        if stream not in self._streams:
            if len(self._streams) >= MOST_STREAMS:
                return None
            self._streams.add(stream)
        parts = self._additions.streams.setdefault(slot, {})
        part = parts.get(stream)
        if part is None:
            part = parts[stream] = StreamAddition(traffic=self._traffic)
        return part


def advance_stream_counters(
    before: Iterable[OpenStreamCounter] | None, readings: Sequence[StreamCounterReading] | None, *, is_same_boot: bool
) -> tuple[tuple[OpenStreamCounter, ...] | None, StreamWeights | None]:
    """Return the streams' own counters after a reading, and how much each of them rose.

    A counter that is new, or lower than before, has started from 0. How much they rose is unknown, `None`, where the
    last reading had none of them.
    """
    if readings is None:
        return None, None
    known = {(counter.scope, counter.name): counter for counter in before or ()} if is_same_boot else {}
    after = []
    rose_in, rose_out = Counter[StreamId](), Counter[StreamId]()
    for reading in readings:
        stream = StreamId(reading.scope, reading.name)
        last = known.get(stream) or OpenStreamCounter(*stream, 0, 0)
        bytes_in = last.bytes_in if reading.bytes_in is None else reading.bytes_in
        bytes_out = last.bytes_out if reading.bytes_out is None else reading.bytes_out
        rose_in[stream] += bytes_in - last.bytes_in if bytes_in >= last.bytes_in else bytes_in
        rose_out[stream] += bytes_out - last.bytes_out if bytes_out >= last.bytes_out else bytes_out
        after.append(OpenStreamCounter(*stream, bytes_in, bytes_out))
    is_known = before is not None or not is_same_boot
    return tuple(after), StreamWeights(rose_in, rose_out) if is_known else None


def weigh_counters(
    reading: Reading, moved: Mapping[str, tuple[int, int]], total: tuple[int, int], lines: Sequence[EndedConnection]
) -> StreamWeights | None:
    """Return to which streams the bytes belong that the counters of a reading add; `None` where none names a stream.

    `moved` are the bytes in and out by counter, `total` those that count, `lines` the log lines of counters.
    """
    streams = {counter.key: StreamId(counter.scope, counter.name) for counter in reading.counters if counter.name}
    logged: dict[str, list[Counter[StreamId]]] = {}
    for line in lines:
        if line.counter in moved and line.counter not in streams:
            of_line = StreamId(line.scope, line.name)
            of_counter = logged.setdefault(line.counter, [Counter(), Counter()])
            of_counter[0][of_line] += line.bytes_in
            of_counter[1][of_line] += line.bytes_out
    if not streams and not logged:
        return None
    weights: tuple[Counter[StreamId], Counter[StreamId]] = Counter(), Counter()
    for index, weight in enumerate(weights):
        for key, amounts in moved.items():
            of_lines = logged[key][index] if key in logged else {}
            weight.update({streams[key]: amounts[index]} if key in streams else deal(amounts[index], of_lines))
        weight[NOT_BY_STREAM] += max(0, total[index] - weight.total())
    return StreamWeights(*weights)


class _Named(Protocol):
    """What names a stream."""

    @property
    def scope(self) -> str: ...

    @property
    def name(self) -> str: ...


def count_streams(reading: Reading, known: Iterable[ViewerRow]) -> int:
    """Return how many streams may have figures in a step that begins with these viewers."""
    named: tuple[Iterable[_Named], ...] = (
        *(reading.publishes, reading.viewers, reading.audiences, reading.counters, reading.ended),
        *(reading.stream_counters or (), known),
    )
    return len({(item.scope, item.name) for items in named for item in items})
