"""The console over a real sshd, as it is used: it works, and a slow line carries it. Bytes are those on the wire."""

import asyncio
from pathlib import Path

import pytest

from tests.support.console.records import recent
from tests.support.console.sshd import ssh_host
from tests.support.console.terminal import STREAMTOP, command_line, holds, terminal
from tests.support.plain_manager import PlainManager, wire

pytestmark = pytest.mark.ssh

POLL_S = 0.5
IDLE_BYTES_A_POLL = 600
"""An age in the header, encrypted and padded."""
CHANGED_CELL_BYTES = 400
KEY_BYTES = 3_000
"""Two rows of 200 columns, and the polls meanwhile."""
FIRST_SCREEN_BYTES_A_CELL = 15
DAY_MINUTES = 24 * 60


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 50)])
async def test_console_over_ssh_sends_few_bytes(tmp_path: Path, columns: int, rows: int) -> None:
    start = recent(600 * DAY_MINUTES + DAY_MINUTES // 2)  # no date and no age turns over meanwhile
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
            await console.until("the table", holds("live/cam-59"))
            line = host.wire
            first = line.down
            assert first < FIRST_SCREEN_BYTES_A_CELL * columns * rows

            async def a_poll(polls: int, *, changes: bool = False) -> float:
                """What a poll sends over the line, where it brings a change or none."""
                before, until = line.down, polled() + polls
                while (seen := polled()) < until:
                    manager.records[-1]["totalSubscribers"] += changes
                    while polled() == seen:  # noqa: ASYNC110 - what is waited for is the console's
                        await asyncio.sleep(0.01)
                return (line.down - before) / polls

            def polled() -> int:
                return sum(asked.path.endswith("/usage") for asked in manager.requests)

            await a_poll(3)
            idle = await a_poll(8)
            assert idle < IDLE_BYTES_A_POLL
            changed = await a_poll(8, changes=True)
            assert 0 < changed - idle < CHANGED_CELL_BYTES
            print(f"{columns}x{rows}: first screen {first}, idle {idle:.0f}, a changed cell {changed - idle:.0f} bytes")

            before = line.down
            await console.keys("Down", "Down")
            await console.until("the cursor", lambda lines: any("▸" in one and "cam-57" in one for one in lines))
            assert line.down - before < 2 * KEY_BYTES
            await console.keys("Enter")
            await console.until("the detail", holds("1 session of this stream"))
            await console.keys("Escape", "/", *"cam-3", "Enter")
            await console.until("the filter", holds("(49 hidden)"))
            await console.keys("q")
            await console.until("the end", holds("left with 0"))
