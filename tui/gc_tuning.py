"""Keeps Python's garbage collector from delaying the keyboard.

A full collection walks over every object, which delays a key. Objects that live long and are in no cycle need not be
walked over.
"""

import gc

LARGE_POLL_SESSIONS = 10_000
"""A poll of fewer sessions is not worth a freeze."""
LARGE_COVERAGE_SPANS = 10_000
"""Coverage of fewer spans is not worth one either."""
YOUNGEST_OF_A_SCREEN = 10_000
"""So many of the youngest objects, among them the lines that Textual drew before, are collected between two keys."""
YOUNGEST_OF_A_COMMAND = 50_000
"""A command ends soon, and nobody types meanwhile."""


def pause_collections() -> None:
    """Collect nothing until `resume_collections`. Objects in no cycle are freed at once as before.

    For the start of a program: a tenth of the time of its imports is collections that free nothing.
    """
    gc.disable()


def resume_collections() -> None:
    """Collect again what is made from now on; the present objects are excluded. Does nothing without a pause."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def collect_less_often(youngest: int = YOUNGEST_OF_A_SCREEN) -> None:
    """Raise the collector's thresholds, for a program that draws or ends soon: `youngest` is that of new objects."""
    gc.set_threshold(youngest, 100, 10)


def freeze_modules() -> None:
    """Exclude what was imported so far from later collections."""
    gc.freeze()


def freeze_after_large_poll(sessions: int) -> None:
    """Freeze all present objects if a poll of all sessions brought many.

    Nothing is collected before: that alone takes longer than a frame, and columns leave little to walk over.
    """
    if sessions >= LARGE_POLL_SESSIONS:
        gc.freeze()


def freeze_after_large_coverage(spans: int) -> None:
    """Exclude all present objects from later collections if a gap view has been opened with many spans.

    Objects that were frozen before are collected once more first: a view that was closed since is garbage by now. That
    takes longer than a frame, which fewer spans are not worth.
    """
    if spans >= LARGE_COVERAGE_SPANS:
        gc.unfreeze()
        gc.collect()
        gc.freeze()
