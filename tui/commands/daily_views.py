"""How daily statistics, their sums and the ledger are shown: columns of the table and fields of the CSV. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar
from zoneinfo import ZoneInfo

from streamusage.day_answers import DailyStatistics, LedgerEntry, Percentile, SummedStatistics
from tui.commands.views import time_text
from tui.model import formats
from tui.model.days import accounted, named
from tui.model.formats import UNKNOWN
from tui.output import Column, Field, View, same_named

Figures = TypeVar("Figures", DailyStatistics, SummedStatistics)


def daily_view(shown: Sequence[DailyStatistics]) -> View[DailyStatistics]:
    """Daily statistics, the coverage they rest on beside the figures."""
    return View(
        columns=[
            Column("SERVER", lambda day: day.server),
            Column("DAY", lambda day: day.day),
            Column("STATE", lambda day: day.state),
            *_figure_columns(shown),
            *_beside(shown),
        ],
        fields=[
            *same_named("server", "day", "tz", "state"),
            *_figure_fields(shown),
            Field("closed_at", lambda day: day.closed.at if day.closed else None),
            Field("closed_by", lambda day: day.closed.by or day.closed.rule if day.closed else None),
            Field("revision", lambda day: day.closed.revision if day.closed else None),
            Field("adjustment_at", lambda day: day.adjustment.at if day.adjustment else None),
            Field("adjustment_connections", lambda day: day.adjustment.connections if day.adjustment else None),
            Field("adjustment_bytes_in", lambda day: day.adjustment.bytes_in if day.adjustment else None),
            Field("adjustment_bytes_out", lambda day: day.adjustment.bytes_out if day.adjustment else None),
            Field("adjustment_view_time_ms", lambda day: day.adjustment.view_time_ms if day.adjustment else None),
            Field("waiting_for", lambda day: " ".join(day.waiting_for) or None),
            *_protocol_fields(shown),
        ],
    )


def sums_view(shown: Sequence[SummedStatistics], group: str) -> View[SummedStatistics]:
    """Sums of days, the coverage they rest on beside the figures."""
    return View(
        columns=[
            Column(group.upper() if group != "all" else "GROUP", lambda row: row.group),
            Column("PERIOD", lambda row: row.period),
            Column("DAYS", lambda row: formats.count(row.days), figure=True),
            Column("SERVERS", lambda row: formats.count(row.servers), figure=True),
            Column("STATE", lambda row: row.state),
            *_figure_columns(shown),
            *_beside(shown),
        ],
        fields=[
            *same_named("group", "period"),
            Field("from", lambda row: row.first_day),
            Field("to", lambda row: row.last_day),
            *same_named("tz", "state", "days", "servers"),
            *_figure_fields(shown),
            Field("adjustment_connections", lambda row: row.adjustment.connections if row.adjustment else None),
            Field("adjustment_bytes_in", lambda row: row.adjustment.bytes_in if row.adjustment else None),
            Field("adjustment_bytes_out", lambda row: row.adjustment.bytes_out if row.adjustment else None),
            Field("adjustment_view_time_ms", lambda row: row.adjustment.view_time_ms if row.adjustment else None),
            Field("waiting_for", lambda row: " ".join(row.waiting_for) or None),
            *_protocol_fields(shown),
        ],
    )


def ledger_view(shown: Iterable[LedgerEntry], tz: ZoneInfo) -> View[LedgerEntry]:
    """What came to closed days later. The protocols become columns of the CSV, last and in order."""
    protocols = sorted({name for entry in shown for name in entry.connections_by_protocol})
    return View(
        columns=[
            Column("SERVER", lambda entry: entry.server),
            Column("DAY", lambda entry: entry.day),
            Column("ENTRY", lambda entry: formats.count(entry.entry), figure=True),
            Column(f"CAME ({tz.key})", lambda entry: time_text(entry.at, tz)),
            Column("CONNECTIONS", lambda entry: _signed(entry.connections, formats.count), figure=True),
            Column("IN", lambda entry: _signed(entry.bytes_in, formats.traffic), figure=True),
            Column("OUT", lambda entry: _signed(entry.bytes_out, formats.traffic), figure=True),
            Column("VIEW TIME", lambda entry: _signed(entry.view_time_ms, formats.duration), figure=True),
            Column("ACCOUNTED NOW", lambda entry: accounted(entry.figures.coverage), figure=True),
        ],
        fields=[
            *same_named("server", "day", "tz", "entry", "at", "connections", "bytes_in", "bytes_out", "view_time_ms"),
            *(Field(f"connections_by_protocol_{name}", _entry_protocol(name)) for name in protocols),
        ],
    )


def _figure_columns(shown: Sequence[Figures]) -> list[Column[Figures]]:
    return [
        Column("ACCOUNTED", lambda row: accounted(row.coverage), figure=True),
        Column("CONNECTIONS", _known(lambda row: formats.count(row.connections)), figure=True),
        Column("IN", _known(lambda row: formats.traffic(row.bytes_in)), figure=True),
        Column("OUT", _known(lambda row: formats.traffic(row.bytes_out)), figure=True),
        Column("PEAK IN", _known(lambda row: _bandwidth(row.peak_in_bps)), figure=True),
        Column("PEAK OUT", _known(lambda row: _bandwidth(row.peak_out_bps)), figure=True),
        Column("95TH OUT", lambda row: _bandwidth(_percentile(row).out_bps), figure=True),
        Column("SAMPLES", _samples, figure=True),
        Column("VIEW TIME", _known(lambda row: formats.duration(row.view_time_ms)), figure=True),
        Column("AVERAGE", _average, figure=True),
        Column("BACKFILLED OUT", _known(lambda row: formats.traffic(row.backfilled.bytes_out)), figure=True),
    ]


def _known(text: Callable[[DailyStatistics | SummedStatistics], str]) -> Callable[[Figures], str]:
    """A figure in words, and none where nothing of the time has come: that is no zero."""

    def shown(row: Figures) -> str:
        covered = row.coverage
        something = covered.live_ms or covered.backfilled_ms or covered.partial_ms
        nothing_came = not something and (covered.missing_ms or covered.lost_ms or covered.held_ms)
        return UNKNOWN if nothing_came else text(row)

    return shown


def _beside(shown: Sequence[Figures]) -> list[Column[Figures]]:
    """What stands beside the figures, where any of the rows has it: what came later, and what it waits for."""
    columns: list[Column[Figures]] = []
    if any(row.adjustment is not None for row in shown):
        columns.append(Column("ADJUSTED OUT", _adjusted_out, figure=True))
    if any(row.waiting_for for row in shown):
        columns.append(Column("WAITS FOR", lambda row: named(row.waiting_for) if row.waiting_for else ""))
    return columns


def _figure_fields(shown: Sequence[Figures]) -> list[Field[Figures]]:
    return [
        *same_named(
            "connections",
            "bytes_in",
            "bytes_out",
            "peak_in_bps",
            "peak_in_at",
            "peak_out_bps",
            "peak_out_at",
            "view_time_ms",
            "average_view_time_ms",
        ),
        Field("coverage_live_ms", lambda row: row.coverage.live_ms),
        Field("coverage_backfilled_ms", lambda row: row.coverage.backfilled_ms),
        Field("coverage_partial_ms", lambda row: row.coverage.partial_ms),
        Field("coverage_missing_ms", lambda row: row.coverage.missing_ms),
        Field("coverage_lost_ms", lambda row: row.coverage.lost_ms),
        Field("coverage_held_ms", lambda row: row.coverage.held_ms),
        Field("backfilled_connections", lambda row: row.backfilled.connections),
        Field("backfilled_bytes_in", lambda row: row.backfilled.bytes_in),
        Field("backfilled_bytes_out", lambda row: row.backfilled.bytes_out),
        Field("backfilled_view_time_ms", lambda row: row.backfilled.view_time_ms),
        Field("percentile_95_in_bps", lambda row: _percentile(row).in_bps),
        Field("percentile_95_out_bps", lambda row: _percentile(row).out_bps),
        Field("percentile_95_samples", lambda row: _percentile(row).samples),
        Field("percentile_95_expected_samples", lambda row: _percentile(row).expected_samples),
    ]


def _protocol_fields(shown: Sequence[Figures]) -> list[Field[Figures]]:
    protocols = sorted({name for row in shown for name in row.connections_by_protocol})
    return [Field(f"connections_by_protocol_{name}", _protocol(name)) for name in protocols]


def _protocol(name: str) -> Callable[[DailyStatistics | SummedStatistics], int]:
    return lambda row: row.connections_by_protocol.get(name, 0)


def _entry_protocol(name: str) -> Callable[[LedgerEntry], int]:
    return lambda entry: entry.connections_by_protocol.get(name, 0)


def _percentile(row: DailyStatistics | SummedStatistics) -> Percentile:
    return row.percentile_95 or Percentile()


def _samples(row: DailyStatistics | SummedStatistics) -> str:
    percentile = _percentile(row)
    return f"{formats.count(percentile.samples)}/{formats.count(percentile.expected_samples)}"


def _bandwidth(bps: int | None) -> str:
    return UNKNOWN if bps is None else formats.bandwidth(bps)


def _average(row: DailyStatistics | SummedStatistics) -> str:
    average = row.average_view_time_ms
    return UNKNOWN if average is None else formats.duration_in_words(round(average))


def _adjusted_out(row: DailyStatistics | SummedStatistics) -> str:
    return "" if row.adjustment is None else _signed(row.adjustment.bytes_out, formats.traffic)


def _signed(figure: int, text: Callable[[int], str]) -> str:
    return f"-{text(-figure)}" if figure < 0 else f"+{text(figure)}"
