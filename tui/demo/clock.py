"""The demo's time: stepped by hand while the history is made, then running at a speed."""

import asyncio
import time

STANDING_SECONDS = 0.05
"""Length of a wait while the clock is stopped: the waiting task checks again and finds no time passed."""
LONGEST_NAP_SECONDS = 0.25
"""Interval at which a sleeping task notices a change of speed."""


class DemoClock:
    """A `streamusage.core.clock.Clock`. It is stopped until `release`, and moves only by `step` before."""

    def __init__(self, at_ms: int, began_ms: int | None = None) -> None:
        """`began_ms` is the instant of elapsed time 0: that of an earlier clock which this one continues."""
        self._at_ms = at_ms
        self._from_ms = at_ms if began_ms is None else began_ms
        self._speed = 0.0
        self._released_ns = 0

    def step(self, milliseconds: int) -> None:
        """Move the stopped clock forward."""
        self._at_ms += milliseconds

    def release(self, speed: float) -> None:
        """Run from now on, `speed` times as fast as the machine's clock."""
        self._at_ms = self.now_ms()
        self._speed, self._released_ns = speed, time.monotonic_ns()

    def now_ms(self) -> int:
        """Return the demo's time in UTC milliseconds."""
        running_ns = (time.monotonic_ns() - self._released_ns) * self._speed if self._speed else 0
        return self._at_ms + int(running_ns) // 1_000_000

    def elapsed_ms(self) -> int:
        """Return the demo's milliseconds since the clock began."""
        return self.now_ms() - self._from_ms

    async def sleep(self, seconds: float) -> None:
        """Wait for a duration of the demo's time, also across changes of speed."""
        if not self._speed:
            await asyncio.sleep(STANDING_SECONDS)
            return
        until_ms = self.now_ms() + seconds * 1000
        while (left_ms := until_ms - self.now_ms()) > 0:  # noqa: ASYNC110 - there is no event: time passes
            await asyncio.sleep(min(left_ms / 1000 / self._speed, LONGEST_NAP_SECONDS))


class StartingClock(DemoClock):
    """A clock whose tasks wait until it is released: none of them takes time from the start of the demo."""

    def __init__(self, at_ms: int, began_ms: int | None = None) -> None:
        super().__init__(at_ms, began_ms)
        self._is_released = asyncio.Event()

    def release(self, speed: float) -> None:
        """Run from now on, `speed` times as fast as the machine's clock."""
        super().release(speed)
        self._is_released.set()

    async def sleep(self, seconds: float) -> None:
        """Wait for a duration of the demo's time, which begins with the release."""
        await self._is_released.wait()
        await super().sleep(seconds)


class SteppedClock(DemoClock):
    """A clock that moves only by `pass_time`: events happen at the same instants in every run."""

    def __init__(self, at_ms: int, began_ms: int | None = None) -> None:
        super().__init__(at_ms, began_ms)
        self._sleepers: list[tuple[int, asyncio.Event]] = []
        self._sleeping = asyncio.Condition()

    async def sleep(self, seconds: float) -> None:
        """Wait until `pass_time` has moved that far."""
        woken = asyncio.Event()
        async with self._sleeping:
            self._sleepers.append((self.now_ms() + round(seconds * 1000), woken))
            self._sleeping.notify_all()
        await woken.wait()

    async def pass_time(self, milliseconds: int) -> None:
        """Move forward, wake the tasks whose time has come, and return when they all wait again."""
        self.step(milliseconds)
        async with self._sleeping:
            sleepers = len(self._sleepers)
            due = [sleeper for sleeper in self._sleepers if sleeper[0] <= self.now_ms()]
            self._sleepers = [sleeper for sleeper in self._sleepers if sleeper not in due]
            for _, woken in due:
                woken.set()
            await self._sleeping.wait_for(lambda: len(self._sleepers) >= sleepers)
