"""Cells of a screen: what a text occupies, and which widths terminals disagree about. Pure."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from rich.cells import get_character_cell_size, split_graphemes

from tui.display.styles import PLAIN, Style, blank_style

Cell = tuple[str, Style]
"""Text and style. The second cell of a wide character has the text `""`."""
Line = list[Cell]

BLANK: Cell = (" ", PLAIN)


class Terminal(NamedTuple):
    """What is known of a terminal."""

    erases_in_colour: bool = False
    """Whether it erases in the background of the style, and not in its own."""
    ambiguous_is_narrow: bool = False
    """Whether characters of ambiguous width (`●`, `▒`, `é`) are known to take one cell."""


@lru_cache(8192)
def is_doubtful(text: str, *, ambiguous: bool = True) -> bool:
    """Return whether terminals disagree about how many cells the text of a cell takes.

    They do about emoji, whatever joins or combines, characters that are newer than their tables, and those of ambiguous
    width unless `ambiguous` is false.
    """
    if text.isascii():
        return len(text) > 1
    if len(text) > 1:
        return True
    width = unicodedata.east_asian_width(text)
    return (
        (width == "A" and (ambiguous or get_character_cell_size(text) != 1))
        or (text >= "\U0001f000" and not "\U00020000" <= text < "\U000e0000")
        or ("\u2300" <= text < "\u2c00" and width == "W")
        or unicodedata.category(text) in ("Mn", "Mc", "Me", "Cf", "Cn", "Co")
        or get_character_cell_size(text) != (2 if width in "WF" else 1)
    )


@lru_cache(8192)
def _is_simple(character: str) -> bool:
    """Return whether a character takes cells of its own, whatever is beside it."""
    return get_character_cell_size(character) > 0 and character not in "\u200d\ufe0f"


def split_cells(text: str, style: Style) -> tuple[str, Line]:
    """Return the cells of a text, after what combines with the cell before it."""
    if text.isascii() or all(map(_is_simple, text)):
        spans: Sequence[tuple[str, int]] = [
            (character, 1 if character < "\u0300" else get_character_cell_size(character)) for character in text
        ]
    else:
        spans = [(text[start:end], size) for start, end, size in split_graphemes(text)[0]]
    combining = ""
    cells: Line = []
    on_blank = (" ", blank_style(style))
    for grapheme, size in spans:
        if grapheme == " ":
            cells.append(on_blank)
        elif size:
            cells.append((grapheme, style))
            if size > 1:
                cells.append(("", style))
        elif cells:
            last = -1 if cells[-1][0] else -2
            cells[last] = (cells[last][0] + grapheme, cells[last][1])
        else:
            combining += grapheme
    return combining, cells


def first_doubtful(line: Line, terminal: Terminal) -> int:
    """Return the first cell of doubtful width; the length of the line without one."""
    ambiguous = not terminal.ambiguous_is_narrow
    for at, (text, _) in enumerate(line):
        if (text > "~" or len(text) > 1) and is_doubtful(text, ambiguous=ambiguous):
            return at
    return len(line)
