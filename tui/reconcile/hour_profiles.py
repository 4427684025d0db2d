"""Whether the hours of a log follow the audience of the service, or do so only if its clock is shifted. Pure.

Traffic follows the number of subscribers. So the bytes of a log by quarter of an hour and the subscribers by quarter of
an hour have their highest correlation at the true offset of the log's clock, also where single days do not show it.
"""

from collections.abc import Mapping, Sequence
from math import fsum, sqrt
from typing import NamedTuple

QUARTER_MS = 900_000
LONGEST_SHIFT_MS = 14 * 3_600_000
LEAST_QUARTERS = 24
"""The shortest time that is compared, in quarters of an hour."""
LEAST_CORRELATION = 0.8
REMAINING_SHARE = 0.5
"""What lacks to a correlation of one must be at most this share of what lacks without the shift."""


class ProfileShift(NamedTuple):
    """A shift with which a log follows the audience better than without."""

    shift_ms: int
    """To be added to the times of the log."""
    correlation: float
    unshifted: float
    """The correlation without a shift; zero where there is none."""


def find_profile_shift(log: Mapping[int, int], audience: Mapping[int, int]) -> ProfileShift | None:
    """Return the shift with the highest correlation if it is high, and clearly higher than without a shift.

    Both have figures by the start of each quarter of an hour, in UTC milliseconds. A quarter that the log lacks within
    its time is zero; one that the audience lacks is unknown.
    """
    if not log:
        return None
    best: tuple[float, int] | None = None
    unshifted = 0.0
    for shift in sorted(range(-LONGEST_SHIFT_MS, LONGEST_SHIFT_MS + 1, QUARTER_MS), key=lambda ms: (abs(ms), ms)):
        found = _correlation(log, audience, shift)
        if shift == 0:
            unshifted = found or 0.0
        if found is not None and (best is None or found > best[0]):
            best = found, shift
    if best is None or best[1] == 0 or best[0] < LEAST_CORRELATION or 1 - best[0] > REMAINING_SHARE * (1 - unshifted):
        return None
    return ProfileShift(best[1], best[0], unshifted)


def _correlation(log: Mapping[int, int], audience: Mapping[int, int], shift_ms: int) -> float | None:
    """Return Pearson's correlation over the time that both cover; None where that is short or one is constant."""
    from_ms, to_ms = min(log) + shift_ms, max(log) + shift_ms
    quarters = [quarter for quarter in sorted(audience) if from_ms <= quarter <= to_ms]
    if len(quarters) < max(LEAST_QUARTERS, min(len(audience), (to_ms - from_ms) // QUARTER_MS) // 2):
        return None
    return _pearson(
        [log.get(quarter - shift_ms, 0) for quarter in quarters], [audience[quarter] for quarter in quarters]
    )


def _pearson(first: Sequence[int], second: Sequence[int]) -> float | None:
    means = fsum(first) / len(first), fsum(second) / len(second)
    deviations = [(a - means[0], b - means[1]) for a, b in zip(first, second, strict=True)]
    squares = fsum(a * a for a, _ in deviations) * fsum(b * b for _, b in deviations)
    return None if squares <= 0 else fsum(a * b for a, b in deviations) / sqrt(squares)
