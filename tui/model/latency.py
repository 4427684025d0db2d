"""Where the time of a poll goes: on the way, in the service, and here. Pure."""

from collections import deque
from typing import NamedTuple

KEPT = 60


class Split(NamedTuple):
    """One poll's milliseconds, in the order in which they pass. `None` is not measured: no connection was made, say."""

    connect_ms: float | None
    first_byte_ms: float | None
    body_ms: float | None
    decode_ms: float | None
    apply_ms: float | None
    paint_ms: float | None
    answer_bytes: int

    @property
    def total_ms(self) -> float:
        return sum(part for part in self[:6] if part is not None)


class Latency:
    """The last polls."""

    def __init__(self) -> None:
        self.splits: deque[Split] = deque(maxlen=KEPT)

    def heard(self, split: Split) -> None:
        self.splits.append(split)

    def painted(self, paint_ms: float) -> None:
        """Adds how long the newest poll took to draw."""
        if self.splits:
            self.splits[-1] = self.splits[-1]._replace(paint_ms=paint_ms)
