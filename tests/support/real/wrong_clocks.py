"""Machines with a clock that a test steps, and machines that boot again."""

import asyncio
import sys
import time
import uuid

from tests.support.real import another_boot_program
from tests.support.real.fake_clock import FakeClock

_READ_AGAIN_S = 2.5
"""How long a process may show the previous time: libfaketime compares whole seconds."""


class SteppedClock(FakeClock):
    """A clock whose programs read its offset about once a second: at each use, all of them would need a processor."""

    async def step_to(self, seconds: int) -> None:
        """Set the clock to the machine's plus an offset, and wait until every program shows it."""
        self.set_ahead(seconds)
        await asyncio.sleep(_READ_AGAIN_S)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in super().environment.items() if name != "FAKETIME_NO_CACHE"}
        return kept | {"FAKETIME_CACHE_DURATION": "1"}


def offset_to_1970_s() -> int:
    """Return the offset of a clock without a battery: the machine was switched on a minute ago."""
    return 60 - int(time.time())


def another_boot(age_s: int = 60) -> list[str]:
    """Return the command of a Python interpreter on a machine that booted `age_s` ago, with a boot id of its own."""
    booted_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - age_s * 1_000_000_000
    return [sys.executable, another_boot_program.__file__, str(uuid.uuid4()), str(booted_ns)]
