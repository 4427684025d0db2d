"""Counts the requests of each agent that wait for their answer."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from streamusage.service.limits import Limits


class RequestsInFlight:
    """The requests of agents that are being received, written or answered. For the event loop's thread only."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._count: Counter[str] = Counter()

    def begin(self, server: str) -> None:
        """Count a request of the server's agent until `end`. Raises `LimitExceededError`: then it is not counted."""
        if self._count[server] >= self._limits.requests_in_flight:
            raise self._limits.exceeded(
                "requests_in_flight", f"{self._count[server]} requests of this agent wait for their answer"
            )
        self._count[server] += 1

    def end(self, server: str) -> None:
        """Stop counting a request."""
        self._count[server] -= 1
        if not self._count[server]:
            del self._count[server]

    @contextmanager
    def counted(self, server: str) -> Iterator[None]:
        """Count a request for the duration of the block. Raises `LimitExceededError`."""
        self.begin(server)
        try:
            yield
        finally:
            self.end(server)
