"""Subscribers over time as one line of glyphs. Pure.

A figure is a block whose height is its share of the highest: zero is the lowest block, and every figure above zero is
higher. The highest leaves an eighth of the line free, so that the trends of a table do not touch. Time without a
figure never looks like a low one: `▒` is backfilled, `·` is missing, `×` is lost, a blank was not polled.
"""

from collections.abc import Sequence
from enum import Enum

BLOCKS = "▁▂▃▄▅▆▇"


class NoFigure(Enum):
    """Why an interval has no figure; the value is its glyph."""

    BACKFILLED = "▒"
    MISSING = "·"
    LOST = "×"
    NOT_SEEN = " "


Point = int | NoFigure


def sparkline(points: Sequence[Point], highest: int) -> str:
    """Return one glyph a point, scaled so that `highest` is a full block."""
    return "".join(point.value if isinstance(point, NoFigure) else block(point, highest) for point in points)


def block(figure: int, highest: int) -> str:
    """Return the block of one figure. A figure above `highest` is full, one below zero is drawn as zero."""
    if figure <= 0:
        return BLOCKS[0]
    steps = len(BLOCKS) - 1
    return BLOCKS[min(steps, max(1, -(-figure * steps // max(figure, highest))))]


def merge_points(points: Sequence[Point]) -> Point:
    """Return one point for several: the highest figure, unless one of them is missing or backfilled."""
    for reason in (NoFigure.MISSING, NoFigure.BACKFILLED):
        if reason in points:
            return reason
    figures = [point for point in points if isinstance(point, int)]
    return max(figures) if figures else NoFigure.NOT_SEEN
