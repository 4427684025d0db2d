"""A clock that runs as the machine's does, and can be moved on."""

import asyncio

import pytest

from streamusage.core.clock import SystemClock


class MovableClock:
    def __init__(self) -> None:
        self._clock = SystemClock()
        self.ahead_ms = 0
        self._frozen_ms: int | None = None

    def now_ms(self) -> int:
        elapsed_ms = self._clock.elapsed_ms()
        since_frozen_ms = 0 if self._frozen_ms is None else elapsed_ms - self._frozen_ms
        return self._clock.now_ms() - since_frozen_ms + self.ahead_ms

    def elapsed_ms(self) -> int:
        return (self._clock.elapsed_ms() if self._frozen_ms is None else self._frozen_ms) + self.ahead_ms

    def freeze(self) -> None:
        """Stand still from now on, except for `ahead_ms`: a slow machine then changes no age on the screen."""
        self._frozen_ms = self._clock.elapsed_ms()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def hurry_keys(patch: pytest.MonkeyPatch) -> None:
    """Makes Textual check four times as often whether the console is idle after a key, by the same measure."""
    patch.setattr("textual._wait.SLEEP_GRANULARITY", 1 / 200)
    patch.setattr("textual._wait.SLEEP_IDLE", 1 / 4000)
