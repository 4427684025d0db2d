"""Finds lines that moved up or down together, so that the terminal can move them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tui.display.cells import Line

_FEWEST_LINES = 3


class Scroll(NamedTuple):
    """The lines from `top` to `bottom`, both included, move up by `lines`, or down if it is below zero."""

    top: int
    bottom: int
    lines: int


def find_scroll(shown: Mapping[int, Line], meant: Sequence[Line], changed: Iterable[int]) -> Scroll | None:
    """Return the move of lines by which most of the changed lines are already shown elsewhere."""
    places: dict[str, list[int]] = {}
    for y, line in shown.items():
        places.setdefault(_text(line), []).append(y)
    moves: dict[int, list[int]] = {}
    for y in changed:
        found = places.get(_text(meant[y]), ())
        for before in found if len(found) == 1 else ():  # a line that is shown twice says nothing
            moves.setdefault(before - y, []).append(y)
    moves.pop(0, None)
    lines, at = max(moves.items(), key=lambda move: len(move[1]), default=(0, []))
    if len(at) < _FEWEST_LINES:
        return None
    return Scroll(min(min(at), min(at) + lines), max(max(at), max(at) + lines), lines)


def _text(line: Line) -> str:
    return "".join([text for text, _ in line])


def scroll_sequence(scroll: Scroll) -> str:
    """Return what moves the lines. The cursor's place and the colour of the new lines are unknown then.

    Only what every terminal has: margins, and deleting or inserting lines.
    """
    lines = abs(scroll.lines)
    count = lines if lines > 1 else ""
    return (
        f"\x1b[{scroll.top + 1};{scroll.bottom + 1}r"
        f"\x1b[{scroll.top + 1 if scroll.top else ''}H"
        f"\x1b[{count}{'M' if scroll.lines > 0 else 'L'}"
        "\x1b[r"
    )
