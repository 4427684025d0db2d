"""The difference of two lines, written with as few bytes as possible. Pure."""

from collections.abc import Iterator, Sequence
from operator import ne

from tui.display.cells import Cell, Line, Terminal, first_doubtful, is_doubtful
from tui.display.pen import Pen
from tui.display.styles import Style, is_erasable

_LONGEST_BRIDGE = 10
"""Unchanged cells between two differences that may be cheaper to write again than to skip."""
_ERASE_FROM = 4
"""Blanks from which erasing may be cheaper than writing them: the sequence has three bytes."""

_SHIFT_FROM = 5
"""Different cells from which it may be shorter to move them than to write them."""
_MOST_SHIFTS = 4
"""Stretches of different cells before which a shift is looked for."""

_Different = Sequence[bool]
"""Whether each cell of a line differs from what is shown."""


def write_difference(pen: Pen, y: int, shown: Line | None, meant: Line, terminal: Terminal) -> None:
    """Write what makes a shown line the meant one; `shown` of `None` is unknown.

    A line is written whole from its first cell of doubtful width: what the terminal shows behind it is not known.
    """
    if shown == meant:
        return
    width = len(meant)
    different = [True] * width if shown is None else list(map(ne, shown, meant))
    doubtful = min(first_doubtful(meant, terminal), width if shown is None else first_doubtful(shown, terminal))
    if 0 < doubtful == width - 1:
        doubtful -= 1  # a terminal that has no room for it in the last cell moves it onto the cell before
    if doubtful < width and meant[doubtful][0] == "":
        doubtful -= 1  # a wide character there covers the first cell of a shown one
    certain = doubtful
    if True not in different[doubtful:]:
        doubtful = width  # it is as it was
    ways = [_written(pen, y, meant, _runs(different, meant, certain))]
    if doubtful == width and shown is not None:
        ways += _shifting(pen, y, shown, meant, different)
    if doubtful == width:
        ways += _erasing(pen, y, meant, different, certain, terminal)
    shortest = min(ways, key=Pen.cost)
    if doubtful < width:
        _rewrite(shortest, y, meant, doubtful, terminal)
    pen.follow(shortest)


def _runs(different: _Different, meant: Line, end: int) -> Iterator[tuple[int, int]]:
    """Return the stretches of different cells before `end`. Both halves of a wide character are in one stretch."""
    start = None
    for at, differs in enumerate(different[:end]):
        if differs:
            start = at if start is None else start
        elif start is not None and meant[at][0]:
            yield start, at
            start = None
    if start is not None:
        yield start, end


def _written(pen: Pen, y: int, meant: Line, runs: Iterator[tuple[int, int]]) -> Pen:
    """Return the pen after stretches of a line, and after what is between them where that is shorter than a move."""
    pen = pen.copy()
    for start, end in runs:
        jumped = pen.copy()
        jumped.move(y, start)
        jumped.write(meant[start:end])
        if pen.y == y and pen.x is not None and 0 < start - pen.x <= _LONGEST_BRIDGE:
            bridged = pen.copy()
            bridged.write(meant[pen.x : end])
            pen.follow(min(jumped, bridged, key=Pen.cost))
        else:
            pen.follow(jumped)
    return pen


def _shifting(pen: Pen, y: int, shown: Line, meant: Line, different: _Different) -> Iterator[Pen]:
    """Return the pens after ways that move cells by one to the left, as a trend moves when a minute is over.

    The first cell of the stretch is deleted and one inserted at its end, so that what is behind it stays in its place.
    """
    if different.count(True) < _SHIFT_FROM or ("" in map(_text, shown)) or ("" in map(_text, meant)):
        return
    end = len(different) - [*reversed(different)].index(True)
    runs = list(_runs(different, meant, end))
    for number, (start, _) in enumerate(runs[:_MOST_SHIFTS]):
        if end - start >= _SHIFT_FROM and shown[start + 1 : end] == meant[start : end - 1]:
            way = _written(pen, y, meant, iter(runs[:number]))
            way.move(y, start)
            way.written.append("\x1b[P")
            way.move(y, end - 1)
            if end < len(meant):
                way.written.append("\x1b[@")
            way.write(meant[end - 1 : end])
            yield way
            return


def _text(cell: Cell) -> str:
    return cell[0]


def _erasing(pen: Pen, y: int, meant: Line, different: _Different, certain: int, terminal: Terminal) -> Iterator[Pen]:
    """Return the pens after ways that erase: the blank end of the line, or all behind the first difference.

    The line has no differences from `certain` on.
    """
    width = len(meant)
    first = different.index(True) if True in different[:certain] else width
    tail = max(first, _tail(meant))
    if tail < certain and _may_erase(meant[-1], terminal):
        changed = [at for at in range(tail, certain) if different[at]]
        if len(changed) >= _ERASE_FROM:
            at_end = _written(pen, y, meant, _runs(different, meant, changed[0]))
            at_end.move(y, changed[0])
            at_end.erase(meant[-1][1])
            yield at_end
    if certain < width:
        return
    blank = next((cell for cell in meant[first:] if _may_erase(cell, terminal)), None)
    if blank is not None and meant[first:].count(blank) >= _ERASE_FROM:
        whole = pen.copy()
        whole.move(y, first)
        whole.erase(blank[1])
        inked = [False] * first + [cell != blank for cell in meant[first:]]
        rest = _written(whole, y, meant, _runs(inked, meant, width))
        whole.follow(rest)
        yield whole


def _tail(meant: Line) -> int:
    """Return where the cells at the end of a line begin that are all as the last one."""
    at = len(meant)
    while at and meant[at - 1] == meant[-1]:
        at -= 1
    return at


def _may_erase(cell: Cell, terminal: Terminal) -> bool:
    text, style = cell
    return text == " " and is_erasable(style) and (terminal.erases_in_colour or not style.background)


def _rewrite(pen: Pen, y: int, meant: Line, start: int, terminal: Terminal) -> None:
    """Write a line whole from a cell of doubtful width on. Where it ends at the terminal is not known then."""
    last = meant[-1]
    end = max(start, _tail(meant)) if _may_erase(last, terminal) else len(meant)
    if len(meant) - end < 2 * _doubt(meant[start:end], terminal):
        end = len(meant)  # a terminal that needs more cells for it may show more than the blanks have room for
    pen.forget_place()  # the move is absolute
    pen.move(y, start)
    pen.erase(Style(background=last[1].background))
    pen.write(meant[start:end])
    pen.forget_place()


def _doubt(cells: Line, terminal: Terminal) -> int:
    """Return how many characters are of doubtful width, or join one that is."""
    ambiguous = not terminal.ambiguous_is_narrow
    return sum(len(text) for text, _ in cells if is_doubtful(text, ambiguous=ambiguous))
