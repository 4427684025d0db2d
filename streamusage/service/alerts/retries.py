"""What becomes of an attempt to deliver: when it is tried again, and which failures are final. Pure."""

from random import Random
from typing import NamedTuple

REFUSED_STATUSES = frozenset({400, 405, 410, 413, 414, 415, 422})
"""Answers to a message that the receiver will not accept however often it is sent."""
LONGEST_EXPONENT = 30


def is_final(status: int | None) -> bool:
    """Return whether the same message would be refused again. Other failures, also 401 and 404, may be repaired."""
    return status in REFUSED_STATUSES


def is_accepted(status: int | None) -> bool:
    """Return whether the receiver has the message."""
    return status is not None and 200 <= status < 300


def delay_ms(
    attempts: int, first_ms: int, longest_ms: int, random: Random, retry_after_seconds: float | None = None
) -> int:
    """Return how long to wait after so many failed attempts in a row: exponential, with half of it random.

    A receiver that names a longer time gets it.
    """
    full_ms = min(longest_ms, first_ms * 2 ** min(max(0, attempts - 1), LONGEST_EXPONENT))
    wait_ms = full_ms // 2 + random.randint(0, max(1, full_ms // 2))
    asked_ms = 0 if retry_after_seconds is None else round(retry_after_seconds * 1000)
    return int(max(wait_ms, asked_ms))


class DeliveryAttempt(NamedTuple):
    """What became of one attempt."""

    status: int | None
    """HTTP status; `None` if no answer came."""
    answer: str
    """Beginning of the answer, or why there was none, without secrets."""
    took_ms: int
    retry_after_seconds: float | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has the message."""
        return is_accepted(self.status)

    def describe(self) -> str:
        """Return the outcome as one line."""
        return self.answer if self.status is None else f"HTTP {self.status}" + (f": {self.answer}" * bool(self.answer))
