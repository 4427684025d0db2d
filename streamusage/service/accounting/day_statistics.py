"""Statistics of one accounting day as the store has them now: figures, coverage, percentile and its samples."""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from streamusage.api.daily import CoveredTime, DailyFigures
from streamusage.core.coverage import SLOT_MS, Interval, Provenance
from streamusage.service.accounting.hours import load_hours
from streamusage.service.rules.coverage import time_by_state
from streamusage.service.rules.percentile import (
    OUT_OF_SERVICE,
    SAMPLE_MS,
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
from streamusage.service.store.coverage_rows import CoveredServer

_FEW_SERVERS = 50


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
    """Return the day of each of these servers. Their pieces must cover the day, or a window around it."""
    quarters = round_to_quarters(day)
    summed_to = {item.state.server: item.state.summed_to for item in items}
    found = load_hours(connection, quarters, summed_to, summed_to if len(items) <= _FEW_SERVERS else None)
    return {item.state.server: _day(item, *roll_up_interval(found[item.state.server], quarters), day) for item in items}


def empty_day(day: Interval) -> DayStatistics:
    """Return the day of a server without any figures."""
    length = round_to_quarters(day).length_ms
    silence = bytes(length // SLOT_MS * 8)
    figures = daily_figures(Rollup(), CoveredTime(), percentile_of([], [], 0))
    return DayStatistics(figures, DaySamples(MinuteTraffic(silence, silence), bytes(length // SAMPLE_MS)))


def _day(item: CoveredServer, figures: Rollup, minutes: MinuteTraffic, day: Interval) -> DayStatistics:
    lengths = time_by_state(item.pieces, *day)
    coverage = CoveredTime(**{f"{state.value}_ms": lengths[state] for state in Provenance})
    known = DaySamples(minutes, sample_flags(item.pieces, round_to_quarters(day)))
    percentile = percentile_of(
        complete_samples(minutes.bytes_in, known.flags),
        complete_samples(minutes.bytes_out, known.flags),
        known.expected,
    )
    return DayStatistics(daily_figures(figures, coverage, percentile), known)
