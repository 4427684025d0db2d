"""The statistics of one accounting day as the store has them now: figures, coverage, percentile and its samples."""

import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from streamusage.core.coverage import SLOT_MS, Interval, Provenance
from streamusage.service.accounting.hours import hours_inside
from streamusage.service.rules.coverage import time_by_state
from streamusage.service.rules.percentile import OUT_OF_SERVICE, SAMPLE_MS, percentile_95, sample_flags, samples
from streamusage.service.rules.rollups import Minutes, Rollup, statistics, stretch, whole_quarters
from streamusage.service.store.coverage_rows import Watched

_FEW_SERVERS = 50


class Samples(NamedTuple):
    """A day's traffic by the minute, and what is known of each of its five-minute samples."""

    minutes: Minutes
    flags: bytes

    @property
    def expected(self) -> int:
        return len(self.flags) - self.flags.count(OUT_OF_SERVICE)

    def pack(self) -> bytes:
        return zlib.compress(self.minutes.bytes_in + self.minutes.bytes_out + self.flags, level=1)


class DayStatistics(NamedTuple):
    """One server's day."""

    told: dict[str, Any]
    """The statistics as `GET /api/v1/daily` tells them."""
    samples: Samples


def unpack_samples(kept: bytes, day: Interval) -> Samples:
    """What `Samples.pack` made of the samples of that day."""
    content = zlib.decompress(kept)
    length = whole_quarters(day).length_ms // SLOT_MS * 8
    return Samples(Minutes(content[:length], content[length : 2 * length]), content[2 * length :])


def day_figures(connection: Connection, items: Sequence[Watched], day: Interval) -> dict[str, DayStatistics]:
    """The day of each of these servers. Their pieces must be those of the day, or of a window around it."""
    quarters = whole_quarters(day)
    summed_to = {item.state.server: item.state.summed_to for item in items}
    found = hours_inside(connection, quarters, summed_to, summed_to if len(items) <= _FEW_SERVERS else None)
    return {item.state.server: _day(item, *stretch(found[item.state.server], quarters), day) for item in items}


def nothing(day: Interval) -> DayStatistics:
    """The day of a server of which nothing was known."""
    length = whole_quarters(day).length_ms
    silence = bytes(length // SLOT_MS * 8)
    coverage = {f"{state.value}_ms": 0 for state in Provenance}
    told = statistics(Rollup()) | {"coverage": coverage, "percentile_95": percentile_95([], [], 0)}
    return DayStatistics(told, Samples(Minutes(silence, silence), bytes(length // SAMPLE_MS)))


def _day(item: Watched, figures: Rollup, minutes: Minutes, day: Interval) -> DayStatistics:
    lengths = time_by_state(item.pieces, *day)
    known = Samples(minutes, sample_flags(item.pieces, whole_quarters(day)))
    told = statistics(figures)
    told["coverage"] = {f"{state.value}_ms": lengths[state] for state in Provenance}
    told["percentile_95"] = percentile_95(
        samples(minutes.bytes_in, known.flags),
        samples(minutes.bytes_out, known.flags),
        known.expected,
    )
    return DayStatistics(told, known)
