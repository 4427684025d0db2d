"""Keys that reach a real terminal in one write, Escape among them."""

import os
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from textual.drivers.headless_driver import HeadlessDriver
from textual.drivers.linux_driver import LinuxDriver

from tests.support.console.records import recent
from tests.support.console.terminals.terminal import Terminal, contains, terminal
from tests.support.plain_manager import PlainManager, wire
from tests.support.waiting import LONGEST_WAIT_S
from tui.keyboard.driver import finds_escapes
from tui.keyboard.escapes import EscapeFinder


async def type_at_once(console: Terminal, text: str) -> None:
    """Type a text in one write: tmux sends these bytes as they are."""
    await console.tmux("send-keys", "-t", "console", "-H", *(f"{byte:02x}" for byte in text.encode()))


def options(manager: PlainManager, directory: Path, more: Collection[str] = ()) -> list[str]:
    (directory / "token").write_text(manager.token + "\n")
    return ["--url", manager.url, "--token-file", str(directory / "token"), *more]


@pytest.mark.terminal
@pytest.mark.parametrize("flag", ["--display-stage", "--no-display-stage"])
async def test_keys_in_one_write_act_in_their_order(tmp_path: Path, flag: str) -> None:
    start = recent(300)
    async with PlainManager(*(wire(f"cam-{number}", start=start + number) for number in range(9))) as manager:
        async with terminal(tmp_path, 80, 24, *options(manager, tmp_path, [flag]), term="xterm-256color") as console:
            await console.wait_for_screen("the table", contains("live/cam-8"))
            await type_at_once(console, "/dy")
            await console.wait_for_screen("the text in the prompt", contains("dy "))
            await type_at_once(console, "\x1b/cam-3\r")
            await console.wait_for_screen("the filter", contains("(8 hidden)"))
            await type_at_once(console, "\x1b?")
            await console.wait_for_screen("the help", contains("Keys in the sessions view"))
            await type_at_once(console, "\x1b:sort total\r")
            await console.wait_for_screen("the order", contains("TOTAL▾"))
            await type_at_once(console, "?\x1bq")
            await console.wait_for_screen("the end", contains("left with 0"))
        assert not manager.deletes


@pytest.mark.terminal
async def test_escape_sequence_may_arrive_in_parts(tmp_path: Path) -> None:
    start = recent(300)
    async with (
        PlainManager(*(wire(f"cam-{number}", start=start + number) for number in range(9))) as manager,
        terminal(tmp_path, 80, 24, *options(manager, tmp_path), term="xterm-256color") as console,
    ):
        await console.wait_for_screen("the table", contains("live/cam-8"))
        assert "▸" in (await console.lines())[4]
        await type_at_once(console, "\x1b")
        await type_at_once(console, "[B")
        await console.wait_for_screen("the cursor one row down", lambda lines: "▸" in lines[5])
        await type_at_once(console, "?")
        await console.wait_for_screen("the help", contains("Keys in the sessions view"))
        await type_at_once(console, "\x1b")
        await console.wait_for_screen("the table again", contains("live/cam-8"))


def test_driver_that_does_not_fit_is_left_as_it_is() -> None:
    assert finds_escapes(HeadlessDriver) is HeadlessDriver
    assert issubclass(finds_escapes(LinuxDriver), LinuxDriver)
    assert finds_escapes(LinuxDriver) is not LinuxDriver


def test_parser_that_changes_is_left_to_textual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("textual._xterm_parser.XTermParser")
    assert finds_escapes(LinuxDriver) is LinuxDriver


def test_thread_ends_with_its_terminal() -> None:
    """A terminal that is gone is at its end for ever. A thread that continues would keep the process."""
    keyboard, other_end = os.pipe()
    os.close(other_end)
    driver: Any = object.__new__(finds_escapes(LinuxDriver))
    driver.fileno, driver.exit_event, driver._escapes = keyboard, threading.Event(), EscapeFinder()
    thread = threading.Thread(target=driver.run_input_thread, daemon=True)
    thread.start()
    thread.join(LONGEST_WAIT_S)
    os.close(keyboard)
    assert not thread.is_alive()
