"""What the terminfo database says of the terminal that `TERM` names."""

import os
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def erases_in_colour() -> bool:
    """Return whether the terminal erases in the background of the style (`bce`); false if it is unknown."""
    return bool(_look_up(lambda curses: curses.tigetflag("bce") > 0))


def number_of_colours() -> int | None:
    """Return how many colours the terminal has, 0 for none; `None` if the terminal is unknown."""
    colours = _look_up(lambda curses: curses.tigetnum("colors"))
    return None if colours is None else max(0, colours)


def _look_up(read: Callable[..., Value]) -> Value | None:
    try:
        import curses

        curses.setupterm(os.environ.get("TERM"), 2)
        return read(curses)
    except (ImportError, OSError, Exception):
        return None
