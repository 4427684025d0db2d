"""Tables of daily statistics, their sums and the ledger: their columns. Pure."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from streamusage.api.daily import (
    STREAM_GROUPS,
    CoveredTime,
    DailyStatistics,
    LedgerEntry,
    Percentile,
    SummedStatistics,
    VoidEntry,
)
from streamusage.core.figures import FIGURES, SUM_NAMES, SUMS, Combination, Figure
from tui.model import formats
from tui.model.daily.days import complete_share, join_names
from tui.model.formats import UNKNOWN
from tui.output import ListColumn, View, attributes

Figures = TypeVar("Figures", DailyStatistics, SummedStatistics)

_SHOWN = (
    "accounted",
    *(figure.name for figure in FIGURES[:-1]),
    *("percentile_95_out_bps", "percentile_95_samples"),
    FIGURES[-1].name,  # view time, beside its average
    *("average_view_time_ms", "backfilled_bytes_out"),
)
"""The figures of the table."""
_EXACT = (
    *(
        name
        for figure in FIGURES
        for name in ([figure.name, figure.time_name] if figure.combination is Combination.PEAK else [figure.name])
    ),
    "average_view_time_ms",
    *(f"coverage_{name}" for name in CoveredTime.__struct_fields__),
    *(f"backfilled_{name}" for name in SUM_NAMES),
    *("percentile_95_in_bps", "percentile_95_out_bps", "percentile_95_samples", "percentile_95_expected_samples"),
)
"""The figures of the CSV."""
_NARROW = (
    *("backfilled_bytes_out", "percentile_95_samples", "average_view_time_ms", "peak_in_bps"),
    *("percentile_95_out_bps", "bytes_in", "adjustment_bytes_out", "peak_out_bps", "connections", "view_time_ms"),
    "waiting_for",
)
"""The figures that a narrow terminal leaves out, the first one first."""
_WAITS: ListColumn[Any] = ListColumn(
    "waiting_for",
    lambda row: " ".join(row.waiting_for) or None,
    "WAITS FOR",
    lambda row: join_names(row.waiting_for) if row.waiting_for else "",
    shrinks=True,
)

StartOf = Callable[[Figures], int | None]
"""Returns when accounting of a row began, if that is within its period."""


def _unknown_start(_row: object) -> None:
    return None


def daily_view(
    shown: Sequence[DailyStatistics], start_of: StartOf[DailyStatistics] = _unknown_start
) -> View[DailyStatistics]:
    """Return the view of daily statistics with their coverage. `start_of` returns when accounting of a row began."""
    adjusted, protocols = _adjustment_columns(), _protocol_columns(shown)
    voids, disagreements = any(day.voids for day in shown), any(day.disagreements for day in shown)
    return View(
        document=_with_start(start_of),
        columns=[
            *attributes("server", "day", "tz", "state"),
            *_figure_columns(start_of),
            ListColumn("closed_at", lambda day: day.closed.at if day.closed else None, is_time=True),
            ListColumn("closed_by", lambda day: day.closed.by or day.closed.rule if day.closed else None),
            ListColumn("revision", lambda day: day.closed.revision if day.closed else None),
            ListColumn("adjustment_at", lambda day: day.adjustment.at if day.adjustment else None, is_time=True),
            *adjusted,
            _WAITS,
            ListColumn("void_revisions", _void_revisions, "VOID CLOSINGS", figure=True),
            ListColumn("disagreements", _disagreements, "DISAGREEMENTS", figure=True),
            *protocols,
            ListColumn("accounted_since", start_of, is_time=True),
        ],
        table=(
            *("server", "day", "state"),
            *_SHOWN,
            *_beside(shown),
            *(["void_revisions"] if voids else []),
            *(["disagreements"] if disagreements else []),
        ),
        csv=(
            *("server", "day", "tz", "state"),
            *_EXACT,
            *("closed_at", "closed_by", "revision", "adjustment_at"),
            *(column.name for column in adjusted),
            "waiting_for",
            *(["void_revisions"] if voids else []),
            *(["disagreements"] if disagreements else []),
            *(column.name for column in protocols),
            "accounted_since",
        ),
        narrow=_NARROW,
    )


def sums_view(
    shown: Sequence[SummedStatistics], group: str, start_of: StartOf[SummedStatistics] = _unknown_start
) -> View[SummedStatistics]:
    """Return the view of sums with their coverage; sums of streams have the word of their traffic."""
    traffic = ["traffic"] if group in STREAM_GROUPS else []
    adjusted, protocols = _adjustment_columns(), _protocol_columns(shown)
    return View(
        document=_with_start(start_of),
        columns=[
            ListColumn("group", attrgetter("group"), group.upper() if group != "all" else "GROUP", shrinks=True),
            *attributes("period"),
            ListColumn("from", attrgetter("first_day")),
            ListColumn("to", attrgetter("last_day")),
            *attributes("tz", "state"),
            ListColumn("days", attrgetter("days"), "DAYS", lambda row: formats.count(row.days), figure=True),
            ListColumn(
                "servers", attrgetter("servers"), "SERVERS", lambda row: formats.count(row.servers), figure=True
            ),
            ListColumn("traffic", lambda row: row.traffic or None, "TRAFFIC", lambda row: row.traffic or UNKNOWN),
            *_figure_columns(start_of),
            *adjusted,
            _WAITS,
            *protocols,
            ListColumn("accounted_since", start_of, is_time=True),
        ],
        table=("group", "period", "days", "servers", "state", *traffic, *_SHOWN, *_beside(shown)),
        csv=(
            *("group", "period", "from", "to", "tz", "state", "days", "servers"),
            *traffic,
            *_EXACT,
            *(column.name for column in adjusted),
            "waiting_for",
            *(column.name for column in protocols),
            "accounted_since",
        ),
        narrow=(*_NARROW[:4], "servers", "days", *_NARROW[4:]),
    )


def ledger_view(shown: Sequence[LedgerEntry], tz: ZoneInfo) -> View[LedgerEntry]:
    """Return the view of the ledger. Protocols become the last columns of the CSV, in order."""
    void = ["void_revision"] if any(entry.void_revision for entry in shown) else []
    protocols = sorted({name for entry in shown for name in entry.connections_by_protocol})
    by_protocol: list[ListColumn[LedgerEntry]] = [
        ListColumn(f"connections_by_protocol_{name}", _entry_protocol(name), figure=True) for name in protocols
    ]
    columns: list[ListColumn[LedgerEntry]] = [
        *attributes("server", "day", "tz"),
        ListColumn("entry", attrgetter("entry"), "ENTRY", lambda entry: formats.count(entry.entry), figure=True),
        ListColumn("at", attrgetter("at"), "RECEIVED", is_time=True),
        *(
            ListColumn[LedgerEntry](
                figure.name, attrgetter(figure.name), figure.heading, _signed_figure(figure), figure=True
            )
            for figure in SUMS
        ),
        ListColumn(
            "accounted_now",
            lambda entry: complete_share(entry.figures.coverage),
            "ACCOUNTED NOW",
            figure=True,
        ),
        ListColumn("void_revision", lambda entry: entry.void_revision or None, "OF A VOID CLOSING", figure=True),
        *by_protocol,
    ]
    return View(
        tz=tz,
        columns=columns,
        table=("server", "day", "entry", "at", *SUM_NAMES, "accounted_now", *void),
        csv=("server", "day", "tz", "entry", "at", *SUM_NAMES, *void, *(column.name for column in by_protocol)),
        narrow=("accounted_now", "bytes_in", "view_time_ms", "at", "connections"),
    )


def void_view(tz: ZoneInfo) -> View[VoidEntry]:
    """Return the view of closings that no longer count, with the figures of each."""
    columns: list[ListColumn[VoidEntry]] = [
        *attributes("server", "day", "tz"),
        ListColumn(
            "revision", attrgetter("revision"), "REVISION", lambda row: formats.count(row.revision), figure=True
        ),
        ListColumn("at", attrgetter("at"), "VOID SINCE", is_time=True),
        *attributes("by"),
        *attributes("reason", shrinks=True),
        ListColumn("closed_at", lambda entry: entry.closed.at, "CLOSED", is_time=True),
        ListColumn("closed_by", lambda entry: entry.closed.by or entry.closed.rule),
        *(
            ListColumn[VoidEntry](
                figure.name, attrgetter(f"figures.{figure.name}"), figure.heading, _void_figure(figure), figure=True
            )
            for figure in SUMS
        ),
    ]
    return View(
        tz=tz,
        columns=columns,
        table=("server", "day", "revision", "closed_at", "at", "by", *SUM_NAMES, "reason"),
        csv=("server", "day", "tz", "revision", "at", "by", "reason", "closed_at", "closed_by", *SUM_NAMES),
        narrow=("view_time_ms", "connections", "bytes_in", "bytes_out", "by", "closed_at"),
    )


def _void_figure(figure: Figure) -> Callable[[VoidEntry], str]:
    text = formats.FORMAT_OF_UNIT[figure.unit]
    return lambda entry: text(getattr(entry.figures, figure.name))


def _disagreements(day: DailyStatistics) -> str:
    return formats.count(len(day.disagreements)) if day.disagreements else ""


def _void_revisions(day: DailyStatistics) -> str:
    return " ".join(str(entry.revision) for entry in day.voids or ())


def _with_start(start_of: StartOf[Figures]) -> Callable[[Figures], object]:
    """Return the function of a row that returns it as JSON has it, with the start of accounting."""
    return lambda row: msgspec.to_builtins(row) | {"accounted_since": start_of(row)}


def _figure_columns(start_of: StartOf[Figures]) -> list[ListColumn[Any]]:
    """Return the columns of figures, coverage, recovered figures and percentiles."""

    def accounted(row: Figures) -> str:
        started_at = start_of(row)
        since = "" if started_at is None else f" since {formats.time_text(started_at, ZoneInfo(row.tz))[:-3]}"
        return complete_share(row.coverage) + since

    columns: list[ListColumn[Any]] = [ListColumn("accounted", accounted, "ACCOUNTED", figure=True)]
    for figure in FIGURES:
        columns.append(ListColumn(figure.name, attrgetter(figure.name), figure.heading, _figure(figure), figure=True))
        if figure.combination is Combination.PEAK:
            columns += attributes(figure.time_name, is_time=True)
    return [
        *columns,
        ListColumn("average_view_time_ms", attrgetter("average_view_time_ms"), "AVERAGE", _average, figure=True),
        *(
            ListColumn[Any](f"coverage_{name}", attrgetter(f"coverage.{name}"), figure=True)
            for name in CoveredTime.__struct_fields__
        ),
        *(
            ListColumn[Any](
                f"backfilled_{figure.name}",
                attrgetter(f"backfilled.{figure.name}"),
                f"BACKFILLED {figure.heading}",
                _backfilled(figure),
                figure=True,
            )
            for figure in SUMS
        ),
        ListColumn(
            "percentile_95_in_bps",
            lambda row: _percentile(row).in_bps,
            "95TH IN",
            lambda row: formats.optional_bandwidth(_percentile(row).in_bps),
            figure=True,
        ),
        ListColumn(
            "percentile_95_out_bps",
            lambda row: _percentile(row).out_bps,
            "95TH OUT",
            lambda row: formats.optional_bandwidth(_percentile(row).out_bps),
            figure=True,
        ),
        ListColumn("percentile_95_samples", lambda row: _percentile(row).samples, "SAMPLES", _samples, figure=True),
        ListColumn("percentile_95_expected_samples", lambda row: _percentile(row).expected_samples, figure=True),
    ]


def _figure(figure: Figure) -> Callable[[Figures], str]:
    text = formats.FORMAT_OF_UNIT[figure.unit]
    return _known(lambda row: text(getattr(row, figure.name)))


def _signed_figure(figure: Figure) -> Callable[[LedgerEntry], str]:
    text = formats.FORMAT_OF_UNIT[figure.unit]
    return lambda entry: formats.signed(getattr(entry, figure.name), text)


def _backfilled(figure: Figure) -> Callable[[Any], str]:
    text = formats.FORMAT_OF_UNIT[figure.unit]
    return _known(lambda row: text(getattr(row.backfilled, figure.name)))


def _adjustment_columns() -> list[ListColumn[Figures]]:
    """Return the columns of later changes of closed days."""

    def value(figure: Figure) -> Callable[[Figures], int | None]:
        return lambda row: None if row.adjustment is None else getattr(row.adjustment, figure.name)

    def text(figure: Figure) -> Callable[[Figures], str]:
        of_unit, amount = formats.FORMAT_OF_UNIT[figure.unit], value(figure)
        return lambda row: "" if (number := amount(row)) is None else formats.signed(number, of_unit)

    return [
        ListColumn(f"adjustment_{figure.name}", value(figure), f"ADJUSTED {figure.heading}", text(figure), figure=True)
        for figure in SUMS
    ]


def _known(text: Callable[[Any], str]) -> Callable[[Any], str]:
    """Return a formatter that shows `–` where nothing has been reported, which is not zero."""

    def shown(row: DailyStatistics | SummedStatistics) -> str:
        covered = row.coverage
        something = covered.live_ms or covered.backfilled_ms or covered.partial_ms
        nothing_came = not something and (covered.missing_ms or covered.lost_ms or covered.held_ms)
        return UNKNOWN if nothing_came else text(row)

    return shown


def _beside(shown: Sequence[Figures]) -> list[str]:
    """Return the columns for later changes and for owing servers, if any row has them."""
    adjusted = ["adjustment_bytes_out"] if any(row.adjustment is not None for row in shown) else []
    return adjusted + (["waiting_for"] if any(row.waiting_for for row in shown) else [])


def _protocol_columns(shown: Sequence[Figures]) -> list[ListColumn[Figures]]:
    protocols = sorted({name for row in shown for name in row.connections_by_protocol})
    return [ListColumn(f"connections_by_protocol_{name}", _protocol(name), figure=True) for name in protocols]


def _protocol(name: str) -> Callable[[DailyStatistics | SummedStatistics], int]:
    return lambda row: row.connections_by_protocol.get(name, 0)


def _entry_protocol(name: str) -> Callable[[LedgerEntry], int]:
    return lambda entry: entry.connections_by_protocol.get(name, 0)


def _percentile(row: DailyStatistics | SummedStatistics) -> Percentile:
    return row.percentile_95 or Percentile()


def _samples(row: DailyStatistics | SummedStatistics) -> str:
    percentile = _percentile(row)
    return f"{formats.count(percentile.samples)}/{formats.count(percentile.expected_samples)}"


def _average(row: DailyStatistics | SummedStatistics) -> str:
    average = row.average_view_time_ms
    return UNKNOWN if average is None else formats.duration(round(average))
