"""The clock of the demo's start."""

import asyncio

import pytest

from tui.demo import clock as clocks
from tui.demo.clock import StartingClock


async def test_tasks_wait_for_the_release_and_then_for_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "STANDING_SECONDS", 0)
    clock = StartingClock(1_000)
    sleeping = asyncio.create_task(clock.sleep(0.001))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not sleeping.done()
    clock.release(60)
    await sleeping
    assert clock.now_ms() >= 1_001
