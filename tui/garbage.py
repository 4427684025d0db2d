"""Keeps Python's garbage collector out of the way of the keyboard.

A full collection walks over every object there is: with 100,000 sessions that is a key that waits for half a second,
several times a poll. What a large answer brought stays for long and is in no cycle: it need not be walked over.
"""

import gc

LARGE = 10_000
"""So many sessions at once are worth it."""


def calm() -> None:
    """Collects less often; for a program that draws. What is in no cycle is freed at once as ever."""
    gc.set_threshold(50_000, 20, 10)


def loaded(sessions: int) -> None:
    """Takes what there is now, after an answer with so many sessions, out of all collections to come."""
    if sessions >= LARGE:
        gc.freeze()
