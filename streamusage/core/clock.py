"""Clocks. Code that needs the time receives a `Clock`, so that tests and the demo control it."""

import asyncio
import time
from pathlib import Path
from typing import Protocol

_COUNTS_SUSPEND = hasattr(time, "CLOCK_BOOTTIME")
"""On Linux `CLOCK_BOOTTIME` counts while the machine is suspended; `CLOCK_MONOTONIC` does not."""


class Clock(Protocol):
    """Wall time, elapsed time and sleeping, all on one scale."""

    def now_ms(self) -> int:
        """Return the wall time in UTC milliseconds. It may step: it decides only where a unit is filed."""
        ...

    def elapsed_ms(self) -> int:
        """Return milliseconds since an arbitrary start. They never step back and include the time in suspend."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds` of this clock's time."""
        ...


class SystemClock:
    """The clock of the machine. Its wall time may step."""

    def now_ms(self) -> int:
        """Return the wall time of the machine in UTC milliseconds."""
        return time.time_ns() // 1_000_000

    def elapsed_ms(self) -> int:
        """Return milliseconds since the machine booted, time in suspend included where the platform counts it."""
        return _elapsed_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`."""
        await asyncio.sleep(seconds)


class SteadyClock:
    """A clock whose wall time steps only through `correct`: read once from another clock, then moved by elapsed time.

    The agent files units by it: the wall clock of the machine may be years off at boot, and may step at any time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ms = clock.now_ms() - clock.elapsed_ms()

    def now_ms(self) -> int:
        """Return the corrected wall time in UTC milliseconds."""
        return self._offset_ms + self._clock.elapsed_ms()

    def correct(self, by_ms: int) -> None:
        """Step the wall time by `by_ms`, which may be negative. Elapsed time is not affected."""
        self._offset_ms += by_ms

    @property
    def ahead_ms(self) -> int:
        """Milliseconds by which this clock is ahead of the machine's wall clock, which dates other programs' logs."""
        return self.now_ms() - self._clock.now_ms()

    def elapsed_ms(self) -> int:
        """Return the elapsed milliseconds of the underlying clock."""
        return self._clock.elapsed_ms()

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds` of the underlying clock's time."""
        await self._clock.sleep(seconds)


def boot_id() -> str:
    """Return the boot id of this machine. Within one boot, elapsed times of different processes are comparable.

    Empty where the platform has no boot id, or where elapsed time does not include suspend.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip() if _COUNTS_SUSPEND else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _elapsed_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) if _COUNTS_SUSPEND else time.monotonic_ns()
