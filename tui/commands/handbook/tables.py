"""Widths of a table's columns, such that no word is divided, or that the table does not fit. Pure.

| cells of two columns, 20 cells wide           | widths                                       |
|-----------------------------------------------|----------------------------------------------|
| `a`, `one two three four five`                | 1, 17: the second column has several lines    |
| `streamusage`, `streamusage`                  | none: the words need 24 cells                 |
"""

from collections.abc import Sequence
from itertools import permutations

GAP = 2
"""Cells between two columns."""
MOST_LINES = 9
"""Lines of the highest row that is still readable as a row."""

_STEPS = (16, 8, 4, 2, 1)

Rows = Sequence[Sequence[Sequence[int]]]
"""Widths of the words by row and column."""


def column_widths(rows: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """Return the width of each column; `None` where a word would be divided or a row be too high to be read.

    The first row is the head. Of all widths those with the fewest lines are looked for.
    """
    from rich.cells import cell_len

    words = [[[cell_len(word) for word in cell.split()] for cell in row] for row in rows]
    columns = range(len(rows[0]))
    natural = [max(1, *(cell_len(cell) for cell in column)) for column in zip(*rows, strict=True)]
    least = [max(1, *(max(row[index], default=1) for row in words)) for index in columns]
    left = width - GAP * (len(columns) - 1) - sum(least)
    if left < 0:
        return None
    widths = list(least)
    while left > 0 and (narrow := [index for index in columns if widths[index] < natural[index]]):
        widths[max(narrow, key=lambda index: natural[index] / widths[index])] += 1
        left -= 1
    widths = _improve(words, widths, least)
    return widths if max(_height(row, widths) for row in words) <= MOST_LINES else None


def _improve(rows: Rows, widths: list[int], least: list[int]) -> list[int]:
    """Move cells between columns as long as that saves lines."""
    cost = _cost(rows, widths)
    for step in _STEPS:
        is_better = True
        while is_better:
            is_better = False
            for giver, taker in permutations(range(len(widths)), 2):
                moved = list(widths)
                moved[giver], moved[taker] = moved[giver] - step, moved[taker] + step
                if moved[giver] >= least[giver] and (lower := _cost(rows, moved)) < cost:
                    widths, cost, is_better = moved, lower, True
    return widths


def _cost(rows: Rows, widths: Sequence[int]) -> float:
    """Return the lines of all rows. A name in the first column that is divided counts more."""
    return sum(_height(row, widths) + 0.6 * (lines_of(row[0], widths[0]) - 1) for row in rows)


def _height(row: Sequence[Sequence[int]], widths: Sequence[int]) -> int:
    return max(lines_of(cell, width) for cell, width in zip(row, widths, strict=True))


def lines_of(words: Sequence[int], width: int) -> int:
    """Return how many lines words of these widths take."""
    lines, used = 1, 0
    for needed in words:
        if used and used + 1 + needed > width:
            lines, used = lines + 1, needed
        else:
            used += needed + (1 if used else 0)
    return lines
