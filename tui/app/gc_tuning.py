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
    """Sets aside what there is after an answer with so many sessions, where they are many."""
    if sessions >= LARGE:
        set_aside()


def set_aside() -> None:
    """Takes what there is now out of all collections to come.

    What was set aside before is looked at once more: a view that has been closed since is garbage by now.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
