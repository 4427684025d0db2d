"""Peaks and percentile samples of traffic that several servers or streams have together. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from streamusage.core.coverage import SLOT_MS, Interval
from streamusage.service.rules.percentile import OUT_OF_SERVICE, combine_flags, complete_samples
from streamusage.service.rules.rollups import MinuteTraffic, RollupPeak, sum_minutes, unpack_minutes


class CombinedTraffic(NamedTuple):
    """Traffic of several parts in one day, added minute by minute."""

    peak_in: RollupPeak | None
    """The highest minute, at its end; `None` without any traffic."""
    peak_out: RollupPeak | None
    samples_in: list[int]
    """The five-minute samples that count, in bytes."""
    samples_out: list[int]
    expected: int
    """How many samples there would be without gaps."""


def combine_traffic(minutes: Sequence[MinuteTraffic], flags: Sequence[bytes], interval: Interval) -> CombinedTraffic:
    """Return the traffic of these parts together. `flags` are the sample states of the servers that carried them.

    The ends of the interval are at quarters. A sample counts if it is complete on every server that ran.
    """
    length = interval.length_ms // SLOT_MS
    whole_in = _sum([part.bytes_in for part in minutes], length)
    whole_out = _sum([part.bytes_out for part in minutes], length)
    states = flags[0] if len(set(flags)) == 1 else combine_flags(flags)
    return CombinedTraffic(
        _peak(unpack_minutes(whole_in), interval.from_ms),
        _peak(unpack_minutes(whole_out), interval.from_ms),
        complete_samples(whole_in, states),
        complete_samples(whole_out, states),
        len(states) - states.count(OUT_OF_SERVICE),
    )


def _sum(parts: list[bytes], length: int) -> bytes:
    return parts[0] if len(parts) == 1 else sum_minutes(parts, length)


def _peak(minutes: Sequence[int], from_ms: int) -> RollupPeak | None:
    highest = max(minutes, default=0)
    if not highest:
        return None
    return highest * 8_000 // SLOT_MS, from_ms + (minutes.index(highest) + 1) * SLOT_MS
