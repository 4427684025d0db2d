"""Clocks. Code that needs the time receives a `Clock`, so that tests and the demo control it."""

import asyncio
import time
from pathlib import Path
from typing import Protocol

_COUNTS_SUSPEND = hasattr(time, "CLOCK_BOOTTIME")
"""On Linux `CLOCK_BOOTTIME` counts while the machine is suspended; `CLOCK_MONOTONIC` does not."""

_TIME_ERROR = 5
"""Result of adjtimex(2) for a clock that is not synchronised."""


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


def boot_id() -> str:
    """Return the boot id of this machine. Within one boot, elapsed times of different processes are comparable.

    Empty where the platform has no boot id, or where elapsed time does not include suspend.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip() if _COUNTS_SUSPEND else ""
    except (OSError, UnicodeDecodeError):
        return ""


def is_synchronised() -> bool | None:
    """Return whether the kernel believes that its wall clock is synchronised; `None` where it does not show this."""
    import ctypes  # only agent and service ask; importing it takes as long as the rest of this module

    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (AttributeError, OSError):
        return None
    # All zeros request nothing: the call only reads. The buffer is larger than any `struct timex`.
    state = adjtimex(ctypes.create_string_buffer(1024))
    return None if state < 0 else state != _TIME_ERROR


def _elapsed_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) if _COUNTS_SUSPEND else time.monotonic_ns()
