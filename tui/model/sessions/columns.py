"""The columns of the session table. Pure.

Each column is declared once, in `COLUMNS`. Table, sort menu, column dialog, filter language, CSV export and the table
of columns in docs/console.md loop over the declarations.
"""

from collections.abc import Callable, Sequence
from datetime import tzinfo
from enum import StrEnum
from typing import Any, NamedTuple

from streamusage.core.coverage import IMPORTED, WORST_FIRST, Provenance
from tui.model import formats
from tui.model.gaps.grid import GLYPHS, IMPORTED_GLYPH
from tui.model.sessions.session import Session
from tui.model.text import padded, padded_left


class Density(StrEnum):
    """How many columns are shown: by the room, or fixed."""

    AUTO = "auto"
    DENSE = "dense"
    ROOMY = "roomy"


class FilterType(StrEnum):
    """What a filter field compares; `filter.py` has the operators of each."""

    CHOICE = "choice"
    NUMBER = "number"
    TIME = "time"


class FilterField(NamedTuple):
    """A field of the filter language."""

    name: str
    type: FilterType
    value: Callable[[Session, int], Any]
    """Returns a session's value at an instant: a word, a number or milliseconds. `None` matches no comparison."""
    expects: str
    """What is named if the value is missing."""
    words: tuple[str, ...] = ()
    """Allowed values of a choice."""
    aliases: tuple[str, ...] = ()


class ExportField(NamedTuple):
    """A field of the CSV export. A field of the usage record has the documented name."""

    name: str
    value: Callable[[Session], str | int | bool | None]
    is_time: bool = False


class CellContext(NamedTuple):
    """What a cell's text depends on beside its session."""

    cells: int
    now_ms: int
    tz: tzinfo | None


class Column(NamedTuple):
    """A column of the session table beside the stream's name."""

    name: str
    title: str
    help: str
    dense: int
    """Width in cells; for a trend, the least width."""
    roomy: int
    importance: int
    """Where not all columns fit, those of the lowest importance are left out."""
    text: Callable[[Session, CellContext], str]
    """Returns the text of a cell."""
    sort: Callable[[Session], Any] | None
    """Returns what the table is sorted by, `None` for an unknown figure. Without it, the order is by growth."""
    at_right: bool = True
    descending_first: bool = True
    """Whether the largest values come first when the column is selected."""
    orders: tuple[str, str] = ("largest first", "smallest first")
    """Names of the descending and the ascending order."""
    sort_field: str = ""
    """Name of the field of `Session` that `sort` returns, where it returns no more: sorting is faster by it."""
    sort_rank: int = 0
    """Columns of a higher rank come later in the sort menu."""
    figure: Callable[[Session], int | None] | None = None
    """Returns the subscribers that the column counts. A change of them is emphasized."""
    ink: Callable[[Session], str] | None = None
    """Returns the colour of a cell; empty for the row's own."""
    draws_trend: bool = False
    """Whether the widget draws a trend of live sessions in place of the text."""
    filter: FilterField | None = None
    export: ExportField | None = None


def count_column(
    name: str,
    help_text: str,
    widths: tuple[int, int],
    importance: int,
    value: Callable[[Session], int | None],
    export: str,
    *,
    field: str = "",
    shown: Callable[[Session], int | None] | None = None,
    may_be_lower_bound: bool = False,
    aliases: tuple[str, ...] = (),
) -> Column:
    """Return a column that counts subscribers. `shown` returns the figure of a cell where it differs from `value`.

    A figure that falls while a server is not seen is marked as a lower bound with `may_be_lower_bound`.

    `field` is the name of the field of `Session` that `value` returns, where it returns no more.
    """
    figure = shown or value

    def count_text(session: Session, at: CellContext) -> str:
        if may_be_lower_bound and session.leaves_out_server:
            return formats.lower_bound(figure(session), at.cells)
        return formats.count_within(figure(session), at.cells)

    return Column(
        name,
        name.upper(),
        help_text,
        *widths,
        importance,
        text=count_text,
        sort=value,
        sort_field=field,
        figure=figure,
        filter=FilterField(
            name, FilterType.NUMBER, lambda session, now_ms: value(session), "a number", aliases=aliases
        ),
        export=ExportField(export, value),
    )


def _active(session: Session) -> int | None:
    # Nobody can watch an ended session: it is no zero among current figures.
    return session.active if session.live else session.active or None


def _state(session: Session) -> str:
    return "live" if session.live else "ended"


def _duration_order(session: Session) -> int | None:
    # The earlier a live session began, the longer it lasts; live and ended sessions are never compared.
    return (-session.start_time or None) if session.live else session.duration_ms


def _age(session: Session, at: CellContext) -> str:
    if session.updated is None or not session.live:
        return formats.UNKNOWN
    return formats.minutes_since(session.updated, at.now_ms)


def format_length(session: Session, now_ms: int) -> str:
    """Return how long a session lasted. That of a session on air steps by minute."""
    if session.live and session.start_time:
        return formats.minutes_since(session.start_time, now_ms)
    return formats.duration(session.lasted_ms(now_ms))


_SHOWN = (*(state.value for state in WORST_FIRST[:-1]), IMPORTED, Provenance.LIVE.value)
"""Shown provenances, the one that an operator must notice first in front."""


def _provenance(session: Session) -> str:
    if session.imported:
        return f"{IMPORTED_GLYPH} {IMPORTED}"
    return "–" if session.provenance is None else f"{GLYPHS[session.provenance]} {session.provenance.value}"


_DECLARED = (
    Column(
        "state",
        "STATE",
        "live or ended",
        *(5, 6),
        importance=1,
        text=lambda session, at: _state(session),
        sort=lambda session: session.live,
        sort_rank=1,  # live sessions come first in every order
        at_right=False,
        descending_first=False,
        filter=FilterField(
            "state", FilterType.CHOICE, lambda session, now_ms: _state(session), "live or ended", ("live", "ended")
        ),
        export=ExportField("live", lambda session: session.live),
    ),
    Column(
        "started",
        "STARTED",
        "start of the publish",
        *(10, 12),
        importance=5,
        text=lambda session, at: formats.moment(session.start_time, at.now_ms, at.tz, cells=at.cells),
        sort=lambda session: session.start_time or None,
        at_right=False,
        orders=("newest first", "oldest first"),
        filter=FilterField(
            "age",
            FilterType.TIME,
            lambda session, now_ms: now_ms - session.start_time if session.start_time else None,
            "a time",
            aliases=("started",),
        ),
        export=ExportField("startTime", lambda session: session.start_time, is_time=True),
    ),
    Column(
        "duration",
        "DUR",
        "duration of the publish",
        *(5, 6),
        importance=7,
        text=lambda session, at: format_length(session, at.now_ms),
        sort=_duration_order,
        filter=FilterField(
            "duration", FilterType.TIME, lambda session, now_ms: session.lasted_ms(now_ms), "a time", aliases=("dur",)
        ),
        export=ExportField("duration", lambda session: session.duration_ms),
    ),
    count_column(
        "active",
        "subscribers watching now",
        (7, 10),
        10,
        lambda session: session.active,
        "aciveSubscribers",
        field="active",
        shown=_active,
        may_be_lower_bound=True,
        aliases=("watching",),
    ),
    count_column(
        "peak",
        "most simultaneous subscribers: a lower bound",
        (6, 10),
        8,
        lambda session: session.peak,
        "maxSubscribers",
        field="peak",
    ),
    count_column(
        "lost", "subscribers that left", (6, 10), 4, lambda session: session.lost, "lostSubscribers", field="lost"
    ),
    count_column(
        "total", "all subscribers", (6, 11), 6, lambda session: session.total, "totalSubscribers", field="total"
    ),
    Column(
        "trend",
        "TREND",
        "subscribers over the last minutes",
        *(8, 24),
        importance=9,
        text=lambda session, at: "ended",
        sort=None,
        at_right=False,
        orders=("grown most in {minutes} minutes first", "shrunk most in {minutes} minutes first"),
        draws_trend=True,
    ),
    Column(
        "age",
        "AGE",
        "age of the figures of a session on air",
        *(6, 7),
        importance=2,
        text=_age,
        # The oldest figures are those that were updated first.
        sort=lambda session: None if session.updated is None else -session.updated,
        filter=FilterField(
            "updated",
            FilterType.TIME,
            lambda session, now_ms: now_ms - session.updated if session.updated else None,
            "a time",
        ),
        export=ExportField("updated", lambda session: session.updated, is_time=True),
    ),
    Column(
        "data",
        "DATA",
        "provenance of the newest figures",
        *(12, 12),
        importance=3,
        text=lambda session, at: _provenance(session),
        sort=lambda session: _SHOWN.index(session.provenance_name) if session.provenance_name else None,
        at_right=False,
        descending_first=False,
        ink=lambda session: session.provenance.value if session.provenance not in (None, Provenance.LIVE) else "",
        filter=FilterField(
            "data",
            FilterType.CHOICE,
            lambda session, now_ms: session.provenance_name or None,
            "a state",
            (*(state.value for state in Provenance), IMPORTED),
            ("provenance",),
        ),
        export=ExportField("provenance", lambda session: session.provenance_name or None),
    ),
)

COLUMNS = {column.name: column for column in _DECLARED}
"""Columns by name, in their first order."""

STREAM = "stream"
"""Name of the first column: scope and name. It is always shown and takes the room that the others leave."""

LEAST_STREAM = 20
WIDE_STREAM = 36
"""On a very wide terminal, a name takes so many cells before further columns are shown."""
MOST_STREAM = 40
"""A name takes no more cells than this while a trend can be wider."""
MOST_TREND = 60
"""A trend has an hour of minutes, one a cell."""
ROOMY_STREAM = 44


def sort_names(shown: Sequence[str] | None = None) -> list[str]:
    """Return the names of the columns that sessions can be sorted by: all, or only the shown ones."""
    return [STREAM, *(sorted(COLUMNS, key=lambda name: COLUMNS[name].sort_rank) if shown is None else shown)]


def sorts_by_growth(name: str) -> bool:
    """Return whether the order by a column depends on figures of some minutes ago."""
    return name != STREAM and COLUMNS[name].sort is None


def fitting(
    names: Sequence[str], cells: int, density: Density = Density.AUTO, least_stream: int = LEAST_STREAM
) -> list[tuple[Column, int]]:
    """Return the columns that fit beside a readable stream name, with their widths, in the order of `names`."""
    chosen = [COLUMNS[name] for name in names if name in COLUMNS]
    room = cells - 3
    while chosen:
        roomy = sum(column.roomy + 1 for column in chosen)
        dense = sum(column.dense + 1 for column in chosen)
        if density is not Density.DENSE and room - roomy >= (ROOMY_STREAM if density is Density.AUTO else LEAST_STREAM):
            return [(column, column.roomy) for column in chosen]
        if room - dense >= least_stream and density is not Density.ROOMY:
            return [(column, column.dense) for column in chosen]
        if room < LEAST_STREAM + 8 and len(chosen) == 1:
            return [(chosen[0], chosen[0].dense)] if cells > 30 else []
        chosen.remove(min(chosen, key=lambda column: column.importance))
    return []


def widen_trend(columns: Sequence[tuple[Column, int]], cells: int) -> list[tuple[Column, int]]:
    """Return fitted columns with the cells in the trend that the names do not need."""
    spare = cells - 3 - sum(size + 1 for _, size in columns) - MOST_STREAM
    return [
        (column, min(MOST_TREND, size + spare) if column.draws_trend and spare > 0 else size)
        for column, size in columns
    ]


def text(column: Column, session: Session, cells: int, now_ms: int, tz: tzinfo | None) -> str:
    """Return a session's text in a column, in exactly `cells` cells. Not for the trend of a live session."""
    cell = column.text(session, CellContext(cells, now_ms, tz))
    return padded_left(cell, cells) if column.at_right else padded(cell, cells)
