"""Timing of polls: network, service and console. Pure."""

from collections import deque
from typing import NamedTuple

KEPT = 60


class Split(NamedTuple):
    """Milliseconds of one poll by phase, in order. `None` was not measured: for example, a reused connection."""

    connect_ms: float | None
    first_byte_ms: float | None
    body_ms: float | None
    decode_ms: float | None
    apply_ms: float | None
    paint_ms: float | None
    answer_bytes: int

    @property
    def total_ms(self) -> float:
        """Sum of the measured phases."""
        return sum(part for part in self[:6] if part is not None)


class Latency:
    """The timing of the last polls."""

    def __init__(self) -> None:
        self.splits: deque[Split] = deque(maxlen=KEPT)

    def add(self, split: Split) -> None:
        """Add the newest poll."""
        self.splits.append(split)

    def painted(self, paint_ms: float) -> None:
        """Record how long drawing the newest poll took."""
        if self.splits:
            self.splits[-1] = self.splits[-1]._replace(paint_ms=paint_ms)
