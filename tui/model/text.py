"""Sanitises text from outside for the terminal and measures it in cells.

Stream names are chosen by publishers. The result of `sanitize` has no control character, no character without a cell of
its own and none that changes the writing direction; markup stays plain text.
"""

import unicodedata
from functools import lru_cache

from rich.cells import cell_len, split_graphemes

UNSHOWABLE = "\ufffd"
_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
_MOST_MARKS = 3
"""Most combining marks on one character; real scripts need no more."""


@lru_cache(maxsize=16_384)
def sanitize(text: str) -> str:
    """Return the text with control characters as control pictures, and invisible or direction-changing ones as `�`."""
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        if category in ("Mn", "Me"):
            marks += 1
            if not shown:
                shown.append("\u25cc")
            if marks > _MOST_MARKS or _is_variation(character):
                shown.append(UNSHOWABLE)
            else:
                shown.append(character)
            continue
        marks = 0
        if character in " \u2400":
            shown.append(character)
        elif category == "Cc":
            shown.append(_PICTURES.get(ord(character), UNSHOWABLE))
        elif category[0] == "C" or category in ("Zl", "Zp"):
            shown.append(UNSHOWABLE)
        elif category == "Zs":
            shown.append("\u2423")
        else:
            shown.append(character if cell_len(character) else UNSHOWABLE)
    return "".join(shown)


def _is_variation(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def width(text: str) -> int:
    """Return the width of the text in cells."""
    return cell_len(text)


@lru_cache(maxsize=16_384)
def shortened(text: str, cells: int) -> str:
    """Return the text in at most `cells` cells; an ellipsis replaces what is cut from the middle.

    More of the end is kept than of the beginning, since stream names differ at their end.
    """
    if cells <= 0:
        return ""
    if cell_len(text) <= cells:
        return text
    if cells == 1:
        return "…"
    graphemes = [(text[start:end], size) for start, end, size in split_graphemes(text)[0]]
    head_cells = (cells - 1) // 3
    tail_cells = cells - 1 - head_cells
    head, spare = _taken(graphemes, head_cells)
    tail, _ = _taken(list(reversed(graphemes)), tail_cells + spare)
    return "".join(head) + "…" + "".join(reversed(tail))


def clipped(text: str, cells: int) -> str:
    """Return the text in at most `cells` cells, cut at its end."""
    if cells <= 0 or cell_len(text) <= cells:
        return text if cells > 0 else ""
    graphemes = [(text[start:end], size) for start, end, size in split_graphemes(text)[0]]
    return "".join(_taken(graphemes, cells - 1)[0]) + "…"


def _taken(graphemes: list[tuple[str, int]], cells: int) -> tuple[list[str], int]:
    taken: list[str] = []
    for grapheme, size in graphemes:
        if size > cells:
            break
        taken.append(grapheme)
        cells -= size
    return taken, cells


def padded(text: str, cells: int) -> str:
    """Return the text in exactly `cells` cells, aligned left."""
    text = shortened(text, cells)
    return text + " " * (cells - cell_len(text))


def padded_left(text: str, cells: int) -> str:
    """Return the text in exactly `cells` cells, aligned right."""
    text = shortened(text, cells)
    return " " * (cells - cell_len(text)) + text
