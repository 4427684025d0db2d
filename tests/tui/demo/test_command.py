"""The demo in a real terminal, from the first table to the last key."""

import re
from pathlib import Path

import pytest

from tests.support.console.terminals.terminal import contains, terminal
from tests.support.program import Program
from tests.support.waiting import wait_until

pytestmark = pytest.mark.terminal

SIZES = [(80, 24), (200, 50)]
SPEEDS = ["60", "12", "4"]
"""A slower speed makes the outage longer (8 s, 15 s, 45 s) and the agents less late on a busy machine."""
BLOCKS = set("▁▂▃▄▅▆▇█")


def grid_row(server: str, lines: list[str]) -> str:
    """Return the cells of a server of the first service in the gap view, without its name and share."""
    row = next((row for line in lines if (row := line.strip(" ▸")).startswith(f"eu:{server} ")), "")
    return row[13:].rpartition(" %")[0]


def has_trend(line: str) -> bool:
    return len([character for character in line if character in BLOCKS]) >= 4


@pytest.mark.parametrize(("columns", "rows"), SIZES)
async def test_demo_shows_trends_gaps_details_and_deletes(tmp_path: Path, columns: int, rows: int) -> None:
    for speed in SPEEDS:
        if await run_demo(tmp_path, columns, rows, speed):
            return
    raise AssertionError("at no speed was the gap of edge-2, and only of edge-2, seen open and then filled")


async def run_demo(tmp_path: Path, columns: int, rows: int, speed: str) -> bool:
    """Run the demo and assert all but its speed: return whether only edge-2's gap was seen open and then filled."""
    async with terminal(tmp_path, columns, rows, "demo", "--speed", speed) as console:
        await console.wait_for_screen("sessions with trends", lambda lines: sum(map(has_trend, lines)) >= 3)

        await console.keys("Home")  # the cursor follows the session that was first: of either service
        await console.keys("g")
        lines = await console.wait_for_screen(
            "the gap of edge-2, open or filled", lambda lines: bool({"·", "▒"} & set(grid_row("edge-2", lines)))
        )
        if "·" not in grid_row("edge-2", lines):
            return False
        lines = await console.wait_for_screen(
            "the gap filled in", lambda lines: "▒" in (row := grid_row("edge-2", lines)) and "·" not in row
        )
        if "▒" in grid_row("edge-1", lines):  # the machine was too busy for this speed, and every agent was late
            return False
        await console.keys("N")
        await console.wait_for_screen("the gap's description", contains("connections"))
        await console.keys("Escape")

        await console.wait_for_screen("the sessions again", contains("live/stage-1"))
        if columns < 160:  # from there on it is open
            await console.keys("Enter")
        lines = await console.wait_for_screen("the detail", contains("SERVER"))
        assert any(line.lstrip("│ ").find("edge-1") >= 0 for line in lines)
        await console.keys("Escape")
        await console.wait_for_screen("the table again", lambda lines: not any("SHARE" in line for line in lines))

        await console.keys("/")
        await console.wait_for_screen("the prompt", contains("state=live"))
        await console.keys(*"state=ended", "Enter")
        lines = await console.wait_for_screen("ended sessions only", contains("hidden)"))
        await console.wait_for_screen("no live session among them", contains("0 on air of"))
        await console.keys("d")
        await console.wait_for_screen("the dialog", contains("Daily statistics are kept"))
        await console.keys("Right", "Enter")
        await console.wait_for_screen("the delete verified", contains("; verified"))

        await console.keys("q")
        lines = await console.wait_for_screen("the end", contains("left with"))
        assert "left with 0" in "\n".join(lines)
        assert not list((tmp_path / "home").iterdir()), "the demo leaves no file in the home directory"
    return True


@pytest.mark.parametrize("seen", ["starting the service", "live/stage-1"])
async def test_closed_terminal_leaves_no_files_of_the_demo(tmp_path: Path, seen: str) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    async with terminal(tmp_path, 100, 30, "demo", TMPDIR=str(scratch)) as console:
        await console.wait_for_screen(seen, contains(seen))
        await wait_until(lambda: list(scratch.iterdir()), "the demo's files")
    await wait_until(lambda: not list(scratch.iterdir()), "the demo's files deleted")


@pytest.mark.parametrize("term", ["xterm-256color", "screen-256color", "tmux-256color", "linux"])
async def test_no_color_prints_no_colours_and_no_greys(tmp_path: Path, term: str) -> None:
    async with terminal(tmp_path, 100, 30, "demo", "--speed", "30", term=term, NO_COLOR="1") as console:
        await console.wait_for_screen("sessions", contains("live/stage-1"))
        codes = set(re.findall(r"\x1b\[([0-9;]*)m", await console.coloured()))
        assert {number for code in codes for number in code.split(";")} <= {"0", "1", "4", "7", "39", "49", ""}


async def test_linux_console_receives_16_colours_and_no_braille(tmp_path: Path) -> None:
    async with terminal(tmp_path, 100, 30, "demo", "--speed", "30", term="linux") as console:
        await console.wait_for_screen("sessions", contains("live/stage-1"))
        await console.keys("Enter")
        lines = await console.wait_for_screen("the detail", contains("SERVER"))
        assert not any("\u2800" <= character <= "\u28ff" for line in lines for character in line)
        assert not re.search(r"\x1b\[[0-9;]*[34]8;[25];", await console.coloured())


async def test_dumb_terminal_error_names_the_alternative(tmp_path: Path) -> None:
    async with terminal(tmp_path, 100, 30, term="dumb") as console:
        lines = await console.wait_for_screen("the end", contains("left with"))
        assert "streamtop ls" in "\n".join(lines)
        assert "left with 2" in "\n".join(lines)


async def test_console_without_a_terminal_is_refused_with_reason(streamtop: Program) -> None:
    ended = await streamtop(TERM="xterm")
    assert ended.code == 2
    assert ended.out == ""
    assert "needs a terminal" in ended.err
    assert (await streamtop("demo", TERM="xterm")).code == 2
