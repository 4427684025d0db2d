"""The pictures in screenshots/ match the current console."""

import re
from pathlib import Path

import pytest
from rich.segment import Segment
from rich.style import Style

from tests.support.program import REPOSITORY
from tui.demo.picture import CELL_WIDTH, MARGIN, picture
from tui.demo.screenshots import draw_all

FOLDER = REPOSITORY / "screenshots"


async def test_pictures_match_the_current_console(tmp_path: Path) -> None:
    drawings = await draw_all(tmp_path)
    assert set(drawings) == {path.stem for path in FOLDER.glob("*.svg")} == {path.stem for path in FOLDER.glob("*.png")}
    stale = [name for name, svg in drawings.items() if (FOLDER / f"{name}.svg").read_text("utf-8") != svg]
    assert not stale, f"{', '.join(stale)}: check the differences, then redraw with python -m tui.demo.screenshots"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.svg")), ids=lambda path: path.stem)
def test_picture_references_no_external_resource(path: Path) -> None:
    text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|@import|@font-face|<image|<script|href", text)


def test_every_character_is_drawn_in_its_cell() -> None:
    line = [Segment("a日", Style(bold=True)), Segment("█▒", Style(color="#ff0000")), Segment("<&", Style(reverse=True))]
    drawn = picture([line], 8, ink="#ffffff", ground="#000000")
    assert (
        f'<text x="{MARGIN + CELL_WIDTH}" y="25" textLength="18" fill="#ffffff" font-weight="bold">日</text>' in drawn
    )
    assert f'<rect x="{MARGIN + 3 * CELL_WIDTH}" y="10" width="9" height="20" fill="#ff0000"/>' in drawn
    assert f'<rect x="{MARGIN + 5 * CELL_WIDTH}" y="10" width="18" height="20" fill="#ffffff"/>' in drawn
    assert ">&lt;&amp;</text>" in drawn
