"""The columns of the session table: what each shows, how wide it is, and which of them fit. Pure."""

from collections.abc import Sequence
from datetime import tzinfo
from enum import StrEnum
from typing import NamedTuple

from tui.model import formats
from tui.model.gaps.grid import GLYPHS
from tui.model.sessions.store import Session
from tui.model.sessions.view import SessionColumn
from tui.model.text import padded, padded_left


class Density(StrEnum):
    """How many columns are shown: by the room, or fixed."""

    AUTO = "auto"
    DENSE = "dense"
    ROOMY = "roomy"


class Shown(NamedTuple):
    """A column of the session table beside the stream's name."""

    name: str
    title: str
    sorts: SessionColumn
    dense: int
    """Width in cells; for a trend, the least width."""
    roomy: int
    importance: int
    """Where not all columns fit, those of the lowest importance are left out."""
    help: str
    at_right: bool = True


SHOWN = {
    shown.name: shown
    for shown in (
        Shown("state", "STATE", SessionColumn.STATE, 5, 6, 1, "live or ended", at_right=False),
        Shown("started", "STARTED", SessionColumn.STARTED, 9, 12, 5, "start of the publish", at_right=False),
        Shown("duration", "DUR", SessionColumn.DURATION, 5, 6, 7, "duration of the publish"),
        Shown("active", "ACTIVE", SessionColumn.ACTIVE, 7, 10, 10, "subscribers watching now"),
        Shown("peak", "PEAK", SessionColumn.PEAK, 6, 10, 8, "most simultaneous subscribers: a lower bound"),
        Shown("lost", "LOST", SessionColumn.LOST, 5, 10, 4, "subscribers that left"),
        Shown("total", "TOTAL", SessionColumn.TOTAL, 6, 11, 6, "all subscribers"),
        Shown("trend", "TREND", SessionColumn.TREND, 8, 24, 9, "subscribers over the last minutes", at_right=False),
        Shown("age", "AGE", SessionColumn.AGE, 6, 7, 2, "age of the figures"),
        Shown("data", "DATA", SessionColumn.DATA, 12, 12, 3, "provenance of the newest figures", at_right=False),
    )
}
"""Columns by name, in their first order."""

LEAST_STREAM = 20
ROOMY_STREAM = 44


def fitting(names: Sequence[str], cells: int, density: Density = Density.AUTO) -> list[tuple[Shown, int]]:
    """Return the columns that fit beside a readable stream name, with their widths, in the order of `names`."""
    chosen = [SHOWN[name] for name in names if name in SHOWN]
    room = cells - 3
    while chosen:
        roomy = sum(column.roomy + 1 for column in chosen)
        dense = sum(column.dense + 1 for column in chosen)
        if density is not Density.DENSE and room - roomy >= (ROOMY_STREAM if density is Density.AUTO else LEAST_STREAM):
            return [(column, column.roomy) for column in chosen]
        if room - dense >= LEAST_STREAM and density is not Density.ROOMY:
            return [(column, column.dense) for column in chosen]
        if room < LEAST_STREAM + 8 and len(chosen) == 1:
            return [(chosen[0], chosen[0].dense)] if cells > 30 else []
        chosen.remove(min(chosen, key=lambda column: column.importance))
    return []


def text(column: Shown, session: Session, cells: int, now_ms: int, tz: tzinfo | None) -> str:
    """Return a session's text in a column, in exactly `cells` cells. Not for trends."""
    match column.sorts:
        case SessionColumn.STATE:
            cell = "live" if session.live else "ended"
        case SessionColumn.STARTED:
            cell = formats.moment(session.start_time, now_ms, tz, in_cell=True)
        case SessionColumn.DURATION:
            cell = formats.duration(session.lasted_ms(now_ms))
        case SessionColumn.AGE:
            cell = formats.UNKNOWN if session.updated is None else formats.duration(max(0, now_ms - session.updated))
        case SessionColumn.DATA:
            cell = "–" if session.provenance is None else f"{GLYPHS[session.provenance]} {session.provenance.value}"
        case _:
            cell = formats.count_within(figure(column, session), cells)
    return padded_left(cell, cells) if column.at_right else padded(cell, cells)


def figure(column: Shown, session: Session) -> int | None:
    """Return the subscribers that a column counts; `None` for other columns and unknown figures."""
    match column.sorts:
        case SessionColumn.ACTIVE:
            # Nobody can watch an ended session: it is no zero among current figures.
            return session.active if session.live else session.active or None
        case SessionColumn.PEAK:
            return session.peak
        case SessionColumn.LOST:
            return session.lost
        case SessionColumn.TOTAL:
            return session.total
        case _:
            return None
