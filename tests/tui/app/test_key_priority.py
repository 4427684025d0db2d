"""Long work gives way to keys, and is never stopped by them."""

import asyncio
import time

from tui.app.key_priority import SLICE_SECONDS, KeyPriority, run_briefly


async def work(priority: KeyPriority, done: list[float]) -> None:
    while True:
        time.sleep(SLICE_SECONDS)  # noqa: ASYNC251 - a slice of work
        done.append(time.monotonic())
        await priority.pause()


async def test_work_waits_while_a_key_is_on_its_way() -> None:
    priority, done = KeyPriority(), list[float]()
    task = asyncio.create_task(work(priority, done))
    await asyncio.sleep(0.02)
    priority.key_pressed()
    pressed_at = time.monotonic()
    await asyncio.sleep(0.05)
    task.cancel()
    assert len([at for at in done if at < pressed_at + 0.015]) <= len([at for at in done if at < pressed_at]) + 1


async def test_key_that_is_held_down_does_not_stop_the_work() -> None:
    priority, done = KeyPriority(), list[float]()
    task = asyncio.create_task(work(priority, done))
    for _ in range(60):
        priority.key_pressed()
        await asyncio.sleep(0.01)
    task.cancel()
    assert len(done) >= 3


def test_short_work_is_done_at_once() -> None:
    assert run_briefly(iter(range(10)))
    endless = (time.sleep(SLICE_SECONDS) for _ in iter(int, 1))
    assert not run_briefly(endless)
