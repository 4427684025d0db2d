"""The pictures in screenshots/ match the current console."""

import re
from pathlib import Path

import pytest

from tests.support.program import REPOSITORY
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
