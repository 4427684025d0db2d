"""The stage: it receives what Textual writes and returns what to send to the terminal instead. Pure."""

import re
from collections.abc import Sequence

from tui.display.cells import BLANK, Cell, Line, Terminal
from tui.display.frames import Place, Run, parse_frame
from tui.display.lines import write_difference
from tui.display.pen import Pen
from tui.display.scrolling import Scroll, find_scroll, scroll_sequence
from tui.display.styles import PLAIN, blank_style, is_erasable, transition

SYNC_START = "\x1b[?2026h"
SYNC_END = "\x1b[?2026l"

AMBIGUOUS = "·×–…≥●▲▒█▁┤é"
"""Characters of ambiguous width: a terminal draws all of them in one cell, or as many as it likes in two."""
WIDTH_PROBE = f"\x1b[H{AMBIGUOUS}\x1b[6n\r\x1b[K"
"""Makes the terminal report its cursor behind these characters, and erases them."""

_FEWEST_SCROLLED = 3
"""Changed lines from which the terminal may be able to move some of them."""

_MOST_ORDERED = 6
"""Changed lines up to which their order is chosen: a style that is left and taken up again costs more than a move."""
_MOST_ORDERED_BYTES = 200
"""Bytes up to which it is: beyond, a style more or less is no matter, and time is."""

is_harmless = re.compile(
    r"(?:\x07"  # the bell
    r"|\x1b\](?!8;)[^\x07\x1b]*(?:\x07|\x1b\\)"  # title, clipboard, notification, shape of the pointer
    r"|\x1b\[\?(?:7|25|100[0-6]|101[56]|2004|2048)[hl]"  # modes of mouse, focus, paste and line wrap
    r"|\x1b\[\?\d+\$p"  # queries
    r"|\x1b\[[<>]\d*u"  # the keyboard protocol
    r")+"
).fullmatch
"""What changes neither a cell nor the cursor's place nor the style."""
_starts_with_a_move = re.compile(r"\x1b\[(?:\d*;\d*)?H").match


class Stage:
    """The screen as Textual meant it, and as the terminal shows it."""

    def __init__(self, width: int, height: int, terminal: Terminal = Terminal()) -> None:  # noqa: B008 - it is constant
        self.terminal = terminal
        self._in_sync = False
        self._pen = Pen()
        self._set_size(width, height)

    def _set_size(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._meant: list[Line] = [[BLANK] * width for _ in range(height)]
        self._painted: set[int] = set()
        """Lines that Textual has painted in this size."""
        self.forget()

    @property
    def lines(self) -> Sequence[Line]:
        """The screen as Textual meant it. The lines change with the next write."""
        return self._meant

    def forget(self) -> None:
        """Note that the terminal may show anything: the next frame writes every line."""
        self._shown: dict[int, Line] = {}
        style = self._pen.style
        self._pen = Pen(self.width)
        if style is not None and style.link:
            self._pen.written.append(transition(style, style._replace(link="")))
        self._changed = set(self._painted)
        """Lines that may differ from what is shown."""

    def resize(self, width: int, height: int) -> None:
        """Set the terminal's size. A terminal that changed its size may show anything."""
        if (width, height) != (self.width, self.height):
            self._set_size(width, height)

    def receive(self, data: str) -> str:
        """Return what to send to the terminal for one write of Textual; empty if nothing.

        Raises `UnknownSequenceError` for a frame that cannot be parsed; then the stage is of no use any more.
        """
        if data in (SYNC_START, SYNC_END):
            self._in_sync = data == SYNC_START
            return ""
        if is_harmless(data):
            return data
        if not _starts_with_a_move(data):
            return self._pass_on(data)
        written = self._write_changes(self._paint(data))
        return f"{SYNC_START}{written}{SYNC_END}" if written and self._in_sync else written

    def _pass_on(self, data: str) -> str:
        """Return unknown data as it is, in the style that Textual believes to have left."""
        reset = self.reset_sequence()
        self._pen.style = None
        self.forget()
        return reset + data

    def reset_sequence(self) -> str:
        """Return what ends the style that the terminal writes in, and its link."""
        return "" if self._pen.style is None else transition(self._pen.style, PLAIN)

    def learn_widths(self, cells: int) -> None:
        """Note that the terminal's cursor was in this column, from 0 on, after `WIDTH_PROBE`."""
        self.terminal = self.terminal._replace(ambiguous_is_narrow=cells == len(AMBIGUOUS))

    # What Textual means

    def _paint(self, data: str) -> Place:
        place = Place(-1, -1)
        before: Run | None = None
        for part in parse_frame(data):
            if isinstance(part, Place):
                place = part
                continue
            y, x, combining, cells, _ = part
            if y >= self.height or x >= self.width:
                continue
            line = self._meant[y]
            self._painted.add(y)
            self._changed.add(y)
            if combining and x > 0:
                at = x - 1 if line[x - 1][0] else x - 2
                text, style = line[at]
                if text == " " and before is not None and (before.y, before.x + len(before.cells)) == (y, x):
                    style = before.style
                line[at] = (text + combining, style)
            if cells:
                _put(line, x, cells)
                before = part
        return place

    # What the terminal shows

    def _write_changes(self, place: Place) -> str:
        changed = [y for y in sorted(self._changed) if self._shown.get(y) != self._meant[y]]
        self._changed.clear()
        pen = self._pen
        left = self._scrolled(changed)
        pen.follow(self._written(pen, self._shown, left))
        for y in left:
            self._shown[y] = list(self._meant[y])
        if place.y >= 0 and (pen.written or (pen.y, pen.x) != (None, None)):
            pen.move(place.y, place.x)
        return pen.take()

    def _scrolled(self, changed: list[int]) -> list[int]:
        """Move lines at the terminal if that is shorter; return the lines that differ then."""
        if len(changed) < _FEWEST_SCROLLED:
            return changed
        scroll = find_scroll(self._shown, self._meant, changed)
        if scroll is None:
            return changed
        pen = self._pen.copy()
        if pen.style is None or not is_erasable(pen.style):
            pen.written.append(transition(pen.style, PLAIN))
            pen.style = PLAIN
        pen.written.append(scroll_sequence(scroll))
        pen.forget_place()
        shown = _moved(self._shown, scroll)
        left = [
            y
            for y in sorted({*changed, *range(scroll.top, scroll.bottom + 1)} & self._painted)
            if shown.get(y) != self._meant[y]
        ]
        after_scroll = self._written(pen, shown, left)
        if pen.cost() + after_scroll.cost() >= self._written(self._pen, self._shown, changed).cost():
            return changed
        self._pen.follow(pen)
        self._shown = shown
        return left

    def _written(self, pen: Pen, shown: dict[int, Line], changed: list[int]) -> Pen:
        """Return the pen after the changed lines: from the top, or if they are few, the cheapest line next."""
        down = pen.copy()
        for y in changed:
            write_difference(down, y, shown.get(y), self._meant[y], self.terminal)
        if not 1 < len(changed) <= _MOST_ORDERED or down.cost() > _MOST_ORDERED_BYTES:
            return down
        best, left = pen.copy(), set(changed)
        while left:
            ways = []
            for y in sorted(left):
                way = best.copy()
                write_difference(way, y, shown.get(y), self._meant[y], self.terminal)
                ways.append((way.cost(), y, way))
            _, y, way = min(ways, key=lambda found: found[:2])
            best.follow(way)
            left.remove(y)
        return min(down, best, key=Pen.cost)


def _put(line: Line, x: int, cells: Line) -> None:
    """Write cells over a line. Half of a wide character is a blank."""
    room = len(line) - x
    if len(cells) > room:
        cut = cells[room][0] == ""
        cells = cells[:room]
        if cut:
            cells[-1] = _half(cells[-1])
    end = x + len(cells)
    if line[x][0] == "":
        line[x - 1] = _half(line[x - 1])
    if end < len(line) and line[end][0] == "":
        line[end] = _half(line[end])
    line[x:end] = cells


def _half(cell: Cell) -> Cell:
    return " ", blank_style(cell[1])


def _moved(shown: dict[int, Line], scroll: Scroll) -> dict[int, Line]:
    """Return what is shown after a scroll; nothing is known of the lines that are new."""
    inside = range(scroll.top, scroll.bottom + 1)
    return {y: line for y, line in shown.items() if y not in inside} | {
        y - scroll.lines: line for y, line in shown.items() if y in inside and y - scroll.lines in inside
    }
