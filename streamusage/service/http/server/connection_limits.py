"""Limits of one HTTP connection, and the timer that keeps those of time."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits of one connection; `connections` is how many may be open at once."""

    head_bytes: int = 128 * 1024
    """Fits a scope and a name of 4,096 characters each, percent-encoded at their longest."""
    head_seconds: float = 15.0
    request_seconds: float = 300.0
    stall_seconds: float = 60.0
    idle_seconds: float = 75.0
    """Between two requests: longer than an agent's sync interval, so that the agent keeps its connection."""
    connections: int = 50_000


class Deadline:
    """The one timer of a connection. Calls the callback that was set last, once, unless it is cleared or set again.

    Setting it again is cheap: it only notes the new time. For the thread of the event loop only.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due = math.inf
        self._callback: Callable[[], None]
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call `callback` after so many seconds, instead of what was set before."""
        self._due, self._callback = self._loop.time() + seconds, callback
        if self._timer is not None:
            if self._timer.when() <= self._due:  # it checks the new time when it fires
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due, self._check)

    def clear(self) -> None:
        """Call nothing until it is set again."""
        self._due = math.inf

    def close(self) -> None:
        """End the timer for good, so that nothing references the connection."""
        self.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        if self._due == math.inf:
            return
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._check)
            return
        self._due = math.inf
        self._callback()
