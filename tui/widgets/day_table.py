"""The columns of the daily statistics: as many as fit, the most important first."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tui.model import formats
from tui.model.daily.months import DailyTotals
from tui.model.text import padded, padded_left, sanitize
from tui.widgets.lines import Part


class DayColumn(NamedTuple):
    """A column of the table."""

    title: str
    cells: int
    text: Callable[[DailyTotals], str]
    ink: Callable[[DailyTotals], str] = lambda _: ""
    applies: Callable[[DailyTotals], bool] = lambda _: True
    """The column is left out where it applies to no row."""
    always: bool = False
    """Whether it is shown for a row without known figures too."""


def _adjustment(figures: DailyTotals) -> str:
    moved = figures.came_later.bytes_out if figures.came_later else None
    return "" if moved is None else f"{'-' if moved < 0 else '+'}{formats.traffic(abs(moved))}"


def _average(figures: DailyTotals) -> str:
    average = None if figures.without else figures.average_view_time_ms
    return formats.UNKNOWN if average is None else formats.duration(round(average))


def _at_least(text: Callable[[DailyTotals], str]) -> Callable[[DailyTotals], str]:
    """Return a figure's text that has a mark where the figures of a service are missing."""
    return lambda row: f"{_BOUND}{text(row)}" if row.without else text(row)


def _peak(bits_per_s: Callable[[DailyTotals], int | None]) -> Callable[[DailyTotals], str]:
    """Return the text of a peak. One over several services is at least the highest of theirs."""

    def text(row: DailyTotals) -> str:
        peak = bits_per_s(row)
        is_bound = peak is not None and (row.services > 1 or row.without)
        return f"{_BOUND if is_bound else ''}{formats.optional_bandwidth(peak)}"

    return text


def _connections(figures: DailyTotals) -> str:
    return formats.count_within(figures.connections, 7)


def _samples(figures: DailyTotals) -> str:
    if not figures.knows_percentile:
        return formats.UNKNOWN
    return f"{figures.percentile.samples:,}/{figures.percentile.expected_samples:,}"


def _voids(figures: DailyTotals) -> str:
    return formats.count(figures.voids.closings) if figures.voids else ""


def _disagreements(figures: DailyTotals) -> str:
    return formats.count(len(figures.disagreements)) if figures.disagreements else ""


def _is_reconciled(figures: DailyTotals) -> bool:
    return figures.reconciled is not None


def _result(figures: DailyTotals) -> str:
    return figures.reconciled.result if figures.reconciled else ""


def _result_with_share(figures: DailyTotals) -> str:
    return " ".join(filter(None, figures.reconciled or ()))


def result_ink(figures: DailyTotals) -> str:
    """Return the ink of a row's comparison with an outside account."""
    return _RESULT_INKS.get(_result(figures), "quiet")


_BOUND = "≥ "
_RESULT_INKS = {"agrees": "live", "explained": "partial", "unexplained": "missing"}
_STATE_INKS = {"provisional": "missing", "adjusted": "partial"}

COLUMNS = (
    DayColumn("STATE", 12, lambda row: row.state, lambda row: _STATE_INKS.get(row.state, ""), always=True),
    DayColumn("VOID", 6, _voids, lambda _: "bad", lambda row: row.voids is not None, always=True),
    DayColumn("DIFFER", 8, _disagreements, lambda _: "bad", lambda row: bool(row.disagreements), always=True),
    DayColumn("COMPLETE", 9, DailyTotals.complete, lambda row: "" if row.is_complete else row.worst.value, always=True),
    DayColumn(
        "RECOVERED", 10, DailyTotals.recovered, lambda row: "backfilled" if row.backfilled.bytes_out else "quiet"
    ),
    DayColumn("CONN", 8, _at_least(_connections)),
    DayColumn("OUT", 9, _at_least(lambda row: formats.traffic(row.bytes_out))),
    DayColumn(
        "ADJUSTED OUT", 13, _adjustment, lambda _: "partial", lambda row: row.came_later is not None, always=True
    ),
    DayColumn("RECONCILED", 21, _result_with_share, result_ink, _is_reconciled, always=True),
    DayColumn("RECONCILED", 12, _result, result_ink, _is_reconciled, always=True),
    DayColumn("PEAK OUT", 14, _peak(lambda row: row.peak_out_bps)),
    DayColumn("95TH OUT", 14, lambda row: formats.optional_bandwidth(row.percentile.out_bps)),
    DayColumn("SAMPLES", 14, _samples, lambda row: "" if row.percentile.rests_on_all else "missing", always=True),
    DayColumn("VIEW TIME", 10, _at_least(lambda row: formats.duration(row.view_time_ms))),
    DayColumn("IN", 9, _at_least(lambda row: formats.traffic(row.bytes_in))),
    DayColumn("AVERAGE", 9, _average),
    DayColumn("PEAK IN", 14, _peak(lambda row: row.peak_in_bps)),
    DayColumn("95TH IN", 14, lambda row: formats.optional_bandwidth(row.percentile.in_bps)),
)

_TRAFFIC = DayColumn("TRAFFIC", 12, lambda row: row.traffic or formats.UNKNOWN, lambda _: "quiet", always=True)
_GROUP_TITLES = (
    *("STATE", "VOID", "COMPLETE", "CONN", "OUT", "ADJUSTED OUT", "PEAK OUT", "VIEW TIME", "IN", "AVERAGE", "PEAK IN"),
    *("95TH OUT", "SAMPLES", "RECOVERED", "95TH IN"),
)
GROUP_COLUMNS = (
    *(column for title in _GROUP_TITLES[:3] for column in COLUMNS if column.title == title),
    _TRAFFIC,
    *(column for title in _GROUP_TITLES[3:] for column in COLUMNS if column.title == title),
)
"""The columns of streams, scopes and customers, the most important first."""


def columns_within(cells: int, rows: Sequence[DailyTotals], columns: Sequence[DayColumn] = COLUMNS) -> list[DayColumn]:
    """Return the columns that fit and that apply to any of the rows. Marks of lower bounds make them wider.

    Of several columns with a title, the first that fits is used.
    """
    chosen: list[DayColumn] = []
    wider = len(_BOUND) if any(row.without for row in rows) else 0
    for column in (column._replace(cells=column.cells + wider) for column in columns):
        is_there = any(other.title == column.title for other in chosen)
        if not is_there and column.cells <= cells and any(column.applies(row) for row in rows):
            chosen.append(column)
            cells -= column.cells
    return chosen


def titles(first: str, name_cells: int, columns: Sequence[DayColumn]) -> list[Part]:
    """Return the heading; `first` is the title over the names."""
    names = padded(f" {first}", name_cells)
    return [(names + "".join(padded_left(column.title, column.cells) for column in columns), "quiet")]


def _text(column: DayColumn, figures: DailyTotals) -> str:
    return formats.UNKNOWN if figures.is_unknown and not column.always else column.text(figures)


def row_parts(
    figures: DailyTotals,
    name_cells: int,
    columns: Sequence[DayColumn],
    cells: int,
    *,
    cursor: bool,
    dimmed: bool = False,
) -> list[Part]:
    """Return a row of `cells` cells, with the cursor's background where the cursor is on it; `dimmed` in one ink."""
    over = " cursor" if cursor else ""
    mark = "▸" if cursor else " "
    parts: list[Part] = [(padded(f"{mark}{sanitize(figures.name)}", name_cells), f"strong{over}")]
    parts += [(padded_left(_text(column, figures), column.cells), f"{column.ink(figures)}{over}") for column in columns]
    if dimmed:
        parts = [(text, f"quiet{over}") for text, _ in parts]
    rest = cells - name_cells - sum(column.cells for column in columns)
    return [*parts, (" " * max(0, rest), over)]
