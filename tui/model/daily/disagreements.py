"""Figures that were counted in two ways and differ, in words. Pure."""

from collections.abc import Sequence
from datetime import tzinfo

from streamusage.api.disagreements import SIDES, Disagreement
from tui.model import formats


def format_compared(row: Disagreement, figure: int) -> str:
    """Return one of the two figures with its unit."""
    match row.figure:
        case "bytes":
            return formats.traffic(figure)
        case "view_time_ms":
            return formats.duration(figure)
        case _:
            return formats.count(figure)


def describe_disagreements(found: Sequence[Disagreement], tz: tzinfo | None) -> str:
    """Return `12:00 edge-1: view time by sessions 2h00, by slots 4h00`, and how many more there are in front.

    `found` has at least one, of one day; the newest is described.
    """
    newest = found[-1]
    first, second = SIDES[newest.kind]
    several = f"{formats.count(len(found))} differ, newest: " if len(found) > 1 else "differ: "
    return (
        f"{several}{formats.clock_time(newest.hour, tz)} {newest.subject}: {first} "
        f"{format_compared(newest, newest.first)}, {second} {format_compared(newest, newest.second)}"
    )
