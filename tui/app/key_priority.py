"""Long work in slices that give way to the keyboard.

Everything in the console runs in one event loop. Work that takes longer than a frame is a sequence of steps of about a
millisecond: between them keys are handled, and while a key is on its way to the screen the work waits.
"""

import asyncio
import time
from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

Value = TypeVar("Value")

SLICE_SECONDS = 0.002
"""Work between two turns of the event loop."""
_KEY_SLICE_SECONDS = 0.005
KEY_SECONDS = 0.025
"""How long a key has priority: until its frame is on the screen."""
_MOST_WAITING_SECONDS = 0.1
"""A key that is held down delays the work no longer than this, then the work gets a slice."""
_LOOK_AGAIN_SECONDS = 0.004


class KeyPriority:
    """Knows when a key was pressed."""

    def __init__(self) -> None:
        self._pressed_at = -KEY_SECONDS
        self._slice_began = 0.0

    def key_pressed(self) -> None:
        """Give way to a key that was pressed now."""
        self._pressed_at = time.monotonic()

    async def pause(self) -> None:
        """Give other tasks their turn if a slice of work is over, and a key all the time that it needs."""
        now = time.monotonic()
        if now - self._slice_began < SLICE_SECONDS:
            return
        await asyncio.sleep(0)
        waited_until = now + _MOST_WAITING_SECONDS
        while (now := time.monotonic()) - self._pressed_at < KEY_SECONDS and now < waited_until:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        self._slice_began = time.monotonic()

    async def run(self, steps: Iterator[object]) -> None:
        """Run all steps, in slices."""
        for _ in steps:
            await self.pause()

    async def run_for_key(self, steps: Iterator[object]) -> None:
        """Run all steps of what a key has begun, in longer slices and without giving way to that key."""
        while not run_briefly(steps, _KEY_SLICE_SECONDS):  # noqa: ASYNC110
            await asyncio.sleep(0)


class Calculation(Generic[Value]):
    """Steps with a result, which a key has begun: the first slice at once, the others between two turns of the loop."""

    def __init__(self, steps: Generator[None, None, Value]) -> None:
        self._results: list[Value] = []
        self._steps = self._keep_result(steps)
        self.is_complete = run_briefly(self._steps)
        """Whether the first slice was all of them."""

    def _keep_result(self, steps: Generator[None, None, Value]) -> Generator[None, None, None]:
        self._results.append((yield from steps))

    @property
    def result(self) -> Value:
        """The result of complete steps."""
        return self._results[0]

    async def run(self) -> Value:
        """Run the steps that are left and return the result."""
        while not self.is_complete:
            await asyncio.sleep(0)
            self.is_complete = run_briefly(self._steps, _KEY_SLICE_SECONDS)
        return self.result


def run_briefly(steps: Iterator[object], seconds: float = SLICE_SECONDS) -> bool:
    """Run steps for the length of a slice. Returns whether that was all of them."""
    ends_at = time.monotonic() + seconds
    return all(time.monotonic() < ends_at for _ in steps)
