"""`streamtop demo` without service and agent: it plays the packaged recording in a real terminal."""

from pathlib import Path

import pytest

from tests.support.commands.without_extras import without_extras
from tests.support.console.terminals.terminal import contains, terminal

pytestmark = pytest.mark.terminal


async def test_demo_without_extras_plays_the_recorded_outage(tmp_path: Path) -> None:
    path = without_extras(tmp_path / "bare")
    async with terminal(tmp_path, 80, 24, "demo", "--speed", "60", PYTHONPATH=path) as console:
        lines = await console.wait_for_screen("the sessions", contains("live/stage-1"))
        assert "recorded; live: streamtop[all]" in lines[0]
        await console.keys("g")
        await console.wait_for_screen("the outage, filled in", lambda lines: any("▒" in line for line in lines[4:20]))
        await console.keys("Escape", "q")
        lines = await console.wait_for_screen("the end", contains("left with"))
        printed = " ".join(" ".join(lines).split())
        assert "left with 0" in printed
        assert "streamtop demo needs the extras 'service' and 'agent'" in printed
