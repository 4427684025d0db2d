"""Subscribers over time as one line of glyphs. Pure.

A figure is a block whose height is its share of the scale: zero is the lowest block, and every figure above zero is
higher. The inks of the blocks show their provenance: backfilled figures are underlined, and figures that leave a server
out, which are lower bounds, are dim. Time without a figure never looks like a low one: `·` is missing, `×` is lost, `▒`
was backfilled without a known height, a blank was not polled.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple

BLOCKS = "▁▂▃▄▅▆▇█"
RAISED = "≈"
"""Stands before a line whose scale does not begin at zero."""

_STEADY_SHARE = 50
"""A swing below one part in this many is no swing: the line is flat."""


class NoFigure(Enum):
    """Why an interval has no figure; the value is its glyph."""

    BACKFILLED = "▒"
    MISSING = "·"
    LOST = "×"
    NOT_SEEN = " "


class Mark(Enum):
    """What a figure is that is not an ordinary one; the value is its ink."""

    BACKFILLED = "refilled"
    LOWER_BOUND = "quiet"


class MarkedFigure(NamedTuple):
    """A figure that was backfilled, or that leaves a server out."""

    figure: int
    mark: Mark


Point = int | MarkedFigure | NoFigure

_NO_FIGURE_INKS = {
    NoFigure.BACKFILLED: "backfilled",
    NoFigure.MISSING: "missing",
    NoFigure.LOST: "lost",
    NoFigure.NOT_SEEN: "",
}


class Scale(NamedTuple):
    """The figures of the lowest block above zero and of the highest one."""

    lowest: int
    highest: int

    @property
    def is_raised(self) -> bool:
        """Whether the scale begins above zero, which `RAISED` shows."""
        return self.lowest > 0


def figure_of(point: Point) -> int | None:
    """Return the figure of a point, also of a marked one."""
    return None if isinstance(point, NoFigure) else point.figure if isinstance(point, MarkedFigure) else point


def known_figures(points: Iterable[Point]) -> list[int]:
    """Return the figures of those points that have one."""
    return [figure for point in points if (figure := figure_of(point)) is not None]


def exact_figures(points: Iterable[Point]) -> Iterator[int]:
    """Yield the figures of those points that leave no server out."""
    for point in points:
        if not isinstance(point, NoFigure) and not (isinstance(point, MarkedFigure) and point.mark is Mark.LOWER_BOUND):
            yield point.figure if isinstance(point, MarkedFigure) else point


def lower_bound(figure: int | None, without: NoFigure) -> Point:
    """Return the point of a figure that leaves a server out: nothing was seen where it is zero or unknown."""
    return MarkedFigure(figure, Mark.LOWER_BOUND) if figure else without


def scale_of(points: Iterable[Point]) -> Scale:
    """Return the scale that shows the swings of these points.

    It begins at the lowest figure where all of them are in the upper half of a scale from zero, and differ.
    """
    figures = known_figures(points)
    lowest, highest = min(figures, default=0), max(figures, default=0)
    differ = (highest - lowest) * _STEADY_SHARE >= highest
    return Scale(lowest if differ and 0 < highest < 2 * lowest and highest > lowest else 0, highest)


def sparkline(points: Sequence[Point], scale: Scale) -> str:
    """Return one glyph a point."""
    return "".join(_glyph(point, scale) for point in points)


def sparkline_parts(points: Sequence[Point], scale: Scale) -> list[tuple[str, str]]:
    """Return the glyphs of the points as parts with their inks, after a mark where the scale does not begin at zero.

    The mark takes the cell of the oldest point.
    """
    parts = [(RAISED, "quiet")] if scale.is_raised else []
    for point in points[1:] if scale.is_raised else points:
        ink = ink_of(point)
        if parts and parts[-1][1] == ink:
            parts[-1] = (parts[-1][0] + _glyph(point, scale), ink)
        else:
            parts.append((_glyph(point, scale), ink))
    return parts


def _glyph(point: Point, scale: Scale) -> str:
    figure = figure_of(point)
    return point.value if isinstance(point, NoFigure) else block(figure or 0, scale.highest, scale.lowest)


def ink_of(point: Point) -> str:
    """Return the ink that shows the provenance of a point."""
    if isinstance(point, NoFigure):
        return _NO_FIGURE_INKS[point]
    return point.mark.value if isinstance(point, MarkedFigure) else "good"


def block(figure: int, highest: int, lowest: int = 0) -> str:
    """Return the block of one figure. A figure above `highest` is full, one below zero is drawn as zero.

    Above zero the lowest block is that of `lowest`, where a scale does not begin at zero.
    """
    if figure <= 0:
        return BLOCKS[0]
    steps = len(BLOCKS) - 1
    if lowest > 0:
        above = -(-(figure - lowest) * (steps - 1) // max(1, highest - lowest))
        return BLOCKS[min(steps, max(1, 1 + above))]
    return BLOCKS[min(steps, max(1, -(-figure * steps // max(figure, highest))))]


def merge_points(points: Sequence[Point]) -> Point:
    """Return one point for several: the highest figure, unless one of them has none for a reason."""
    for reason in (NoFigure.MISSING, NoFigure.LOST, NoFigure.BACKFILLED):
        if reason in points:
            return reason
    figures = known_figures(points)
    if not figures:
        return NoFigure.NOT_SEEN
    marks = {point.mark for point in points if isinstance(point, MarkedFigure)}
    for mark in (Mark.LOWER_BOUND, Mark.BACKFILLED):
        if mark in marks:
            return MarkedFigure(max(figures), mark)
    return max(figures)
