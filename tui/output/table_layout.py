"""The widths of a table's columns, and which columns a narrow terminal leaves out. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

WIDEST_CELL = 60
"""Widest column in cells. On a terminal longer text is cut; elsewhere it is printed in full."""
NARROWEST_TEXT = 24
"""A text is shortened to so many cells before a column is left out."""
SEPARATOR = "  "


class Layout(NamedTuple):
    """The columns that are shown, by position, and the width of each of them in cells."""

    shown: list[int]
    widths: list[int]


def fit(widths: Sequence[int], smallest: Sequence[int], leave_out: Sequence[int], cells: int) -> Layout:
    """Return the layout of columns that are `widths` wide, in a terminal of `cells`.

    Columns are left out in the order of `leave_out` until the others fit with texts as narrow as `smallest`; the texts
    then share what is left, the widest shrinking first. What cannot fit keeps its smallest width: the terminal wraps
    the lines, and nothing is lost.
    """
    shown = list(range(len(widths)))
    for column in leave_out:
        if _total([smallest[at] for at in shown]) <= cells or len(shown) == 1:
            break
        if _total([widths[at] for at in shown]) <= cells:
            break
        shown.remove(column)
    chosen = [widths[at] for at in shown]
    least = [smallest[at] for at in shown]
    while (excess := _total(chosen) - cells) > 0:
        shrinkable = [at for at in range(len(shown)) if chosen[at] > least[at]]
        if not shrinkable:
            break
        widest = max(shrinkable, key=lambda at: chosen[at])
        others = [chosen[at] for at in shrinkable if chosen[at] < chosen[widest]]
        floor = max(least[widest], max(others, default=0))
        chosen[widest] = max(floor, chosen[widest] - excess) if floor < chosen[widest] else chosen[widest] - 1
    return Layout(shown, chosen)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(SEPARATOR) * max(0, len(widths) - 1)
