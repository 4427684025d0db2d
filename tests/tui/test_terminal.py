"""The demo driven in a real terminal: what a newcomer sees, from the first table to the last key."""

from pathlib import Path

import pytest

from tests.tui.terminal import holds, terminal

pytestmark = pytest.mark.terminal

SIZES = [(80, 24), (200, 50)]
BLOCKS = set("▁▂▃▄▅▆▇█")


def row_of(server: str, lines: list[str]) -> str:
    """The cells of a server in the gap view, without its name and share."""
    row = next((line for line in lines if line.startswith(f"{server} ")), "")
    return row[13:].rpartition(" %")[0]


def has_trend(line: str) -> bool:
    return len([character for character in line if character in BLOCKS]) >= 4


@pytest.mark.parametrize(("columns", "rows"), SIZES)
async def test_the_demo_from_its_first_table_to_its_end(tmp_path: Path, columns: int, rows: int) -> None:
    async with terminal(tmp_path, columns, rows, "demo", "--speed", "60") as console:
        await console.until("sessions with trends", lambda lines: sum(map(has_trend, lines)) >= 3)

        await console.keys("g")
        await console.until("what edge-2 owes", lambda lines: "·" in row_of("edge-2", lines))
        lines = await console.until(
            "the gap filled in", lambda lines: "▒" in (row := row_of("edge-2", lines)) and "·" not in row
        )
        assert "▒" not in row_of("edge-1", lines)
        await console.keys("N")
        await console.until("the gap in words", holds("connections"))
        await console.keys("Escape")

        await console.until("the sessions again", holds("live/stage-1"))
        await console.keys("Enter")
        lines = await console.until("the detail", holds("SERVER"))
        assert any(line.lstrip("│ ").find("edge-1") >= 0 for line in lines)
        await console.keys("Escape")

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
