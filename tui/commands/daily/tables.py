"""Tables of daily statistics, their sums and the ledger: columns of the table and fields of the CSV. Pure."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TypeVar
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
from tui.commands.tables import time_text
from tui.model import formats
from tui.model.daily.days import complete_share, join_names
from tui.model.formats import UNKNOWN
from tui.output import CsvField, TableColumn, View, same_named

Figures = TypeVar("Figures", DailyStatistics, SummedStatistics)

StartOf = Callable[[Figures], int | None]
"""Returns when accounting of a row began, if that is within its period."""


def _unknown_start(_row: object) -> None:
    return None


def daily_view(
    shown: Sequence[DailyStatistics], start_of: StartOf[DailyStatistics] = _unknown_start
) -> View[DailyStatistics]:
    """Return the view of daily statistics with their coverage. `start_of` returns when accounting of a row began."""
    return View(
        document=_with_start(start_of),
        columns=[
            TableColumn("SERVER", lambda day: day.server),
            TableColumn("DAY", lambda day: day.day),
            TableColumn("STATE", lambda day: day.state),
            *_figure_columns(shown, start_of),
            *_beside(shown),
            *([TableColumn("VOID CLOSINGS", _void_revisions, figure=True)] if _has_voids(shown) else []),
            *([TableColumn("DISAGREEMENTS", _disagreements, figure=True)] if _disagrees(shown) else []),
        ],
        fields=[
            *same_named("server", "day", "tz", "state"),
            *_figure_fields(shown),
            CsvField("closed_at", lambda day: day.closed.at if day.closed else None, is_time=True),
            CsvField("closed_by", lambda day: day.closed.by or day.closed.rule if day.closed else None),
            CsvField("revision", lambda day: day.closed.revision if day.closed else None),
            CsvField("adjustment_at", lambda day: day.adjustment.at if day.adjustment else None, is_time=True),
            *(CsvField(f"adjustment_{name}", _adjusted(name)) for name in SUM_NAMES),
            CsvField("waiting_for", lambda day: " ".join(day.waiting_for) or None),
            *([CsvField("void_revisions", _void_revisions)] if _has_voids(shown) else []),
            *([CsvField("disagreements", _disagreements)] if _disagrees(shown) else []),
            *_protocol_fields(shown),
            CsvField("accounted_since", start_of, is_time=True),
        ],
    )


def sums_view(
    shown: Sequence[SummedStatistics], group: str, start_of: StartOf[SummedStatistics] = _unknown_start
) -> View[SummedStatistics]:
    """Return the view of sums with their coverage; sums of streams have the word of their traffic."""
    by_stream = group in STREAM_GROUPS
    words = [TableColumn[SummedStatistics]("TRAFFIC", lambda row: row.traffic or UNKNOWN)] if by_stream else []
    return View(
        document=_with_start(start_of),
        columns=[
            TableColumn(group.upper() if group != "all" else "GROUP", lambda row: row.group),
            TableColumn("PERIOD", lambda row: row.period),
            TableColumn("DAYS", lambda row: formats.count(row.days), figure=True),
            TableColumn("SERVERS", lambda row: formats.count(row.servers), figure=True),
            TableColumn("STATE", lambda row: row.state),
            *words,
            *_figure_columns(shown, start_of),
            *_beside(shown),
        ],
        fields=[
            *same_named("group", "period"),
            CsvField("from", lambda row: row.first_day),
            CsvField("to", lambda row: row.last_day),
            *same_named("tz", "state", "days", "servers"),
            *([CsvField[SummedStatistics]("traffic", lambda row: row.traffic or None)] if by_stream else []),
            *_figure_fields(shown),
            *(CsvField(f"adjustment_{name}", _adjusted(name)) for name in SUM_NAMES),
            CsvField("waiting_for", lambda row: " ".join(row.waiting_for) or None),
            *_protocol_fields(shown),
            CsvField("accounted_since", start_of, is_time=True),
        ],
    )


def ledger_view(shown: Sequence[LedgerEntry], tz: ZoneInfo) -> View[LedgerEntry]:
    """Return the view of the ledger. Protocols become the last columns of the CSV, in order."""
    has_void = any(entry.void_revision for entry in shown)
    protocols = sorted({name for entry in shown for name in entry.connections_by_protocol})
    return View(
        columns=[
            TableColumn("SERVER", lambda entry: entry.server),
            TableColumn("DAY", lambda entry: entry.day),
            TableColumn("ENTRY", lambda entry: formats.count(entry.entry), figure=True),
            TableColumn(f"RECEIVED ({tz.key})", lambda entry: time_text(entry.at, tz)),
            *(TableColumn(figure.heading, _signed_figure(figure), figure=True) for figure in SUMS),
            TableColumn("ACCOUNTED NOW", lambda entry: complete_share(entry.figures.coverage), figure=True),
            *([TableColumn[LedgerEntry]("OF A VOID CLOSING", _void_revision, figure=True)] if has_void else []),
        ],
        fields=[
            *same_named("server", "day", "tz", "entry"),
            *same_named("at", is_time=True),
            *same_named(*SUM_NAMES),
            *([CsvField[LedgerEntry]("void_revision", lambda entry: entry.void_revision or None)] if has_void else []),
            *(CsvField(f"connections_by_protocol_{name}", _entry_protocol(name)) for name in protocols),
        ],
    )


def void_view(tz: ZoneInfo) -> View[VoidEntry]:
    """Return the view of closings that no longer count, with the figures of each."""
    return View(
        columns=[
            TableColumn("SERVER", lambda entry: entry.server),
            TableColumn("DAY", lambda entry: entry.day),
            TableColumn("REVISION", lambda entry: formats.count(entry.revision), figure=True),
            TableColumn(f"CLOSED ({tz.key})", lambda entry: time_text(entry.closed.at, tz)),
            TableColumn(f"VOID SINCE ({tz.key})", lambda entry: time_text(entry.at, tz)),
            TableColumn("BY", lambda entry: entry.by),
            *(TableColumn(figure.heading, _void_figure(figure), figure=True) for figure in SUMS),
            TableColumn("REASON", lambda entry: entry.reason),
        ],
        fields=[
            *same_named("server", "day", "tz", "revision"),
            *same_named("at", is_time=True),
            *same_named("by", "reason"),
            CsvField("closed_at", lambda entry: entry.closed.at, is_time=True),
            CsvField("closed_by", lambda entry: entry.closed.by or entry.closed.rule),
            *(CsvField(name, attrgetter(f"figures.{name}")) for name in SUM_NAMES),
        ],
    )


def _void_figure(figure: Figure) -> Callable[[VoidEntry], str]:
    text = formats.FORMAT_OF_UNIT[figure.unit]
    return lambda entry: text(getattr(entry.figures, figure.name))


def _disagrees(shown: Sequence[DailyStatistics]) -> bool:
    return any(day.disagreements for day in shown)


def _disagreements(day: DailyStatistics) -> str:
    return formats.count(len(day.disagreements)) if day.disagreements else ""


def _has_voids(shown: Sequence[DailyStatistics]) -> bool:
    return any(day.voids for day in shown)


def _void_revisions(day: DailyStatistics) -> str:
    return " ".join(str(entry.revision) for entry in day.voids or ())


def _void_revision(entry: LedgerEntry) -> str:
    return str(entry.void_revision) if entry.void_revision else ""


def _with_start(start_of: StartOf[Figures]) -> Callable[[Figures], object]:
    """Return the function of a row that returns it as JSON has it, with the start of accounting."""
    return lambda row: msgspec.to_builtins(row) | {"accounted_since": start_of(row)}


def _figure_columns(shown: Sequence[Figures], start_of: StartOf[Figures]) -> list[TableColumn[Figures]]:
    def accounted(row: Figures) -> str:
        started_at = start_of(row)
        since = "" if started_at is None else f" since {time_text(started_at, ZoneInfo(row.tz))[:-3]}"
        return complete_share(row.coverage) + since

    return [
        TableColumn("ACCOUNTED", accounted, figure=True),
        *(TableColumn(figure.heading, _figure(figure), figure=True) for figure in FIGURES[:-1]),
        TableColumn("95TH OUT", lambda row: formats.optional_bandwidth(_percentile(row).out_bps), figure=True),
        TableColumn("SAMPLES", _samples, figure=True),
        TableColumn(FIGURES[-1].heading, _figure(FIGURES[-1]), figure=True),  # view time, beside its average
        TableColumn("AVERAGE", _average, figure=True),
        TableColumn("BACKFILLED OUT", _known(lambda row: formats.traffic(row.backfilled.bytes_out)), figure=True),
    ]


def _figure(figure: Figure) -> Callable[[Figures], str]:
    text = formats.FORMAT_OF_UNIT[figure.unit]
    return _known(lambda row: text(getattr(row, figure.name)))


def _signed_figure(figure: Figure) -> Callable[[LedgerEntry], str]:
    text = formats.FORMAT_OF_UNIT[figure.unit]
    return lambda entry: formats.signed(getattr(entry, figure.name), text)


def _adjusted(name: str) -> Callable[[Figures], int | None]:
    return lambda row: None if row.adjustment is None else getattr(row.adjustment, name)


def _known(text: Callable[[DailyStatistics | SummedStatistics], str]) -> Callable[[Figures], str]:
    """Return a formatter that shows `–` where nothing has been reported, which is not zero."""

    def shown(row: Figures) -> str:
        covered = row.coverage
        something = covered.live_ms or covered.backfilled_ms or covered.partial_ms
        nothing_came = not something and (covered.missing_ms or covered.lost_ms or covered.held_ms)
        return UNKNOWN if nothing_came else text(row)

    return shown


def _beside(shown: Sequence[Figures]) -> list[TableColumn[Figures]]:
    """Return the columns for later changes and for owing servers, if any row has them."""
    columns: list[TableColumn[Figures]] = []
    if any(row.adjustment is not None for row in shown):
        columns.append(TableColumn("ADJUSTED OUT", _adjusted_out, figure=True))
    if any(row.waiting_for for row in shown):
        columns.append(TableColumn("WAITS FOR", lambda row: join_names(row.waiting_for) if row.waiting_for else ""))
    return columns


def _figure_fields(shown: Sequence[Figures]) -> list[CsvField[Figures]]:
    figures: list[CsvField[Figures]] = []
    for figure in FIGURES:
        figures += same_named(figure.name)
        if figure.combination is Combination.PEAK:
            figures += same_named(figure.time_name, is_time=True)
    return [
        *figures,
        *same_named("average_view_time_ms"),
        *(CsvField(f"coverage_{name}", attrgetter(f"coverage.{name}")) for name in CoveredTime.__struct_fields__),
        *(CsvField(f"backfilled_{name}", attrgetter(f"backfilled.{name}")) for name in SUM_NAMES),
        CsvField("percentile_95_in_bps", lambda row: _percentile(row).in_bps),
        CsvField("percentile_95_out_bps", lambda row: _percentile(row).out_bps),
        CsvField("percentile_95_samples", lambda row: _percentile(row).samples),
        CsvField("percentile_95_expected_samples", lambda row: _percentile(row).expected_samples),
    ]


def _protocol_fields(shown: Sequence[Figures]) -> list[CsvField[Figures]]:
    protocols = sorted({name for row in shown for name in row.connections_by_protocol})
    return [CsvField(f"connections_by_protocol_{name}", _protocol(name)) for name in protocols]


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


def _adjusted_out(row: DailyStatistics | SummedStatistics) -> str:
    return "" if row.adjustment is None else formats.signed(row.adjustment.bytes_out, formats.traffic)
