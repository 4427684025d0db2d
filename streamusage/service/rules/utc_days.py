"""A server's UTC day as cumulative figures, from which any part of it up to its end, or from its begin, is read. Pure.

The day of another zone consists of the end of one UTC day and the begin of the next. Adding up its hours reads 24 rows;
here each of the two parts is one record. A record belongs to a boundary between quarters, and has the sums of the day
before the boundary, the peaks before it and the peaks from it on. The traffic of each five minutes, of which
percentiles are taken, is kept as floating-point numbers, which are sorted fastest and are exact up to 2^53.

Everything is exact: a day whose numbers do not fit has no record, and its hours are added up.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from struct import Struct, error, pack, unpack
from typing import NamedTuple

import msgspec

from streamusage.core.coverage import Interval
from streamusage.service.rules.percentile import SAMPLE_MINUTES, SAMPLE_MS
from streamusage.service.rules.rollups import (
    EMPTY_HOUR,
    HOUR_MS,
    QUARTER_MS,
    ROLLUP_SLOT_COLUMNS,
    HourRollup,
    Rollup,
    RollupPeak,
    higher_peak,
    sum_runs,
)

DAY_MS = 24 * HOUR_MS
QUARTERS = DAY_MS // QUARTER_MS
SAMPLES = DAY_MS // SAMPLE_MS
_SUMS = ("late_connections", *ROLLUP_SLOT_COLUMNS)
_NO_PEAK = -1
_LARGEST_EXACT = 2**53
_SAMPLE_BYTES = 8
_SAMPLES_PER_QUARTER = QUARTER_MS // SAMPLE_MS


class UtcDay(NamedTuple):
    """One server's UTC day as it is stored. Empty bytes: its numbers do not fit, its hours are to be added up."""

    figures: bytes
    samples: bytes

    def fits(self) -> bool:
        """Return whether the day can be read."""
        return bool(self.figures)


class DayPart(NamedTuple):
    """A part of a UTC day in quarters. It begins or ends with the day."""

    day: UtcDay
    day_ms: int
    first: int
    last: int


class _Layout(NamedTuple):
    """What the records of a day contain; most days have no figures that arrived late."""

    record: Struct
    sums: tuple[str, ...]
    protocols: tuple[str, ...]


class PartFigures(NamedTuple):
    """Figures of several parts together, and their samples, as packed floating-point numbers."""

    figures: Rollup
    samples_in: bytes
    samples_out: bytes


UNFIT = UtcDay(b"", b"")


def utc_day_of(at_ms: int) -> int:
    """Return the start of the UTC day that contains the instant."""
    return at_ms - at_ms % DAY_MS


def encode_day(hours: Mapping[int, HourRollup], day_ms: int) -> UtcDay:
    """Return the day of these hours, which include their quarters."""
    present = [hours.get(start, EMPTY_HOUR) for start in range(day_ms, day_ms + DAY_MS, HOUR_MS)]
    quarters = [quarter for hour in present for quarter in hour.quarters]
    protocols = tuple(sorted({name for quarter in quarters for name in quarter.connections}))
    names = tuple(name for name in _SUMS if any(getattr(quarter, name) for quarter in quarters))
    header = msgspec.msgpack.encode((names, protocols))
    columns = [[getattr(quarter, name) for quarter in quarters] for name in names]
    columns += [[quarter.connections.get(name, 0) for quarter in quarters] for name in protocols]
    sums = [_cumulative(column) for column in columns]
    peaks = [
        values
        for ways in ([quarter.peak_in for quarter in quarters], [quarter.peak_out for quarter in quarters])
        for values in (_highest_before(ways), _highest_before(ways[::-1])[::-1])
    ]
    record = _layout(header).record
    runs = [
        run
        for minutes in (
            b"".join(hour.minutes.bytes_in for hour in present),
            b"".join(hour.minutes.bytes_out for hour in present),
        )
        for run in sum_runs(minutes, SAMPLE_MINUTES)
    ]
    if max(runs) >= _LARGEST_EXACT:
        return UNFIT
    try:
        records = [
            record.pack(
                *(column[at] for column in sums),
                *(_NO_PEAK if ways[at] is None else ways[at][0] for ways in peaks),  # type: ignore[index]
                *(0 if ways[at] is None else ways[at][1] - day_ms for ways in peaks),  # type: ignore[index]
            )
            for at in range(QUARTERS + 1)
        ]
    except error:
        return UNFIT
    return UtcDay(len(header).to_bytes(2, "little") + header + b"".join(records), pack(f"<{len(runs)}d", *runs))


def split_by_utc_day(interval: Interval) -> list[tuple[int, int, int]] | None:
    """Return an interval whose ends are at quarters as UTC days, each with its first and last quarter.

    `None` if it lies inside one day and touches neither end of it.
    """
    parts = []
    for day_ms in range(utc_day_of(interval.from_ms), interval.to_ms, DAY_MS):
        first = max(0, interval.from_ms - day_ms) // QUARTER_MS
        last = min(DAY_MS, interval.to_ms - day_ms) // QUARTER_MS
        if first and last < QUARTERS:
            return None
        parts.append((day_ms, first, last))
    return parts


def add_parts(parts: Sequence[DayPart]) -> PartFigures:
    """Return the figures of consecutive parts. Only days that fit are possible."""
    sums: dict[str, int] = {}
    connections: dict[str, int] = {}
    peaks_in: RollupPeak | None = None
    peaks_out: RollupPeak | None = None
    samples_in, samples_out = [], []
    for day, day_ms, first, last in parts:
        begins = 2 + int.from_bytes(day.figures[:2], "little")
        record, names, protocols = _layout(day.figures[2:begins])
        size, count = record.size, len(names)
        upto = record.unpack_from(day.figures, begins + last * size)
        at = upto
        if first:
            at = record.unpack_from(day.figures, begins + first * size)
            values = [end - begin for end, begin in zip(upto, at[: count + len(protocols)], strict=False)]
        else:
            values = upto  # type: ignore[assignment]
        for name, value in zip(names, values, strict=False):
            sums[name] = sums.get(name, 0) + value
        for name, value in zip(protocols, values[count:], strict=False):
            connections[name] = connections.get(name, 0) + value
        # Peaks before the end of a part from the day's begin; else from its begin on.
        of_peaks = count + len(protocols) + (1 if first else 0)
        peaks_in = higher_peak(peaks_in, _peak(at, of_peaks, day_ms))
        peaks_out = higher_peak(peaks_out, _peak(at, of_peaks + 2, day_ms))
        begin = first * _SAMPLES_PER_QUARTER * _SAMPLE_BYTES
        end = last * _SAMPLES_PER_QUARTER * _SAMPLE_BYTES
        half = SAMPLES * _SAMPLE_BYTES
        samples_in.append(day.samples[begin:end])
        samples_out.append(day.samples[half + begin : half + end])
    return PartFigures(
        Rollup(connections=connections, peak_in=peaks_in, peak_out=peaks_out, **sums),
        b"".join(samples_in),
        b"".join(samples_out),
    )


def _peak(record: Sequence[int], at: int, day_ms: int) -> RollupPeak | None:
    bps = record[at]
    return None if bps == _NO_PEAK else (bps, day_ms + record[at + 4])


@lru_cache(maxsize=256)
def _layout(header: bytes) -> _Layout:
    names, protocols = msgspec.msgpack.decode(header, type=tuple[tuple[str, ...], tuple[str, ...]])
    return _Layout(Struct(f"<{len(names) + len(protocols)}q4q4i"), names, protocols)


def _cumulative(values: Sequence[int]) -> list[int]:
    sums = [0]
    for value in values:
        sums.append(sums[-1] + value)
    return sums


def _highest_before(peaks: Sequence[RollupPeak | None]) -> list[RollupPeak | None]:
    highest: list[RollupPeak | None] = [None]
    for peak in peaks:
        highest.append(higher_peak(highest[-1], peak) if peak else highest[-1])
    return highest


def unpack_five_minutes(samples: bytes) -> tuple[float, ...]:
    """Return the bytes of each five minutes."""
    return unpack(f"<{len(samples) // _SAMPLE_BYTES}d", samples)


NOTHING = encode_day({}, 0)
"""A UTC day without figures."""
