"""The console over a real sshd: it works and sends few bytes, counted on the network connection."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.support.console.records import recent
from tests.support.console.terminals.sshd import ssh_host
from tests.support.console.terminals.terminal import STREAMTOP, command_line, contains, terminal
from tests.support.plain_manager import PlainManager, wire
from tui.screens.session_detail import VERY_WIDE_FROM_CELLS

pytestmark = pytest.mark.ssh

POLL_S = 1.0
LATE_S = 2 * POLL_S
"""Figures of three intervals ago are late: the console shows their age until the next poll."""
CHANGED_CELL_BYTES = 100
"""A few cells, encrypted and padded."""
KEY_BYTES = 1_000
"""Two rows of 200 columns."""
FIRST_SCREEN_BYTES_A_CELL = 6
DAY_MINUTES = 24 * 60


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 50)])
async def test_console_over_ssh_sends_few_bytes(tmp_path: Path, columns: int, rows: int) -> None:
    start = recent(600 * DAY_MINUTES + DAY_MINUTES // 2)  # no date and no age changes during the test
    records = [wire(f"cam-{number}", start=start + number) for number in range(60)]
    home = tmp_path / "home"
    config = home / ".config" / "streamtop"
    config.mkdir(parents=True)
    (config / "token").write_text("xyz123\n")
    (config / "token").chmod(0o600)
    async with PlainManager(*records) as manager, ssh_host(tmp_path / "ssh") as host:
        profile = f'[profiles.far]\nurl = "{manager.url}"\ntoken_file = "token"\npoll_interval = "{POLL_S}s"\n'
        (config / "config.toml").write_text('default_profile = "far"\n' + profile)
        login = host.login(command_line(tmp_path, STREAMTOP))
        async with terminal(tmp_path, columns, rows, program=login) as console:
            await console.wait_for_screen("the table", contains("live/cam-59"))
            line = host.wire
            first = line.down
            assert first < FIRST_SCREEN_BYTES_A_CELL * columns * rows

            async def bytes_of_polls(polls: int, *, changes: bool = False) -> float:
                """Return the bytes that a poll sends over the line, with or without a change. On a busy machine polls
                may be late, which the console shows; then begin again.
                """
                before, last, longest_s = line.down, polled() + polls, 0.0
                while (seen := polled()) < last:
                    manager.records[-1]["totalSubscribers"] += changes
                    began = time.monotonic()
                    while polled() == seen:  # noqa: ASYNC110 - the console polls by itself
                        await asyncio.sleep(0.01)
                    longest_s = max(longest_s, time.monotonic() - began)
                if longest_s > LATE_S:
                    return await bytes_of_polls(polls, changes=changes)
                return (line.down - before) / polls

            def polled() -> int:
                return sum(request.path.endswith("/usage") for request in manager.requests)

            async def is_drawn() -> None:
                """Wait until nothing more is sent."""
                while await bytes_of_polls(3):
                    pass

            await is_drawn()
            idle = await bytes_of_polls(8)
            assert idle == 0
            changed = await bytes_of_polls(8, changes=True)
            assert 0 < changed - idle < CHANGED_CELL_BYTES
            print(f"{columns}x{rows}: first screen {first}, idle {idle:.0f}, a changed cell {changed - idle:.0f} bytes")

            if columns >= VERY_WIDE_FROM_CELLS:  # measured is what the table sends for a key
                await console.keys("Enter")
                await console.wait_for_screen(
                    "the table alone", lambda lines: not any("session of this stream" in row for row in lines)
                )
            await is_drawn()
            before = line.down
            await console.keys("Down", "Down")
            await console.wait_for_screen(
                "the cursor", lambda lines: any("▸" in row and "cam-57" in row for row in lines)
            )
            assert line.down - before < 2 * KEY_BYTES
            await console.keys("Enter")
            await console.wait_for_screen("the detail", contains("1 session of this stream"))
            await console.keys("Escape", "/", *"cam-3", "Enter")
            await console.wait_for_screen("the filter", contains("(49 hidden)"))
            await console.keys("q")
            await console.wait_for_screen("the end", contains("left with 0"))
