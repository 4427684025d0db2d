"""A screen as an SVG picture."""

from rich.segment import Segment
from rich.style import Style

from tui.demo.picture import CELL_WIDTH, MARGIN, picture


def test_every_character_is_drawn_in_its_cell() -> None:
    line = [Segment("a日", Style(bold=True)), Segment("█▒", Style(color="#ff0000")), Segment("<&", Style(reverse=True))]
    drawn = picture([line], 8, ink="#ffffff", ground="#000000")
    assert (
        f'<text x="{MARGIN + CELL_WIDTH}" y="25" textLength="18" fill="#ffffff" font-weight="bold">日</text>' in drawn
    )
    assert f'<rect x="{MARGIN + 3 * CELL_WIDTH}" y="10" width="9" height="20" fill="#ff0000"/>' in drawn
    assert f'<rect x="{MARGIN + 5 * CELL_WIDTH}" y="10" width="18" height="20" fill="#ffffff"/>' in drawn
    assert ">&lt;&amp;</text>" in drawn
