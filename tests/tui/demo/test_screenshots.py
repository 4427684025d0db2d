"""The pictures in screenshots/ match the current console."""

import json
import re
from pathlib import Path

import pytest

from tests.support.program import REPOSITORY
from tui.demo.screenshots import draw_all, draw_film

FOLDER = REPOSITORY / "screenshots"
MOVING = "demo"
MOST_BYTES = 500_000
REDRAW = "check the differences, then redraw with python -m tui.demo.screenshots"


async def test_pictures_match_the_current_console(tmp_path: Path) -> None:
    drawings = await draw_all(tmp_path)
    stems = {path.stem for path in FOLDER.glob("*.svg")} - {MOVING}
    assert set(drawings) == stems == {path.stem for path in FOLDER.glob("*.png")}
    stale = [name for name, svg in drawings.items() if (FOLDER / f"{name}.svg").read_text("utf-8") != svg]
    assert not stale, f"{', '.join(stale)}: {REDRAW}"


async def test_moving_picture_and_cast_match_the_current_console(tmp_path: Path) -> None:
    drawn = await draw_film(tmp_path)
    stale = [name for name, text in drawn.items() if (FOLDER / name).read_text("utf-8") != text]
    assert not stale, f"{', '.join(stale)}: {REDRAW}"


def test_moving_picture_is_small_and_shows_the_outage_and_the_days() -> None:
    assert (FOLDER / f"{MOVING}.svg").stat().st_size < MOST_BYTES
    lines = (FOLDER / f"{MOVING}.cast").read_text("utf-8").splitlines()
    header, *events = map(json.loads, lines)
    assert (header["version"], header["width"]) == (2, 96)
    assert 20 <= events[-1][0] <= 30
    shown = "".join(text for _, _, text in events)
    assert [word for word in ("owes", "≥", "backfilled", "RECOVERED", "CUSTOMER") if word not in shown] == []


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.svg")), ids=lambda path: path.stem)
def test_picture_references_no_external_resource(path: Path) -> None:
    text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|@import|@font-face|<image|<script|href|\bon\w+=", text)
