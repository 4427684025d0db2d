"""Checks of a window `[from, to)` in UTC milliseconds and of a range of days, at the service and at its clients. Pure.

    | check          | accepted                                | refused                             |
    |----------------|-----------------------------------------|-------------------------------------|
    | `check_window` | 0 to 60000; 5 to 5 if it may be empty   | 6 to 5; -1 to 5 unless it may be    |
    | `check_steps`  | 61000 to 180000 in 60000: begins at     | a step of 0 or 61000; too many      |
    |                | 60000                                   | steps                               |
    | `check_days`   | a day to itself or to a later one       | a day to an earlier one; 367 days   |

Errors name both ends as the caller names and shows them, what is allowed, and an example.
"""

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from streamusage.core.coverage import SLOT_MS, Interval

MOST_DAYS = 366
"""Most days of one request."""


class WindowError(ValueError):
    """The window is reversed, empty, too long, or its step is unusable."""


class EndNames(NamedTuple):
    """How a program names the two ends of a window."""

    first: str
    last: str


PARAMETERS = EndNames("from", "to")
OPTIONS = EndNames("--from", "--to")


class Days(NamedTuple):
    """The days from `first` to `last`, both included."""

    first: date
    last: date


def check_window(
    from_ms: int,
    to_ms: int,
    *,
    names: EndNames = PARAMETERS,
    show: Callable[[int], str] = str,
    may_be_empty: bool = True,
    may_be_negative: bool = False,
) -> Interval:
    """Return the window. `show` writes an instant for the error. Raises `WindowError`."""
    if from_ms < 0 and not may_be_negative:
        raise WindowError(
            f"{names.first} {show(from_ms)} is before 1970; expected UTC milliseconds, such as 1525079735737"
        )
    if to_ms < from_ms or (to_ms == from_ms and not may_be_empty):
        raise WindowError(
            f"{names.first} {show(from_ms)} is {'not before' if to_ms == from_ms else 'after'} "
            f"{names.last} {show(to_ms)}; expected {names.first} "
            f"{'not after' if may_be_empty else 'before'} {names.last}"
        )
    return Interval(from_ms, to_ms)


def check_steps(window: Interval, step_ms: int, most: int) -> Interval:
    """Return the window, extended to begin at a multiple of the step. Raises `WindowError`."""
    if step_ms <= 0 or step_ms % SLOT_MS:
        raise WindowError(f"step {step_ms} is not whole minutes in milliseconds; expected a multiple such as {SLOT_MS}")
    steps = window.length_ms // step_ms
    if steps > most:
        raise WindowError(
            f"from {window.from_ms} to {window.to_ms} is {steps} steps of {step_ms}; a query covers at most {most}: "
            "make step larger"
        )
    return Interval(window.from_ms - window.from_ms % step_ms, window.to_ms)


def check_days(first: date, last: date, *, names: EndNames = PARAMETERS) -> Days:
    """Return the days, if there are any and not too many. Raises `WindowError`."""
    if first > last:
        raise WindowError(
            f"{names.first} {first} is after {names.last} {last}; expected {names.first} not after {names.last}"
        )
    if (last - first).days >= MOST_DAYS:
        raise WindowError(
            f"{names.first} {first} to {names.last} {last} is {(last - first).days + 1} days; expected at most "
            f"{MOST_DAYS}: give a shorter range"
        )
    return Days(first, last)
