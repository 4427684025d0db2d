"""Subscribers over time as a filled area of several lines of glyphs, from zero on. Pure.

Inks and glyphs without a figure are those of a sparkline; backfilled columns are underlined in the lowest line.
"""

from collections.abc import Sequence

from tui.model.sessions.sparkline import BLOCKS, NoFigure, Point, figure_of, ink_of

BRAILLE = "⣀⣤⣶⣿"
"""A cell of braille, filled from below."""


def draw_area(points: Sequence[Point], highest: int, lines: int, *, braille: bool) -> list[list[tuple[str, str]]]:
    """Return the lines, the uppermost first, each with a glyph and its ink for every point.

    Zero is the lowest step, and every figure above zero is higher.
    """
    return [[_glyph(point, highest, line, lines, BRAILLE if braille else BLOCKS) for point in points]
            for line in reversed(range(lines))]  # fmt: skip


def _glyph(point: Point, highest: int, line: int, lines: int, fills: str) -> tuple[str, str]:
    """Return the glyph of a point in a line, which is 0 for the lowest."""
    ink = ink_of(point) if line == 0 or ink_of(point) != "refilled" else "backfilled"
    if isinstance(point, NoFigure):
        return (point.value, ink) if line == 0 else (" ", "")
    figure, steps = figure_of(point) or 0, lines * len(fills)
    height = 1 if figure <= 0 else min(steps, max(2, -(-figure * steps // max(1, highest))))
    filled = min(len(fills), height - line * len(fills))
    return (fills[filled - 1], ink) if filled > 0 else (" ", "")
