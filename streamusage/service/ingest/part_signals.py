"""Signals between the requests that accept large reports and the job that applies their parts.

For the thread of the event loop only.
"""

import asyncio
from contextlib import suppress


class PartSignals:
    """Wakes the job when parts were accepted, and the requests when a server's parts are applied."""

    def __init__(self) -> None:
        self._work = asyncio.Event()
        self._applied: dict[str, asyncio.Event] = {}

    def announce_work(self) -> None:
        """Report that there may be parts to apply."""
        self._work.set()

    @property
    def awaited(self) -> list[str]:
        """The servers whose parts a request waits for."""
        return list(self._applied)

    async def wait_for_work(self, seconds: float) -> None:
        """Wait until parts were accepted, at most so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._work.wait(), seconds)
        self._work.clear()

    async def wait_until_applied(self, server: str, seconds: float) -> None:
        """Report that parts of a server were accepted, and wait until they are applied, at most so long."""
        applied = self._applied.setdefault(server, asyncio.Event())
        self.announce_work()
        with suppress(TimeoutError):
            await asyncio.wait_for(applied.wait(), seconds)

    def announce_applied(self, server: str) -> None:
        """Report that all parts of a server are applied."""
        applied = self._applied.pop(server, None)
        if applied is not None:
            applied.set()
