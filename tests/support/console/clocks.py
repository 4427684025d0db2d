"""A clock that runs as the machine's does, and can be moved on."""

import asyncio
import time

import pytest
from textual import _wait

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


async def wait_for_idle(min_sleep: float = _wait.SLEEP_GRANULARITY, max_sleep: float = 1) -> None:
    """Wait as Textual's pilot does until the process has little to do, but also on a machine with other load.

    Textual compares CPU time with wall time. A process that other programs keep from the CPU then looks idle in the
    middle of its work, and one that is slow is given up after a second. Therefore queued callbacks run before the
    comparison, and the limit is a second of CPU time.
    """
    began, began_cpu = time.monotonic(), time.process_time()
    while True:
        cpu = time.process_time()
        await _run_queued_callbacks()
        await asyncio.sleep(_wait.SLEEP_GRANULARITY)
        await _run_queued_callbacks()
        now, now_cpu = time.monotonic(), time.process_time()
        if now - began > min_sleep and now_cpu - cpu < _wait.SLEEP_IDLE:
            return
        if now_cpu - began_cpu >= max_sleep or now - began >= 5 * max_sleep:
            return


async def _run_queued_callbacks() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def hurry_keys(patch: pytest.MonkeyPatch) -> None:
    """Makes Textual check four times as often whether the console is idle after a key, by the same measure."""
    patch.setattr("textual._wait.SLEEP_GRANULARITY", 1 / 200)
    patch.setattr("textual._wait.SLEEP_IDLE", 1 / 4000)
