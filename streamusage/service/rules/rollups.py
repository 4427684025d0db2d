"""Rollups of one server's time: slots to hours, hours to days. Pure.

Everything is exact: sums are sums of whole numbers, a peak is the highest of its parts, and folding the hours of a
day gives the same as folding its slots. Traffic is also kept by the minute, packed, so that servers can be added
minute by minute and a percentile can be taken of any interval.
"""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import NamedTuple

import msgspec

from streamusage.api.daily import BackfilledPart, CoveredTime, DailyFigures, Percentile
from streamusage.core.coverage import SLOT_MS, Interval
from streamusage.core.figures import SLOT_SUM_NAMES, SUM_NAMES, peak_rank, slot_sums

HOUR_MS = 3_600_000
QUARTER_MS = 900_000
"""The finest step at which days of present time zones begin."""
MINUTES_OF_HOUR = HOUR_MS // SLOT_MS
_LANE = 8
"""Bytes of a packed minute: an unsigned number, lowest byte first."""

RollupPeak = tuple[int, int]
"""A peak: bits per second, and when its window ended."""


class Rollup(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Figures of one server over an interval, and the part of them that arrived late.

    Rollups, hours and minutes hold no reference cycles: a month of an estate has hundreds of thousands of them, so
    they are exempt from garbage collection.
    """

    connections: dict[str, int] = {}
    bytes_in: int = 0
    bytes_out: int = 0
    view_time_ms: int = 0
    peak_in: RollupPeak | None = None
    peak_out: RollupPeak | None = None
    late_connections: int = 0
    late_bytes_in: int = 0
    late_bytes_out: int = 0
    late_view_time_ms: int = 0


ROLLUP_SLOT_COLUMNS = (*SLOT_SUM_NAMES, *(f"late_{name}" for name in SLOT_SUM_NAMES))
"""The sums of a rollup that are columns of a slot, too."""
_LATE = tuple((name, attrgetter(f"late_{name}")) for name in SUM_NAMES)
_SUMS = tuple((name, attrgetter(name)) for name in ROLLUP_SLOT_COLUMNS)


class SlotRollup(NamedTuple):
    """The figures of one slot in one epoch."""

    slot: int
    figures: Rollup


class MinuteTraffic(msgspec.Struct, frozen=True, gc=False):
    """Bytes by the minute, packed."""

    bytes_in: bytes
    bytes_out: bytes

    def slice_minutes(self, first: int, count: int) -> "MinuteTraffic":
        """Return `count` minutes from number `first` on."""
        cut = slice(first * _LANE, (first + count) * _LANE)
        return MinuteTraffic(self.bytes_in[cut], self.bytes_out[cut])


class HourRollup(msgspec.Struct, frozen=True, gc=False):
    """Figures of one server's UTC hour: the whole, its quarters, and its traffic by the minute.

    `quarters` is empty where only the whole hour is needed.
    """

    whole: Rollup
    quarters: tuple[Rollup, ...]
    minutes: MinuteTraffic


EMPTY_HOUR = HourRollup(
    Rollup(), (Rollup(),) * 4, MinuteTraffic(bytes(MINUTES_OF_HOUR * _LANE), bytes(MINUTES_OF_HOUR * _LANE))
)


def higher_peak(first: RollupPeak | None, other: RollupPeak | None) -> RollupPeak | None:
    """Return the higher of two peaks; of equal peaks the earlier."""
    if first is None or other is None:
        return other if first is None else first
    return first if peak_rank(*first) <= peak_rank(*other) else other


def sum_rollups(parts: Iterable[Rollup]) -> Rollup:
    """Return the figures of the time that consists of these parts."""
    # A month of an estate adds up hundreds of thousands of parts: one figure at a time is
    # fastest in the interpreter.
    parts = list(parts)
    connections: dict[str, int] = {}
    for part in parts:
        for protocol, count in part.connections.items():
            connections[protocol] = connections.get(protocol, 0) + count
    return Rollup(
        connections=connections,
        peak_in=_highest([part.peak_in for part in parts if part.peak_in is not None]),
        peak_out=_highest([part.peak_out for part in parts if part.peak_out is not None]),
        late_connections=sum([part.late_connections for part in parts]),
        **{name: sum(map(figure_of, parts)) for name, figure_of in _SUMS},
    )


def _highest(peaks: list[RollupPeak]) -> RollupPeak | None:
    return min(peaks, key=lambda peak: peak_rank(*peak), default=None)


def roll_up_hours(slots: Iterable[SlotRollup]) -> dict[int, HourRollup]:
    """Return the hours of one server's slots, keyed by their start. An hour without a slot is absent."""
    by_hour: dict[int, list[SlotRollup]] = {}
    for slot in slots:
        by_hour.setdefault(slot.slot - slot.slot % HOUR_MS, []).append(slot)
    return {start: _hour(start, inside) for start, inside in by_hour.items()}


def _hour(start: int, slots: Iterable[SlotRollup]) -> HourRollup:
    quarters: list[list[Rollup]] = [[], [], [], []]
    minutes_in, minutes_out = [0] * MINUTES_OF_HOUR, [0] * MINUTES_OF_HOUR
    for slot, figures in slots:
        quarters[(slot - start) // QUARTER_MS].append(figures)
        minutes_in[(slot - start) // SLOT_MS] += figures.bytes_in
        minutes_out[(slot - start) // SLOT_MS] += figures.bytes_out
    folded = tuple(sum_rollups(quarter) for quarter in quarters)
    return HourRollup(sum_rollups(folded), folded, MinuteTraffic(pack_minutes(minutes_in), pack_minutes(minutes_out)))


def roll_up_interval(hours: Mapping[int, HourRollup], interval: Interval) -> tuple[Rollup, MinuteTraffic]:
    """Return the figures of an interval whose ends are at quarters, from the hours that it overlaps."""
    parts: list[Rollup] = []
    minutes_in, minutes_out = [], []
    for start in range(interval.from_ms - interval.from_ms % HOUR_MS, interval.to_ms, HOUR_MS):
        hour = hours.get(start, EMPTY_HOUR)
        first = max(0, interval.from_ms - start) // QUARTER_MS
        last = min(HOUR_MS, interval.to_ms - start) // QUARTER_MS
        if (first, last) == (0, 4):
            parts.append(hour.whole)
            minutes = hour.minutes
        else:
            parts.extend(hour.quarters[first:last])
            minutes = hour.minutes.slice_minutes(first * 15, (last - first) * 15)
        minutes_in.append(minutes.bytes_in)
        minutes_out.append(minutes.bytes_out)
    return sum_rollups(parts), MinuteTraffic(b"".join(minutes_in), b"".join(minutes_out))


def round_to_quarters(interval: Interval) -> Interval:
    """Return the interval with its ends rounded up to quarters. Every zone's midnight is at a quarter, except
    Monrovia's in 1971.
    """
    return Interval(-(-interval.from_ms // QUARTER_MS) * QUARTER_MS, -(-interval.to_ms // QUARTER_MS) * QUARTER_MS)


def pack_minutes(minutes: Iterable[int]) -> bytes:
    """Return the minutes as packed bytes."""
    return b"".join(count.to_bytes(_LANE, "little") for count in minutes)


def unpack_minutes(minutes: bytes) -> list[int]:
    """Return the minutes of packed bytes."""
    return memoryview(minutes).cast("Q").tolist() if _NATIVE else _unpacked(minutes)


def sum_minutes(parts: Iterable[bytes], length: int) -> bytes:
    """Return the packed minutes of several servers, added minute by minute; `length` is the number of minutes.

    The packed minutes are added as one long number each: a minute's bytes never come near to filling its lane.
    """
    combined = sum(int.from_bytes(part, "little") for part in parts)
    return combined.to_bytes(length * _LANE, "little")


def sum_runs(minutes: bytes, length: int) -> list[int]:
    """Return the sums of consecutive runs of `length` packed minutes."""
    number = int.from_bytes(minutes, "little")
    runs, summed = number, 1
    while 2 * summed <= length:  # doubling: a run of 2n is the run of n plus the next one
        runs += runs >> (summed * _LANE * 8)
        summed *= 2
    for at in range(summed, length):
        runs += number >> (at * _LANE * 8)
    whole = runs.to_bytes(len(minutes) + _LANE, "little")[: len(minutes)]
    return memoryview(whole).cast("Q")[::length].tolist() if _NATIVE else _unpacked(whole)[::length]


def _unpacked(minutes: bytes) -> list[int]:
    return [int.from_bytes(minutes[at : at + _LANE], "little") for at in range(0, len(minutes), _LANE)]


_NATIVE = memoryview((1).to_bytes(_LANE, "little")).cast("Q")[0] == 1


def daily_figures(figures: Rollup, coverage: CoveredTime, percentile: Percentile) -> DailyFigures:
    """Return the rollup of a day as the figures of the day."""
    total = sum(figures.connections.values())
    return DailyFigures(
        connections=total,
        connections_by_protocol={name: count for name, count in sorted(figures.connections.items()) if count},
        **slot_sums(figures),
        peak_in_bps=figures.peak_in[0] if figures.peak_in else 0,
        peak_in_at=figures.peak_in[1] if figures.peak_in else None,
        peak_out_bps=figures.peak_out[0] if figures.peak_out else 0,
        peak_out_at=figures.peak_out[1] if figures.peak_out else None,
        average_view_time_ms=figures.view_time_ms // total if total else None,
        backfilled=_backfilled_part(figures),
        coverage=coverage,
        percentile_95=percentile,
    )


_NOTHING_BACKFILLED = BackfilledPart()


def _backfilled_part(figures: Rollup) -> BackfilledPart:
    late = {name: late_of(figures) for name, late_of in _LATE}
    return BackfilledPart(**late) if any(late.values()) else _NOTHING_BACKFILLED
