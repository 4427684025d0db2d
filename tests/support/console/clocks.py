"""A system clock that a test can move forward, and waits that do not depend on the machine's load."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from statistics import median

import pytest
from textual import _wait

from streamusage.core.clock import SystemClock


class MovableClock:
    """The system clock plus `ahead_ms`."""

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
        """Stop the clock, except for `ahead_ms`, so that a slow machine changes no age on the screen."""
        self._frozen_ms = self._clock.elapsed_ms()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def wait_for_idle(min_sleep: float = _wait.SLEEP_GRANULARITY, max_sleep: float = 1) -> None:
    """Wait until the process is idle, as Textual's pilot does, but reliably on a busy or slow machine.

    Textual compares CPU time with wall time: a process that gets no CPU looks idle in the middle of its work, and the
    wait for a slow one ends after a second. Therefore queued callbacks run before the comparison, the wait's own share
    does not count, and the limit is a second of CPU time.
    """
    began, began_cpu = time.monotonic(), time.process_time()
    while True:
        used = await _cpu_of_turn()
        now, now_cpu = time.monotonic(), time.process_time()
        if now - began > min_sleep and used - _idle_turn_cpu() < _wait.SLEEP_IDLE:
            return
        if now_cpu - began_cpu >= max_sleep or now - began >= 5 * max_sleep:
            return


async def _cpu_of_turn() -> float:
    """Let the process work for a moment. Return the seconds of CPU time that it used, including this function."""
    cpu = time.process_time()
    await _run_queued_callbacks()
    await asyncio.sleep(_wait.SLEEP_GRANULARITY)
    await _run_queued_callbacks()
    return time.process_time() - cpu


async def _run_queued_callbacks() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@cache
def _idle_turn_cpu() -> float:
    """Return the seconds of CPU time of a turn in which nothing else works, on this machine."""
    with ThreadPoolExecutor(1) as other_loop:
        return other_loop.submit(asyncio.run, _median_turn()).result()


async def _median_turn() -> float:
    return median([await _cpu_of_turn() for _ in range(9)])


def speed_up_keys(patch: pytest.MonkeyPatch) -> None:
    """Make Textual check four times as often whether the console is idle after a key, by the same measure."""
    patch.setattr("textual._wait.SLEEP_GRANULARITY", 1 / 200)
    patch.setattr("textual._wait.SLEEP_IDLE", 1 / 4000)
