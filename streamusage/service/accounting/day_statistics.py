"""Statistics of one accounting day as the store has them now: figures, coverage, percentile and its samples."""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from streamusage.api.daily import CoveredTime, DailyFigures
from streamusage.core.coverage import SLOT_MS, Interval, Provenance
from streamusage.core.instants import format_utc
from streamusage.service.accounting.hours import load_hours
from streamusage.service.accounting.utc_days import load_days_summed_to, load_utc_days
from streamusage.service.errors import DiscardedHoursError
from streamusage.service.rules.apply import Piece
from streamusage.service.rules.coverage import time_by_state
from streamusage.service.rules.percentile import (
    OUT_OF_SERVICE,
    SAMPLE_MS,
    WHOLE,
    complete_samples,
    percentile_of,
    sample_flags,
)
from streamusage.service.rules.rollups import (
    MinuteTraffic,
    Rollup,
    daily_figures,
    roll_up_interval,
    round_to_quarters,
)
from streamusage.service.rules.utc_days import (
    DAY_MS,
    NOTHING,
    DayPart,
    PartFigures,
    UtcDay,
    add_parts,
    split_by_utc_day,
    unpack_five_minutes,
)
from streamusage.service.store.coverage_rows import CoveredServer

_FEW_SERVERS = 50
_COVERED_NAMES = {state: f"{state.value}_ms" for state in Provenance}


class DaySamples(NamedTuple):
    """A day's traffic by the minute, and the state of each of its five-minute samples."""

    minutes: MinuteTraffic
    flags: bytes

    @property
    def expected(self) -> int:
        """How many samples there would be without gaps."""
        return len(self.flags) - self.flags.count(OUT_OF_SERVICE)

    def pack(self) -> bytes:
        """Return the samples compressed."""
        return zlib.compress(self.minutes.bytes_in + self.minutes.bytes_out + self.flags, level=1)


class DayStatistics(NamedTuple):
    """One server's day."""

    figures: DailyFigures
    samples: DaySamples


def unpack_samples(kept: bytes, day: Interval) -> DaySamples:
    """Return the samples of the day that `DaySamples.pack` encoded."""
    content = zlib.decompress(kept)
    length = round_to_quarters(day).length_ms // SLOT_MS * 8
    return DaySamples(MinuteTraffic(content[:length], content[length : 2 * length]), content[2 * length :])


def compute_day_statistics(
    connection: Connection, items: Sequence[CoveredServer], day: Interval
) -> dict[str, DayStatistics]:
    """Return the day of each of these servers. Their pieces must cover the day, or a window around it.

    Raises `DiscardedHoursError` if hours of the day are folded to UTC days.
    """
    if not items:
        return {}
    quarters = round_to_quarters(day)
    kept_from = max(item.state.hours_kept_from for item in items)
    if quarters.from_ms < kept_from:
        raise DiscardedHoursError(
            f"hours from before {format_utc(kept_from)} are discarded (--hour-statistics-days): sums of the day that "
            f"began at {format_utc(day.from_ms)} are no longer known, unless it is closed in an account zone; days of "
            "single servers still are (GET /api/v1/daily, streamtop daily)"
        )
    summed_to = {item.state.server: item.state.summed_to for item in items}
    found = load_hours(connection, quarters, summed_to, summed_to if len(items) <= _FEW_SERVERS else None)
    return {item.state.server: _day(item, *roll_up_interval(found[item.state.server], quarters), day) for item in items}


def empty_day(day: Interval) -> DayStatistics:
    """Return the day of a server without any figures."""
    length = round_to_quarters(day).length_ms
    silence = bytes(length // SLOT_MS * 8)
    figures = daily_figures(Rollup(), CoveredTime(), percentile_of([], [], 0))
    return DayStatistics(figures, DaySamples(MinuteTraffic(silence, silence), bytes(length // SAMPLE_MS)))


class StoredDays:
    """Days of servers from their stored UTC days, as one request needs them: day after day."""

    def __init__(self, connection: Connection, server: str | None) -> None:
        """Read the days of all servers, or of one."""
        self._connection = connection
        self._server = server
        self._summed_to = load_days_summed_to(connection)
        self._loaded: dict[int, dict[str, UtcDay]] = {}

    def compute(self, items: Sequence[CoveredServer], day: Interval) -> dict[str, DailyFigures]:
        """Return the day of each of these servers whose UTC days are summed. `items` are as for
        `compute_day_statistics`, which returns the same figures.
        """
        quarters = round_to_quarters(day)
        split = split_by_utc_day(quarters)
        if not split:
            return {}
        loaded = {day_ms: self._load(day_ms) for day_ms, _, _ in split}
        self._loaded = loaded
        last_day = split[-1][0]
        found = {}
        for item in items:
            server = item.state.server
            if self._summed_to.get(server, 0) < last_day + DAY_MS:
                continue
            parts = [DayPart(loaded[day_ms].get(server, NOTHING), day_ms, first, last) for day_ms, first, last in split]
            if all(part.day.fits() for part in parts):
                found[server] = _figures_of_parts(item, add_parts(parts), day, quarters)
        return found

    def _load(self, day_ms: int) -> dict[str, UtcDay]:
        known = self._loaded.get(day_ms)
        return load_utc_days(self._connection, day_ms, self._server) if known is None else known


def _figures_of_parts(item: CoveredServer, parts: PartFigures, day: Interval, quarters: Interval) -> DailyFigures:
    pieces = [piece for piece in item.pieces if piece.to_ms > day.from_ms and piece.from_ms < quarters.to_ms]
    flags = sample_flags(pieces, quarters)
    samples_in, samples_out = unpack_five_minutes(parts.samples_in), unpack_five_minutes(parts.samples_out)
    if flags.count(WHOLE) != len(flags):
        samples_in = tuple(five for five, flag in zip(samples_in, flags, strict=True) if flag == WHOLE)
        samples_out = tuple(five for five, flag in zip(samples_out, flags, strict=True) if flag == WHOLE)
    percentile = percentile_of(samples_in, samples_out, len(flags) - flags.count(OUT_OF_SERVICE))
    return daily_figures(parts.figures, _covered_time(pieces, day), percentile)


def _covered_time(pieces: Sequence[Piece], day: Interval) -> CoveredTime:
    if len(pieces) == 1 and pieces[0].from_ms <= day.from_ms and day.to_ms <= pieces[0].to_ms:
        return CoveredTime(**{_COVERED_NAMES[pieces[0].state]: day.length_ms})
    return CoveredTime(**{_COVERED_NAMES[state]: length for state, length in time_by_state(pieces, *day).items()})


def _day(item: CoveredServer, figures: Rollup, minutes: MinuteTraffic, day: Interval) -> DayStatistics:
    coverage = _covered_time(item.pieces, day)
    known = DaySamples(minutes, sample_flags(item.pieces, round_to_quarters(day)))
    percentile = percentile_of(
        complete_samples(minutes.bytes_in, known.flags),
        complete_samples(minutes.bytes_out, known.flags),
        known.expected,
    )
    return DayStatistics(daily_figures(figures, coverage, percentile), known)
