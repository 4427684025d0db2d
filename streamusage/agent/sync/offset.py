"""The offset of the service's clock from the agent's clock that never steps, from samples of their exchanges. Pure.

Each exchange bounds the offset: the request was received after it was sent, and the reply sent before it arrived (the
formula of NTP, RFC 5905 section 8). One sample never decides: a slow reply shows as a wide bound, and a single wrong
clock reading does not agree with the samples before it. Newer samples win: those from before a pause of the machine
agree with each other, too.
"""

from collections import deque
from typing import NamedTuple

KEPT_SAMPLES = 8
AGREEING_SAMPLES = 3
"""How many of the kept samples, the newest among them, must have a common offset."""

LEAST_CORRECTION_MS = 1_000
"""Smaller differences are not corrected: they cannot move a unit by more than a second."""


_TOLERANCE_MS = 100
"""Added to both bounds of a sample: rounding to milliseconds, and the drift of two clocks between two samples."""


class Offset(NamedTuple):
    """The service's time minus the elapsed time of the agent's clock: `offset_ms`, give or take `uncertainty_ms`."""

    offset_ms: int
    uncertainty_ms: int

    def differs_from(self, offset_ms: int) -> bool:
        """Return whether another offset is wrong beyond doubt, and by enough to be corrected."""
        return abs(self.offset_ms - offset_ms) > max(LEAST_CORRECTION_MS, self.uncertainty_ms)


class _Bounds(NamedTuple):
    least_ms: int
    most_ms: int

    def contains(self, offset_ms: int) -> bool:
        return self.least_ms <= offset_ms <= self.most_ms

    @property
    def width_ms(self) -> int:
        return self.most_ms - self.least_ms


class OffsetSamples:
    """The newest samples of one run of the agent."""

    def __init__(self) -> None:
        self._samples: deque[_Bounds] = deque(maxlen=KEPT_SAMPLES)

    def add(self, sent_ms: int, answered_ms: int, received_at: int | None, replied_at: int) -> bool:
        """Add the sample of one exchange. Return `False` if it contradicts itself, which drops it.

        `sent_ms` and `answered_ms` are elapsed times of the agent, `received_at` and `replied_at` times of the service.
        `received_at` is `None` from a service that does not report it: only `replied_at` bounds the offset then.
        """
        served_ms = 0 if received_at is None else replied_at - received_at
        if served_ms < 0 or served_ms > answered_ms - sent_ms:
            return False
        least = replied_at - answered_ms - _TOLERANCE_MS
        most = (replied_at if received_at is None else received_at) - sent_ms + _TOLERANCE_MS
        self._samples.append(_Bounds(least, most))
        return True

    @property
    def agreed(self) -> Offset | None:
        """The offset that the newest sample and at least two others have in common; `None` without agreement.

        A slow newest sample may agree with two groups: that with the newer samples is right.
        """
        if not self._samples:
            return None
        samples = list(self._samples)
        newest = samples[-1]
        points = (max(sample.least_ms, newest.least_ms) for sample in samples)
        groups = ([at for at, sample in enumerate(samples) if sample.contains(point)] for point in points)
        agreeing = [group for group in groups if len(group) >= AGREEING_SAMPLES and group[-1] == len(samples) - 1]
        if not agreeing:
            return None
        bounds = [(group, _intersect([samples[at] for at in group])) for group in agreeing]
        _, common = max(bounds, key=lambda bound: (bound[0][-AGREEING_SAMPLES:], len(bound[0]), -bound[1].width_ms))
        return Offset((common.least_ms + common.most_ms) // 2, (common.width_ms + 1) // 2)


def _intersect(samples: list[_Bounds]) -> _Bounds:
    return _Bounds(max(sample.least_ms for sample in samples), min(sample.most_ms for sample in samples))
