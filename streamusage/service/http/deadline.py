"""One timer of a connection, which is moved with every request: moving it costs no more than noting when it is due."""

import asyncio
import math
from collections.abc import Callable


class Deadline:
    """Calls what it was last set to, once, unless it is cleared or set again before. For the loop's own thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due = math.inf
        self._then: Callable[[], None]
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float, then: Callable[[], None]) -> None:
        self._due, self._then = self._loop.time() + seconds, then
        if self._timer is not None:
            if self._timer.when() <= self._due:  # it looks again when it fires
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due, self._look)

    def clear(self) -> None:
        self._due = math.inf

    def close(self) -> None:
        """Ends it for good, so that nothing holds on to the connection."""
        self.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._due == math.inf:
            return
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._look)
            return
        self._due = math.inf
        self._then()
