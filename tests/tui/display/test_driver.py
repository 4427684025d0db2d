import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import textual.screen
from textual import events
from textual.drivers.headless_driver import HeadlessDriver
from textual.drivers.linux_driver import LinuxDriver
from textual.drivers.linux_inline_driver import LinuxInlineDriver

from tests.support.console.terminals.random_frames import FIRST_SEED, FRAMES
from tests.support.console.terminals.staged_app import RandomApp
from tui.display.driver import fits, staged
from tui.display.stage import AMBIGUOUS

STEPS_OF_AN_APP = 500


@asynccontextmanager
async def running(seed: int, *, erases_in_colour: bool = True) -> AsyncIterator[RandomApp]:
    """Run a random app until the end of the block."""
    app = RandomApp(seed, erases_in_colour=erases_in_colour)
    task = asyncio.create_task(app.run_async())
    await app.painted()
    try:
        yield app
    finally:
        app.exit()
        await asyncio.wait_for(task, 10)


@pytest.fixture(autouse=True)
def _many_frames_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textual.screen, "UPDATE_PERIOD", 1 / 1000)


@pytest.mark.parametrize("erases_in_colour", [True, False])
async def test_terminal_shows_what_textual_meant(erases_in_colour: bool) -> None:
    steps = max(50, FRAMES // 4)
    for seed in range(FIRST_SEED, FIRST_SEED + -(-steps // STEPS_OF_AN_APP)):
        async with running(seed, erases_in_colour=erases_in_colour) as app:
            for number in range(min(steps, STEPS_OF_AN_APP)):
                await app.step()
                app.assert_shown(f"seed {seed}, step {number}")
            assert app.driver.stage is not None, "no fault switched the stage off"
            share = app.terminal.received / app.plain.received
        print(f"seed {seed}: {app.frames} frames, {share:.2f} of the bytes")


async def test_fault_of_the_stage_sends_frames_as_they_are() -> None:
    async with running(1) as app:
        for _ in range(20):
            await app.step()

        def fail(data: str) -> str:
            raise RuntimeError("a fault")

        app.driver.stage.receive = fail  # type: ignore[union-attr, method-assign]
        app.refresh()
        await app.painted(app.frames)
        assert app.driver.stage is None
        for number in range(50):
            await app.step()
            app.assert_shown(f"step {number}")


async def test_answer_of_the_terminal_tells_which_widths_are_certain() -> None:
    async with running(1) as app:
        driver: Any = app.driver
        assert not driver.stage.terminal.ambiguous_is_narrow
        driver.process_message(events.CursorPosition(len(AMBIGUOUS), 0))
        assert driver.stage.terminal.ambiguous_is_narrow
        driver.process_message(events.CursorPosition(5, 5))  # not an answer to it
        assert driver.stage.terminal.ambiguous_is_narrow


def test_stage_fits_terminals_only() -> None:
    assert fits(LinuxDriver)
    for other in (HeadlessDriver, LinuxInlineDriver):
        assert not fits(other)
        assert staged(other, erases_in_colour=lambda: True) is other


@pytest.mark.parametrize(
    ("term", "erases"),
    [("xterm-256color", True), ("linux", True), ("screen-256color", False), ("no-such-terminal", False)],
)
def test_erasing_in_colour_is_known_from_terminfo(term: str, erases: bool) -> None:
    script = "from tui.display.terminfo import erases_in_colour; print(erases_in_colour())"
    environment = {**os.environ, "TERM": term, "PYTHONPATH": os.pathsep.join(sys.path)}
    printed = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == str(erases)
