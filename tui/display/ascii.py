"""Text for terminals that display ASCII only, cell by cell: each replacement is as wide as what it replaces. Pure."""

import re
import unicodedata
from functools import lru_cache

from rich.cells import split_graphemes

GLYPHS = {
    **dict(zip("▁▂▃▄▅▆▇█", "_,~=+*&#", strict=True)),
    **{"▒": "%", "·": ".", "×": "x", "–": "-", "»": ">", "…": "~", "≥": ">", "±": "~", "‖": "|", "≈": "^"},
    **{"●": "*", "▲": "!", "▸": ">", "▶": ">", "▾": "v", "▴": "^", "✓": "x", "•": "*", "⏎": "<", "⇧": "^"},
    **{"←": "<", "→": ">", "↑": "^", "↓": "v", "░": ":", "▓": "%", "─": "-", "━": "-", "│": "|", "┃": "|", "┤": "|"},
    **dict.fromkeys("╭╮╰╯┌┐└┘├┬┴┼┏┓┗┛", "+"),
    **{"“": '"', "”": '"', "‘": "'", "’": "'"},
    **dict.fromkeys("▔▀▎▌▍▋▊▉▐▏▕", "|"),
    **{"▔": "-", "▀": '"', "\ufffd": "?", "\u2423": "_", "\u25cc": " "},
}
"""The console's own glyphs. Those of provenance and of heights differ among themselves."""
_KEYS = {"⏎": "enter", "⇧": "shift+", "←": "left", "→": "right", "↑": "up", "↓": "down"}
_OTHER = re.compile(r"[\x20-\x7e]?[^\x00-\x7f]+")


def to_ascii(text: str) -> str:
    """Return a text, or a frame with escape sequences, in ASCII of the same width."""
    return text if text.isascii() else _OTHER.sub(lambda found: _replacement(found[0]), text)


def key_name(shown: str) -> str:
    """Return the name of a key for a terminal without its sign: `enter` for `⏎`."""
    return "".join(_KEYS.get(character, character) for character in shown)


@lru_cache(8192)
def _replacement(text: str) -> str:
    return "".join(_in_cells(text[start:end], cells) for start, end, cells in split_graphemes(text)[0])


def _in_cells(grapheme: str, cells: int) -> str:
    """Return an accented letter as its letter, and what has no likeness as `?`, in so many cells."""
    first = grapheme[:1]
    like = GLYPHS.get(first) or unicodedata.normalize("NFKD", first).encode("ascii", "ignore").decode()
    return (like if len(like) == cells else "?" * cells)[:cells]
