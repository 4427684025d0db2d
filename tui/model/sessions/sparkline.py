"""Subscribers over time as one line of glyphs. Pure.

A figure is a block whose height is its share of the highest: zero is the lowest block, anything above zero is higher
than that. The highest leaves an eighth of the line free, so that the trends of a table do not run into each other.
What is not a figure never looks like a low one: `▒` was filled in after an outage, `·` is owed by a server, `×` can
never come, a blank was not looked at.
"""

from collections.abc import Sequence
from enum import Enum

BLOCKS = "▁▂▃▄▅▆▇"


class NoFigure(Enum):
    """Why there is no figure for a stretch of time; the value is its glyph."""

    BACKFILLED = "▒"
    MISSING = "·"
    LOST = "×"
    NOT_SEEN = " "


Point = int | NoFigure


def sparkline(points: Sequence[Point], highest: int) -> str:
    """One glyph a point, scaled so that `highest` is a full block."""
    return "".join(point.value if isinstance(point, NoFigure) else block(point, highest) for point in points)


def block(figure: int, highest: int) -> str:
    """The block of one figure. Above `highest` it is full; below zero it is drawn as zero."""
    if figure <= 0:
        return BLOCKS[0]
    steps = len(BLOCKS) - 1
    return BLOCKS[min(steps, max(1, -(-figure * steps // max(figure, highest))))]


def folded(points: Sequence[Point]) -> Point:
    """One point for several: the highest figure, but what is owed or was filled shows through."""
    for reason in (NoFigure.MISSING, NoFigure.BACKFILLED):
        if reason in points:
            return reason
    figures = [point for point in points if isinstance(point, int)]
    return max(figures) if figures else NoFigure.NOT_SEEN
