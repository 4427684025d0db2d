"""The agent's time line: on which scale readings are filed before and after the time of day is known. Pure.

Within one run (a boot of the machine, or a process where the machine has no boot id) the agent files readings by the
clock that never steps, plus an *offset*. The offset is confirmed by the service. Until then readings are filed on the
*undated* scale, which begins at a year that no clock shows: they can be counted and kept, but not reported. When the
offset is confirmed, they are dated: moved to their time, units by whole minutes, instants exactly.
"""

from collections.abc import Sequence

import msgspec

from streamusage.agent.journal.protocol import UndatedRun
from streamusage.agent.journal.rows import Row
from streamusage.agent.journal.slot_streams import SlotStreams
from streamusage.agent.metering.passage import UNDATED_FROM_MS, offset_of
from streamusage.agent.reading import Reading
from streamusage.api.report import Baseline, OutageRow, SampleRow, SessionRow, SlotRow, SpanRow
from streamusage.core.coverage import SLOT_MS
from streamusage.core.reasons import TIME_UNKNOWN

_ROOM_MS = 50 * 24 * 3600 * 1000
"""Distance between the readings of two undated runs: units are filed up to 40 days before a reading."""


def undated_offset(runs: Sequence[UndatedRun], run: str, elapsed_ms: int, machine_now_ms: int) -> int:
    """Return the offset of a run on the undated scale, after the runs before it.

    Whole minutes of it are those of the machine's wall clock, so that nothing moves within its minute where that clock
    proves to be right.
    """
    if runs and runs[-1].run == run:
        return runs[-1].offset_ms
    earliest = (runs[-1].last_ms if runs else UNDATED_FROM_MS) + _ROOM_MS
    return earliest + (machine_now_ms - earliest) % SLOT_MS - elapsed_ms


class Shift:
    """How filed times move: times of each range by an amount of its own, and none before `floor_ms`."""

    def __init__(self, ranges: Sequence[tuple[int, int]], floor_ms: int = 0) -> None:
        """`ranges` are pairs of the start of a range and the milliseconds by which it moves, ascending."""
        self._ranges = ranges
        self._floor_ms = floor_ms

    def instant(self, at_ms: int) -> int:
        """Return where an instant moves to."""
        by_ms = self.by_ms(at_ms)
        return max(self._floor_ms, at_ms + by_ms) if by_ms else at_ms

    def slot(self, slot: int) -> int:
        """Return where the start of a slot moves to: the same minutes, rounded."""
        by_ms = self.by_ms(slot)
        if not by_ms:
            return slot
        moved = slot + (by_ms + SLOT_MS // 2) // SLOT_MS * SLOT_MS
        return max(self._floor_ms // SLOT_MS * SLOT_MS, moved)

    def by_ms(self, at_ms: int) -> int:
        """Return by how much a time moves, whatever the floor."""
        by_ms = 0
        for begin_ms, range_by_ms in self._ranges:
            if at_ms >= begin_ms:
                by_ms = range_by_ms
        return by_ms

    def row(self, row: Row) -> Row:
        """Return a row with its times moved. The key of the row may change."""
        move = self.instant
        if isinstance(row, SlotRow):
            peaks = {
                name: peak and msgspec.structs.replace(peak, at=move(peak.at))
                for name, peak in (("peak_in", row.peak_in), ("peak_out", row.peak_out))
            }
            return msgspec.structs.replace(row, slot=self.slot(row.slot), **peaks)
        if isinstance(row, SampleRow | SlotStreams):
            return msgspec.structs.replace(row, slot=self.slot(row.slot))
        if isinstance(row, SpanRow):
            return msgspec.structs.replace(row, from_ms=move(row.from_ms), to_ms=move(row.to_ms))
        if isinstance(row, SessionRow):
            return msgspec.structs.replace(row, start_time=move(row.start_time), end_time=move(row.end_time))
        if isinstance(row, OutageRow):
            phases = tuple(msgspec.structs.replace(phase, at=move(phase.at)) for phase in row.phases)
            return msgspec.structs.replace(row, began_at=move(row.began_at), phases=phases)
        counted_to = None if row.counted_to is None else move(row.counted_to)
        return msgspec.structs.replace(row, started_at=move(row.started_at), counted_to=counted_to)

    def baseline(self, baseline: Baseline, remember: "Shift") -> Baseline:
        """Return a baseline with its times moved: filed times as rows are, remembered ones with the offset."""
        filed, move = self.instant, remember.instant
        offset_ms = baseline.offset_ms
        return msgspec.structs.replace(
            baseline,
            at=filed(baseline.at),
            since=move(baseline.since),
            publishes=tuple(publish.move(filed) for publish in baseline.publishes),
            started_at=move(baseline.started_at),
            offset_ms=None if offset_ms is None else offset_ms + remember.by_ms(baseline.elapsed_ms + offset_ms),
            window=msgspec.structs.replace(baseline.window, at=move(baseline.window.at)),
            retired=tuple(boot.move(move) for boot in baseline.retired),
            counters=tuple(
                counter if counter.gone_at is None else msgspec.structs.replace(counter, gone_at=move(counter.gone_at))
                for counter in baseline.counters
            ),
        )

    def reading(self, reading: Reading) -> Reading:
        """Return a stored reading with its time moved; its other times are those of the machine's clock."""
        return msgspec.structs.replace(reading, at=self.instant(reading.at))


def setting_back(by_ms: int, acknowledged_to_ms: int) -> Shift:
    """Return how filed times move when the agent's time is set back: nothing that the service has moves."""
    return Shift([(acknowledged_to_ms, by_ms)], acknowledged_to_ms)


def dating(runs: Sequence[UndatedRun], confirmed_offset_ms: int) -> Shift:
    """Return how undated times move when the offset of the last of the runs is confirmed.

    An earlier run whose offset was never confirmed lies somewhere before the first reading of the run after it: it is
    placed as late as possible.
    """
    shifts = []
    by_ms = confirmed_offset_ms - runs[-1].offset_ms
    for index in range(len(runs) - 1, -1, -1):
        run = runs[index]
        if index < len(runs) - 1:
            by_ms = runs[index + 1].first_ms + by_ms - run.last_ms
        begin_ms = runs[index - 1].last_ms + 1 if index else UNDATED_FROM_MS
        shifts.append((begin_ms, by_ms))
    return Shift(shifts[::-1])


def remembered(shift: Shift, baseline: Baseline | None) -> Shift:
    """Return how remembered times move, which are on the scale of the baseline however long ago they are."""
    if baseline is None:
        return Shift(())
    offset_ms = offset_of(baseline)
    return Shift([(0, shift.by_ms(baseline.elapsed_ms + offset_ms))])


def date_spans(spans: Sequence[SpanRow], shift: Shift, runs: Sequence[UndatedRun]) -> dict[int, SpanRow]:
    """Return the unacknowledged spans with their times moved, by the start that they had.

    Where moved times overlap, a span begins where the one before it ends, so that no later span covers a mark.
    """
    moved: dict[int, SpanRow] = {}
    position = 0
    for span in sorted(spans, key=lambda span: span.from_ms):
        marked = mark_unknown(span, runs)
        row = msgspec.structs.replace(marked, from_ms=shift.instant(marked.from_ms), to_ms=shift.instant(marked.to_ms))
        row = msgspec.structs.replace(row, from_ms=max(position, row.from_ms))
        if row.to_ms <= row.from_ms:
            # Nothing passed, but a mark of it stays.
            row = msgspec.structs.replace(row, to_ms=row.from_ms + 1)
        moved[span.from_ms] = row
        position = row.to_ms
    return moved


def mark_unknown(span: SpanRow, runs: Sequence[UndatedRun]) -> SpanRow:
    """Return an undated span as `partial` where its time of day can never be known: it touches a run before the last.

    The placed time may lie on another day: that is part of what the mark says. A span that is incomplete for another
    reason keeps it.
    """
    if len(runs) < 2 or span.from_ms > runs[-2].last_ms or span.state != "counted":
        return span
    return msgspec.structs.replace(span, state="partial", reason=TIME_UNKNOWN)
