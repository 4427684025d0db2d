"""A clock that runs as the machine's does, and can be moved on."""

import asyncio

from streamusage.core.clock import SystemClock


class MovableClock:
    def __init__(self) -> None:
        self._clock = SystemClock()
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return self._clock.now_ms() + self.ahead_ms

    def elapsed_ms(self) -> int:
        return self._clock.elapsed_ms() + self.ahead_ms

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
