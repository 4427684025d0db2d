"""Where time comes from. Everything that needs the time is given a `Clock`, so that tests and the demo own it."""

import asyncio
import time
from pathlib import Path
from typing import Protocol

_COUNTS_SUSPEND = hasattr(time, "CLOCK_BOOTTIME")
"""On Linux `CLOCK_BOOTTIME` goes on while the machine is suspended, and `CLOCK_MONOTONIC` does not."""


class Clock(Protocol):
    """Wall time, elapsed time and waiting, all on one scale."""

    def now_ms(self) -> int:
        """The wall time in UTC milliseconds. May step; decides only where a unit is filed."""
        ...

    def elapsed_ms(self) -> int:
        """Milliseconds from an arbitrary start: never steps back and goes on while the machine is suspended."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of this clock's time."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def elapsed_ms(self) -> int:
        return _elapsed_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SteadyClock:
    """A clock whose wall time steps only when it is told to: read once from another clock, then moved by elapsed time.

    The agent files by it: the machine's own wall clock may be years off at boot, and step at any time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ms = clock.now_ms() - clock.elapsed_ms()

    def now_ms(self) -> int:
        return self._offset_ms + self._clock.elapsed_ms()

    def correct(self, by_ms: int) -> None:
        """Moves the wall time on, or back. Elapsed time goes on as it did."""
        self._offset_ms += by_ms

    @property
    def ahead_ms(self) -> int:
        """How far this clock is ahead of the machine's own, which times in other programs' logs are in."""
        return self.now_ms() - self._clock.now_ms()

    def elapsed_ms(self) -> int:
        return self._clock.elapsed_ms()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


def machine_life() -> str:
    """The name of this machine's life since it was switched on: within it, elapsed time compares across processes.

    Empty where it has none, or where elapsed time does not count suspend.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip() if _COUNTS_SUSPEND else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _elapsed_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) if _COUNTS_SUSPEND else time.monotonic_ns()
