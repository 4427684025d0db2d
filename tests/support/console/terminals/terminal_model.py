"""A terminal as pyte models it, with what the display stage relies on and pyte leaves out.

That is: dim, concealed and overlined text, links, wide characters of which half is overwritten, and terminals that
disagree about widths.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import pyte
from pyte.modes import DECAWM
from rich.cells import cell_len, get_character_cell_size, split_graphemes

_LINK = re.compile(r"\x1b\]8;([^;\x07\x1b]*;[^\x07\x1b]*)(?:\x07|\x1b\\)")
_SYNC = re.compile(r"\x1b\[\?2026[hl]")
_MORE = {2: "dim", 8: "conceal", 21: "double", 53: "over"}
_LESS = {22: {"dim"}, 28: {"conceal"}, 24: {"double"}, 55: {"over"}}

Seen = tuple[str, ...]
"""What is visible of a cell."""


def usual(character: str) -> int:
    return get_character_cell_size(character)


def as_textual(text: str) -> int:
    """The widths that Textual computes with: those of graphemes."""
    return cell_len(text)


def ambiguous_is_wide(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) == "A" and usual(character) else usual(character)


def old_tables(character: str) -> int:
    """A terminal that knows no emoji and counts what combines."""
    return 1 if character >= "\U0001f000" or unicodedata.category(character) in ("Mn", "Me") else usual(character)


def joins_take_a_cell(character: str) -> int:
    return usual(character) or 1


OPINIONS: dict[str, Callable[[str], int]] = {
    "as Textual": as_textual,
    "usual": usual,
    "ambiguous is wide": ambiguous_is_wide,
    "old tables": old_tables,
    "joins take a cell": joins_take_a_cell,
}


class _Screen(pyte.Screen):
    """The screen of `TerminalModel`."""

    def __init__(self, width: int, height: int, cells: Callable[[str], int], *, erases_in_colour: bool) -> None:
        self.cells, self.link, self.erases_in_colour = cells, "", erases_in_colour
        self.more: set[str] = set()
        super().__init__(width, height)
        self.reset_mode(DECAWM >> 5, private=True)

    def select_graphic_rendition(self, *codes: int, **_: Any) -> None:
        super().select_graphic_rendition(*codes)
        following = iter(codes or (0,))
        for code in following:
            if code in (38, 48):
                for _ in range({5: 1, 2: 3}[next(following)]):
                    next(following)
            elif code == 0:
                self.more = set()
            elif code in _MORE:
                self.more = self.more | {_MORE[code]}
            elif code in _LESS:
                self.more = self.more - _LESS[code]

    def _char(self, text: str) -> pyte.screens.Char:
        attributes = self.cursor.attrs
        return attributes._replace(data=text, fg="|".join([attributes.fg, *sorted(self.more), self.link]))

    def _half(self, x: int) -> None:
        """Blank the half that is left of a wide character whose other half is overwritten at `x`."""
        line = self.buffer[self.cursor.y]
        if x > 0 and line[x].data == "":
            line[x - 1] = line[x - 1]._replace(data=" ")
        if x + 1 < self.columns and line[x + 1].data == "":
            line[x + 1] = line[x + 1]._replace(data=" ")

    def _split(self, data: str) -> Iterator[tuple[str, int]]:
        if self.cells is as_textual:
            yield from ((data[start:end], size) for start, end, size in split_graphemes(data)[0])
        else:
            yield from ((character, self.cells(character)) for character in data)

    def draw(self, data: str) -> None:
        line = self.buffer[self.cursor.y]
        for character, cells in self._split(data):
            x = min(self.cursor.x, self.columns - max(cells, 1))
            if not cells:
                at = self.cursor.x - 1
                at -= at > 0 and line[at].data == ""
                if at >= 0:
                    line[at] = line[at]._replace(data=line[at].data + character)
                continue
            for offset, text in enumerate((character, "")[:cells]):
                self._half(x + offset)
                line[x + offset] = self._char(text)
            self.cursor.x = x + cells

    def erase_in_line(self, how: int = 0, private: bool = False) -> None:
        if self.cursor.x < self.columns:
            self._half(self.cursor.x)
        super().erase_in_line(how, private)
        if not self.erases_in_colour:
            line = self.buffer[self.cursor.y]
            for x in range(self.cursor.x, self.columns):
                line[x] = self.default_char


class TerminalModel:
    """A terminal to which text is written. `text` and `seen` return what it shows."""

    def __init__(
        self, width: int, height: int, opinion: Callable[[str], int] = usual, *, erases_in_colour: bool = True
    ) -> None:
        self.screen = _Screen(width, height, opinion, erases_in_colour=erases_in_colour)
        self._stream = pyte.Stream(self.screen)
        self.received = 0
        """Bytes."""

    def write(self, data: str) -> None:
        """Write what a program writes."""
        self.received += len(data.encode())
        data = _SYNC.sub("", data)
        for number, part in enumerate(_LINK.split(data)):
            if number % 2:
                self.screen.link = part if part.partition(";")[2] else ""
            else:
                self._stream.feed(part.replace("\n", "\r\n"))

    def resize(self, width: int, height: int) -> None:
        """Change the size. What is shown then differs between terminals."""
        self.screen.resize(height, width)

    @property
    def lines(self) -> list[str]:
        """The text of every line."""
        return ["".join(text for text, *_ in line) for line in self.seen]

    @property
    def seen(self) -> list[list[Seen]]:
        """What is visible in every cell."""
        return [list(self.seen_line(y)) for y in range(self.screen.lines)]

    def seen_line(self, y: int) -> Iterator[Seen]:
        """Return what is visible in the cells of a line."""
        line = self.screen.buffer[y]
        for x in range(self.screen.columns):
            text, fg, bg, bold, italics, underscore, strikethrough, reverse, blink = line[x]
            colour, _, more = fg.partition("|")
            decorated = underscore or strikethrough or reverse or "over" in more or "double" in more
            if text == " " and not decorated:
                colour, bold, italics, blink = "default", False, False, False
                more = more.rpartition("|")[2]
            names = ("bold", bold), ("italic", italics), ("under", underscore), ("strike", strikethrough)
            flags = [name for name, on in (*names, ("reverse", reverse), ("blink", blink)) if on]
            yield (text, colour, bg, *sorted(filter(None, (*flags, *more.split("|")))))
