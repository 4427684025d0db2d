"""The cells of a screen, as wide as the terminal."""

from rich.segment import Segment
from rich.style import Style

from tui.demo.moving_picture import Screen
from tui.demo.screen_cells import cells_of

RED = Style(color="#ff0000", bold=True)


def test_cells_have_text_and_colours_and_no_links() -> None:
    screen = Screen(0, [[Segment("a日", RED), Segment("b", Style(link="https://example.org"))]])
    (line, below) = cells_of(screen, 6, 2)
    assert [text for text, _ in line] == ["a", "日", "", "b", " ", " "]
    assert line[0][1] == line[1][1] != line[3][1]
    assert "255;0;0" in line[0][1].foreground
    assert line[3][1] == line[4][1]
    assert [text for text, _ in below] == [" "] * 6


def test_what_is_beyond_the_screen_is_left_out() -> None:
    screen = Screen(0, [[Segment("123日")], [Segment("x")], [Segment("beyond")]])
    lines = cells_of(screen, 4, 2)
    assert ["".join(text for text, _ in line) for line in lines] == ["123 ", "x   "]
