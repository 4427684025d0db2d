"""Screens of the film as cells, which an asciicast is written from. Pure."""

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style as RichStyle

from tui.demo.moving_picture import Screen
from tui.display.cells import BLANK, Line, split_cells
from tui.display.styles import PLAIN, Style


def cells_of(screen: Screen, columns: int, rows: int) -> list[Line]:
    """Return the lines of a screen. Lines beyond `rows` and cells beyond `columns` are left out."""
    blank = [[BLANK] * columns for _ in range(rows - len(screen.lines))]
    return [_cells(line, columns) for line in screen.lines[:rows]] + blank


def _cells(line: Iterable[Segment], columns: int) -> Line:
    cells: Line = []
    for segment in line:
        if not segment.control:
            cells += split_cells(segment.text, _style(segment.style))[1]
    if len(cells) > columns and not cells[columns][0]:
        cells[columns - 1] = BLANK  # a wide character beyond the edge
    return (cells + [BLANK] * (columns - len(cells)))[:columns]


def _style(style: RichStyle | None) -> Style:
    """Return a style without its link, whose address belongs to the machine."""
    if style is None:
        return PLAIN
    names = {
        1: style.bold,
        2: style.dim,
        3: style.italic,
        4: style.underline,
        5: style.blink,
        7: style.reverse,
        9: style.strike,
    }
    ink, ground = style.color, style.bgcolor
    return Style(
        frozenset(code for code, is_on in names.items() if is_on),
        "" if ink is None or ink.is_default else ";".join(ink.get_ansi_codes(foreground=True)),
        "" if ground is None or ground.is_default else ";".join(ground.get_ansi_codes(foreground=False)),
    )
