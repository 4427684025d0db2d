"""Frames as Textual writes them: absolute moves, SGR, links and text. Pure."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tui.display.cells import Line, split_cells
from tui.display.styles import PLAIN, Style, UnknownSequenceError, apply_sgr

_SEQUENCE = re.compile(
    r"\x1b\[(?:(?P<row>\d*);(?P<column>\d*)H|(?P<home>)H|(?P<sgr>[\d;]*)m)"
    r"|\x1b\]8;(?P<link>[^;\x07\x1b]*;[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|(?P<end>\n)"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Run(NamedTuple):
    """Cells that a frame writes from a place on."""

    y: int
    x: int
    combining: str
    """What combines with the cell before the run."""
    cells: Line
    style: Style
    """The whole style, of which blanks have only what is visible."""


class Place(NamedTuple):
    """Where a frame leaves the cursor."""

    y: int
    x: int


def parse_frame(data: str) -> Iterator[Run | Place]:
    """Return what a frame writes, in its order, and at last where it leaves the cursor.

    Raises `UnknownSequenceError` for anything else than moves, SGR, links and text, as soon as it is reached.
    """
    y = x = -1  # unknown before the first move
    style: Style = PLAIN
    at = 0
    for found in _SEQUENCE.finditer(data):
        if found.start() > at:
            run = _run(data[at : found.start()], y, x, style)
            x += len(run.cells)
            yield run
        at = found.end()
        kind = found.lastgroup
        if kind == "sgr":
            parameters = found["sgr"]
            style = Style(link=style.link) if parameters in ("", "0") else apply_sgr(style, parameters)
        elif kind == "column":
            y, x = max(1, int(found["row"] or 1)) - 1, max(1, int(found["column"] or 1)) - 1
        elif kind == "home":
            y = x = 0
        elif kind == "link":
            style = style._replace(link=found["link"] if found["link"].partition(";")[2] else "")
        else:
            y, x = y + 1, 0
    if at < len(data):
        run = _run(data[at:], y, x, style)
        x += len(run.cells)
        yield run
    yield Place(y, x)


def _run(text: str, y: int, x: int, style: Style) -> Run:
    if y < 0:
        raise UnknownSequenceError("text before the first move")
    if not (text.isascii() and text.isprintable()) and _CONTROL.search(text):
        raise UnknownSequenceError("a control character")
    return Run(y, x, *split_cells(text, style), style)
