"""Keeps Python's garbage collector from delaying the keyboard.

A full collection walks over every object, which delays a key. Objects that live long and are in no cycle need not be
walked over.
"""

import gc

LARGE_POLL_SESSIONS = 10_000
"""A poll of fewer sessions is not worth a freeze."""


def collect_less_often() -> None:
    """Raise the collector's thresholds, for a program that draws, and freeze the modules that it has imported.

    Objects in no cycle are freed at once as before. A collection of the young objects takes a millisecond or two.
    """
    gc.set_threshold(10_000, 20, 20)
    gc.freeze()


def freeze_after_large_poll(sessions: int) -> None:
    """Freeze all present objects if a poll of all sessions brought many.

    Nothing is collected before: that alone takes longer than a frame, and columns leave little to walk over.
    """
    if sessions >= LARGE_POLL_SESSIONS:
        gc.freeze()


def freeze_objects() -> None:
    """Exclude all present objects from later collections.

    Objects that were frozen before are collected once more first: a view that was closed since is garbage by now.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
