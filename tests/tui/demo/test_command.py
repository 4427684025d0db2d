"""The demo driven in a real terminal: what a newcomer sees, from the first table to the last key."""

import re
from pathlib import Path

import pytest

from tests.support.console.terminal import holds, terminal
from tests.support.program import Program
from tests.support.real.processes import until

pytestmark = pytest.mark.terminal

SIZES = [(80, 24), (200, 50)]
SPEEDS = ["60", "12", "4"]
"""The slower the demo's time runs, the longer its outage (8 s, 15 s, 45 s) and the less its agents are late on a busy
machine."""
BLOCKS = set("▁▂▃▄▅▆▇█")


def row_of(server: str, lines: list[str]) -> str:
    """The cells of a server in the gap view, without its name and share."""
    row = next((row for line in lines if (row := line.strip(" ▸")).startswith(f"{server} ")), "")
    return row[13:].rpartition(" %")[0]


def has_trend(line: str) -> bool:
    return len([character for character in line if character in BLOCKS]) >= 4


@pytest.mark.parametrize(("columns", "rows"), SIZES)
async def test_the_demo_from_its_first_table_to_its_end(tmp_path: Path, columns: int, rows: int) -> None:
    for speed in SPEEDS:
        if await shows_one_outage_and_all_else(tmp_path, columns, rows, speed):
            return
    raise AssertionError("at no speed was the gap of edge-2, and only of edge-2, seen open and then filled")


async def shows_one_outage_and_all_else(tmp_path: Path, columns: int, rows: int, speed: str) -> bool:
    """Return whether edge-2's gap, and no other server's, was seen open and then filled. All else is asserted."""
    async with terminal(tmp_path, columns, rows, "demo", "--speed", speed) as console:
        await console.until("sessions with trends", lambda lines: sum(map(has_trend, lines)) >= 3)

        await console.keys("g")
        lines = await console.until(
            "what edge-2 owes or owed", lambda lines: bool({"·", "▒"} & set(row_of("edge-2", lines)))
        )
        if "·" not in row_of("edge-2", lines):
            return False
        lines = await console.until(
            "the gap filled in", lambda lines: "▒" in (row := row_of("edge-2", lines)) and "·" not in row
        )
        if "▒" in row_of("edge-1", lines):  # the machine was too busy for this speed, and every agent was late
            return False
        await console.keys("N")
        await console.until("the gap in words", holds("connections"))
        await console.keys("Escape")

        await console.until("the sessions again", holds("live/stage-1"))
        await console.keys("Enter")
        lines = await console.until("the detail", holds("SERVER"))
        assert any(line.lstrip("│ ").find("edge-1") >= 0 for line in lines)
        await console.keys("Escape")
        await console.until("the table again", lambda lines: not any("SHARE" in line for line in lines))

        await console.keys("/")
        await console.until("the prompt", holds("state=live"))
        await console.keys(*"state=ended", "Enter")
        lines = await console.until("ended sessions only", holds("hidden)"))
        await console.until("no live one among them", lambda lines: not any("live/stage-1" in line for line in lines))
        await console.keys("d")
        await console.until("the dialog", holds("Daily statistics are kept"))
        await console.keys("Right", "Enter")
        await console.until("the delete verified", holds("lists none of them"))

        await console.keys("q")
        lines = await console.until("the end", holds("left with"))
        assert "left with 0" in "\n".join(lines)
        assert not list((tmp_path / "home").iterdir()), "nothing is left behind"
    return True


@pytest.mark.parametrize("seen", ["making the last 45 minutes", "live/stage-1"])
async def test_a_terminal_that_is_closed_leaves_nothing_behind(tmp_path: Path, seen: str) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    async with terminal(tmp_path, 100, 30, "demo", TMPDIR=str(scratch)) as console:
        await console.until(seen, holds(seen))
        assert list(scratch.iterdir())
    await until(lambda: not list(scratch.iterdir()), "nothing left of the demo's files")


@pytest.mark.parametrize("term", ["xterm-256color", "screen-256color", "tmux-256color", "linux"])
async def test_no_colours_means_none_and_no_greys(tmp_path: Path, term: str) -> None:
    async with terminal(tmp_path, 100, 30, "demo", "--speed", "30", term=term, NO_COLOR="1") as console:
        await console.until("sessions", holds("live/stage-1"))
        codes = set(re.findall(r"\x1b\[([0-9;]*)m", await console.coloured()))
        assert {number for code in codes for number in code.split(";")} <= {"0", "1", "4", "7", "39", "49", ""}


async def test_a_linux_console_gets_its_own_sixteen_colours_and_no_braille(tmp_path: Path) -> None:
    async with terminal(tmp_path, 100, 30, "demo", "--speed", "30", term="linux") as console:
        await console.until("sessions", holds("live/stage-1"))
        await console.keys("Enter")
        lines = await console.until("the detail", holds("SERVER"))
        assert not any("\u2800" <= character <= "\u28ff" for line in lines for character in line)
        assert not re.search(r"\x1b\[[0-9;]*[34]8;[25];", await console.coloured())


async def test_dumb_terminal_error_names_the_alternative(tmp_path: Path) -> None:
    async with terminal(tmp_path, 100, 30, term="dumb") as console:
        lines = await console.until("the end", holds("left with"))
        assert "streamtop ls" in "\n".join(lines)
        assert "left with 2" in "\n".join(lines)


async def test_console_without_a_terminal_is_refused_with_reason(streamtop: Program) -> None:
    ended = await streamtop(TERM="xterm")
    assert ended.code == 2
    assert ended.out == ""
    assert "needs a terminal" in ended.err
    assert (await streamtop("demo", TERM="xterm")).code == 2
