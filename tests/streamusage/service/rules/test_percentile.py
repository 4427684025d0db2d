"""Samples and rank of the 95th percentile."""

from random import Random

import pytest

from streamusage.core.coverage import Interval, Provenance
from streamusage.service.rules.apply import Piece
from streamusage.service.rules.percentile import (
    HighestSamples,
    combine_flags,
    complete_samples,
    percentile_95_bps,
    sample_flags,
)
from streamusage.service.rules.rollups import (
    pack_minutes,
)


def piece(from_minutes: float, to_minutes: float, state: Provenance) -> Piece:
    return Piece(int(from_minutes * 60_000), int(to_minutes * 60_000), state, "", None, None)


def test_sample_counts_if_all_of_it_is_live_or_backfilled() -> None:
    pieces = [
        piece(2, 6, Provenance.LIVE),
        piece(6, 14, Provenance.BACKFILLED),
        piece(14, 16, Provenance.LOST),
        piece(16, 26, Provenance.LIVE),
    ]
    flags = sample_flags(pieces, Interval(0, 40 * 60_000))
    assert list(flags) == [1, 2, 1, 1, 2, 1, 0, 0], "in service from minute 2 to 26; 14 to 16 is lost"
    minutes = [1] * 40
    minutes[7] = 100
    assert complete_samples(pack_minutes(minutes), flags) == [104, 5]
    assert list(combine_flags([flags, bytes([2] * 8)])) == [1, 2, 1, 1, 2, 1, 2, 2]


def test_95th_percentile_ignores_the_14_highest_of_288() -> None:
    assert percentile_95_bps([300 * number for number in range(1, 289)]) == 274 * 8
    assert percentile_95_bps([300]) == 8
    assert percentile_95_bps([]) is None


@pytest.mark.parametrize("days", [1, 28, 31])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 1])
def test_highest_samples_give_the_percentile_of_all_samples(days: int, share: float) -> None:
    random = Random(days)
    every: list[int] = []
    highest = HighestSamples(days)
    for day in range(days):
        complete = 300 if day == 0 else 288
        samples = [random.randrange(2**60) for _ in range(complete) if random.random() < share]
        highest.add(samples)
        every += samples
        assert highest.percentile_95_bps() == percentile_95_bps(every)
    assert highest.count == len(every)
