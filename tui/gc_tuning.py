"""Keeps Python's garbage collector from delaying the keyboard.

A full collection walks over every object, which delays a key. Objects that live long and are in no cycle need not be
walked over.
"""

import gc

LARGE_POLL_SESSIONS = 10_000
"""A poll of fewer sessions is not worth a freeze."""


def collect_less_often() -> None:
    """Raise the collector's thresholds, for a program that draws or ends soon.

    A collection of the youngest objects, among them the lines that Textual drew before, is short enough for a key.
    Objects in no cycle are freed at once as before. Called before the imports of a command, of whose time a tenth is
    collections that free nothing.
    """
    gc.set_threshold(10_000, 100, 10)


def freeze_modules() -> None:
    """Exclude what was imported so far from later collections."""
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
