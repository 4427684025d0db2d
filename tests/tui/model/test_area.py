"""Filled areas: heights, zero, time without a figure, and inks."""

from tui.model.area import draw_area
from tui.model.sessions.sparkline import Mark, MarkedFigure, NoFigure, Point

POINTS: list[Point] = [0, 1, 8, 16, 99, NoFigure.MISSING, NoFigure.NOT_SEEN]


def texts(*, braille: bool) -> list[str]:
    return ["".join(glyph for glyph, _ in line) for line in draw_area(POINTS, 16, 4, braille=braille)]


def test_area_is_filled_from_zero_to_each_figure() -> None:
    assert texts(braille=True) == ["   ⣿⣿  ", "   ⣿⣿  ", "  ⣿⣿⣿  ", "⣀⣤⣿⣿⣿· "]
    assert texts(braille=False) == ["   ██  ", "   ██  ", "  ███  ", "▁▂███· "]


def test_backfilled_columns_are_underlined_in_the_lowest_line() -> None:
    points = [MarkedFigure(4, Mark.BACKFILLED), MarkedFigure(4, Mark.LOWER_BOUND), 4]
    assert [[ink for _, ink in line] for line in draw_area(points, 4, 2, braille=True)] == [
        ["backfilled", "quiet", "good"],
        ["refilled", "quiet", "good"],
    ]
