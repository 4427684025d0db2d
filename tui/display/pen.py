"""The terminal's cursor and style, and the shortest sequences that change them. Pure.

Only sequences that every terminal in use understands, mosh and the Linux console included: CUP, CHA, the four relative
moves, carriage return and backspace. A line feed is none of them: the terminal's driver may translate it.
"""

from collections.abc import Sequence

from tui.display.cells import Cell
from tui.display.styles import Style, blank_style, style_for_blank, transition


class Pen:
    """Where the terminal writes next and how, as far as it is known; `written` collects what was written."""

    def __init__(self, width: int = 0) -> None:
        self.width = width
        self.y: int | None = None
        self.x: int | None = None
        self.style: Style | None = None
        self.written: list[str] = []

    def copy(self) -> "Pen":
        """Return a pen in the same state that has written nothing."""
        pen = Pen(self.width)
        pen.y, pen.x, pen.style = self.y, self.x, self.style
        return pen

    def cost(self) -> int:
        """Return how many bytes were written."""
        return len("".join(self.written).encode())

    def follow(self, other: "Pen") -> None:
        """Write what another pen wrote that began as a copy of this one."""
        self.written += other.written
        self.y, self.x, self.style = other.y, other.x, other.style

    def take(self) -> str:
        """Return what was written, and forget it."""
        written = "".join(self.written)
        self.written.clear()
        return written

    def forget_place(self) -> None:
        """Note that the cursor may be anywhere."""
        self.y = self.x = None

    def move(self, y: int, x: int) -> None:
        """Move the cursor."""
        if (y, x) != (self.y, self.x):
            self.written.append(move(self.y, self.x, y, x))
            self.y, self.x = y, x

    def write(self, cells: Sequence[Cell]) -> None:
        """Write cells of one line at the cursor."""
        written, style = self.written, self.style
        for at, (text, wanted) in enumerate(cells):
            if style is not wanted and not (text == " " and style is not None and blank_style(style) == wanted):
                after = _style_to_write(style, cells, at) if text == " " else wanted
                written.append(transition(style, after))
                style = after
            written.append(text)
        self.style = style
        if self.x is not None:
            self.x += len(cells)
            if self.x >= self.width:  # terminals differ in where the cursor is after the last column
                self.forget_place()

    def erase(self, blank: Style) -> None:
        """Erase from the cursor to the end of the line, leaving blanks of a style without decoration."""
        if self.style is None or blank_style(self.style) != blank:
            after = style_for_blank(self.style, blank)
            self.written.append(transition(self.style, after))
            self.style = after
        self.written.append("\x1b[K")


def _style_to_write(style: Style | None, cells: Sequence[Cell], at: int) -> Style:
    """Return the style for a blank: that of the next character where it fits, else the one that costs least."""
    blank = cells[at][1]
    for text, following in cells[at + 1 :]:
        if text != " ":
            if blank_style(following) == blank:
                return following
            break
        if following != blank:
            break
    return style_for_blank(style, blank)


def move(y_before: int | None, x_before: int | None, y: int, x: int) -> str:
    """Return the shortest move to a place; the place before it may be unknown."""
    absolute = f"\x1b[{y + 1 if y else ''}{f';{x + 1}' if x else ''}H"
    if y_before is None or x_before is None:
        return absolute
    rows = y - y_before
    vertical = f"\x1b[{abs(rows) if abs(rows) > 1 else ''}{'B' if rows > 0 else 'A'}" if rows else ""
    return min(vertical + _sideways(x_before, x), absolute, key=len)


def _sideways(before: int, x: int) -> str:
    cells = x - before
    if not cells:
        return ""
    if cells > 0:
        ways = [f"\x1b[{cells if cells > 1 else ''}C"]
    else:
        ways = ["\b" * -cells if cells > -5 else f"\x1b[{-cells}D", "\r" + (f"\x1b[{x if x > 1 else ''}C" if x else "")]
    return min([*ways, f"\x1b[{x + 1 if x else ''}G"], key=len)
