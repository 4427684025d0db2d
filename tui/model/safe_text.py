"""Text from outside made fit to show: one line, nothing that acts on a terminal, nothing invisible. Pure.

Stream names are chosen by publishers. What comes out of `safe_text` holds no control character, no bidi control and no
line break, so that it can neither move the cursor nor rewrite the text around it.
"""

import unicodedata

from rich.cells import cell_len, set_cell_size

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Stands for a character that cannot be shown and has no picture."""

_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
"""Part of how Persian, Hindi and emoji are written."""


def safe_text(text: str) -> str:
    """The text with control characters as their pictures and other invisible ones as `REPLACEMENT`."""
    return text if text.isprintable() else "".join(map(_shown, text))


def cell_width(text: str) -> int:
    """How many cells of a terminal the (safe) text takes."""
    return len(text) if text.isascii() else cell_len(text)


def clipped(text: str, cells: int) -> str:
    """The (safe) text in at most that many cells, with an ellipsis where it had to be cut."""
    return text if cell_width(text) <= cells else set_cell_size(text, max(0, cells - 1)).rstrip() + "…"


def _shown(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\N{SYMBOL FOR DELETE}"
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    return "\N{SYMBOL FOR NEWLINE}" if category in {"Zl", "Zp"} else REPLACEMENT
