"""Screens of a console as differences, each to the screen before. Pure.

A screen that changed is a frame: `[milliseconds since the frame before, change, …]`. A change is
`[line, column, style, text, style, text, …]`: the cells from that place on, in runs of one style. A text is a string of
which each code point is a cell, or, where a cell has more or less than one, a list of the cells' texts; the second cell
of a wide character has the text `""`. The first frame is the difference to a screen of blanks in the first style.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from tui.display.cells import BLANK, Cell, Line
from tui.recording.page.palette import Palette

_LONGEST_BRIDGE = 3
"""Unchanged cells between two changes that are shorter to repeat than to skip."""

Change = list[int | str | list[str]]
EncodedFrame = list[int | Change]


class FrameEncoder:
    """Encodes the screens of one view, oldest first."""

    def __init__(self, columns: int, lines: int, palette: Palette) -> None:
        self._palette = palette
        palette.number(BLANK[1])
        self._shown: list[Line] = [[BLANK] * columns for _ in range(lines)]
        self._at_ms = 0
        self.frames: list[EncodedFrame] = []

    def add(self, at_ms: int, lines: Sequence[Line]) -> bool:
        """Add a screen, unless it is the same as before. Returns whether it was added."""
        changes = [
            change
            for y, (shown, line) in enumerate(zip(self._shown, lines, strict=True))
            if shown != line
            for change in self._changes(y, shown, line)
        ]
        if not changes and self.frames:
            return False
        self.frames.append([at_ms - self._at_ms, *changes])
        self._at_ms = at_ms
        self._shown = [list(line) for line in lines]
        return True

    def _changes(self, y: int, shown: Line, line: Line) -> Iterator[Change]:
        for begin, end in _stretches(shown, line):
            change: Change = [y, begin]
            for style, cells in groupby(line[begin:end], self._number):
                change += [style, _text([text for text, _ in cells])]
            yield change

    def _number(self, cell: Cell) -> int:
        return self._palette.number(cell[1])


def _stretches(shown: Line, line: Line) -> Iterator[tuple[int, int]]:
    """Yield the stretches of cells that differ, as (begin, end). A short one that does not is part of them."""
    begin = end = -1
    for at, (before, after) in enumerate(zip(shown, line, strict=True)):
        if before != after:
            if begin < 0:
                begin = at
            elif at - end > _LONGEST_BRIDGE:
                yield begin, end
                begin = at
            end = at + 1
    if begin >= 0:
        yield begin, end


def _text(cells: list[str]) -> str | list[str]:
    return "".join(cells) if all(len(text) == 1 for text in cells) else cells
