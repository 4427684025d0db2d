"""The tables that `streamtop export` writes: days of servers, streams and customers, sessions and samples. Pure."""

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import unquote

from streamusage.api.daily import DailyStatistics, SummedStatistics
from streamusage.api.extension import HistoryPoint, SessionRecord
from streamusage.core.coverage import INCOMPLETE
from streamusage.core.figures import NO_CUSTOMER, NOT_BY_STREAM
from streamusage.core.usage import StreamId
from tui.output.parquet import Kind, ParquetColumn, ParquetTable


class Sample(NamedTuple):
    """The subscribers of a stream in one minute."""

    stream: StreamId
    point: HistoryPoint


WITHOUT_CUSTOMER = (NO_CUSTOMER, NOT_BY_STREAM)
"""The rows of a service that are of no customer; no customer can have these names."""

_SUMS = ("connections", "bytes_in", "bytes_out", "view_time_ms")


def _fields(
    kind: Kind, *names: str, of: Callable[[Any], Any] = lambda row: row, prefix: str = ""
) -> list[ParquetColumn[Any]]:
    """Return columns of fields by their names; unknown where `of` returns `None`."""

    def reader(name: str) -> Callable[[Any], Any]:
        return lambda row: None if (part := of(row)) is None else getattr(part, name)

    return [ParquetColumn(prefix + name, kind, reader(name)) for name in names]


def _stream_part(at: int) -> Callable[[SummedStatistics], str | None]:
    """Return the reader of scope or name; unknown for what is not by stream."""

    def part(row: SummedStatistics) -> str | None:
        scope, slash, name = row.group.rpartition("/")
        return None if not slash else (scope, unquote(name))[at]

    return part


_DAY_FIGURES: list[ParquetColumn[Any]] = [
    *_fields(Kind.NUMBER, *_SUMS),
    *_fields(Kind.NUMBER, "peak_in_bps", "peak_out_bps"),
    *_fields(Kind.TIME, "peak_in_at", "peak_out_at"),
    *_fields(Kind.NUMBER, "in_bps", "out_bps", of=lambda day: day.percentile_95, prefix="percentile_95_"),
    *_fields(Kind.NUMBER, *_SUMS, of=lambda day: day.backfilled, prefix="backfilled_"),
    *_fields(
        Kind.NUMBER,
        *("live_ms", "backfilled_ms", "partial_ms", "missing_ms", "lost_ms", "held_ms"),
        of=lambda day: day.coverage,
        prefix="coverage_",
    ),
    *_fields(Kind.NUMBER, *_SUMS, of=lambda day: day.adjustment, prefix="adjusted_by_"),
]

STREAMS = ParquetTable[SummedStatistics](
    "streams",
    [
        ParquetColumn("scope", Kind.TEXT, _stream_part(0)),
        ParquetColumn("name", Kind.TEXT, _stream_part(1)),
        *_fields(Kind.TEXT, "tz", "state"),
        ParquetColumn("traffic", Kind.TEXT, lambda row: row.traffic or None),
        *_fields(Kind.NUMBER, "servers"),
        *_DAY_FIGURES,
    ],
)
"""Closed days of streams, over all servers. Scope and name are unknown for what is not by stream."""

CUSTOMERS = ParquetTable[SummedStatistics](
    "customers",
    [
        ParquetColumn("customer", Kind.TEXT, lambda row: None if row.group in WITHOUT_CUSTOMER else row.group),
        ParquetColumn("part", Kind.TEXT, lambda row: row.group if row.group in WITHOUT_CUSTOMER else "customer"),
        *_fields(Kind.TEXT, "tz", "state"),
        ParquetColumn("traffic", Kind.TEXT, lambda row: row.traffic or None),
        *_fields(Kind.NUMBER, "servers"),
        *_DAY_FIGURES,
    ],
)
"""Closed days of customers, over all servers, and of what has none."""

DAYS = ParquetTable[DailyStatistics](
    "days",
    [
        *_fields(Kind.TEXT, "server", "tz", "state"),
        *_fields(Kind.NUMBER, "revision", of=lambda day: day.closed),
        *_fields(Kind.TIME, "at", of=lambda day: day.closed, prefix="closed_"),
        *_fields(Kind.NUMBER, *_SUMS),
        ParquetColumn(
            "connections_by_protocol", Kind.NUMBERS_BY_NAME, lambda day: sorted(day.connections_by_protocol.items())
        ),
        *_fields(Kind.NUMBER, "peak_in_bps", "peak_out_bps"),
        *_fields(Kind.TIME, "peak_in_at", "peak_out_at"),
        *_fields(Kind.NUMBER, "in_bps", "out_bps", of=lambda day: day.percentile_95, prefix="percentile_95_"),
        *_fields(Kind.NUMBER, *_SUMS, of=lambda day: day.backfilled, prefix="backfilled_"),
        *_fields(
            Kind.NUMBER,
            *("live_ms", "backfilled_ms", "partial_ms", "missing_ms", "lost_ms", "held_ms"),
            of=lambda day: day.coverage,
            prefix="coverage_",
        ),
        *_fields(Kind.TIME, "at", of=lambda day: day.adjustment, prefix="adjusted_"),
        *_fields(Kind.NUMBER, *_SUMS, of=lambda day: day.adjustment, prefix="adjusted_by_"),
    ],
)
"""Closed days of servers: the figures at the closing, and by how much they were adjusted since."""

SESSIONS = ParquetTable[SessionRecord](
    "sessions",
    [
        *_fields(Kind.TEXT, "scope", "name"),
        *_fields(Kind.TIME, "start_time", "end_time"),
        ParquetColumn("duration_ms", Kind.NUMBER, lambda record: record.duration),
        *_fields(Kind.NUMBER, "active_subscribers", "max_subscribers", "lost_subscribers", "total_subscribers"),
        *_fields(Kind.TIME, "updated"),
        ParquetColumn("provenance", Kind.TEXT, lambda record: record.provenance.value),
        ParquetColumn("imported", Kind.FLAG, lambda record: bool(record.imported)),
        ParquetColumn("lower_bound", Kind.FLAG, lambda record: not record.imported and record.provenance in INCOMPLETE),
    ],
)
"""Sessions that ended on the day."""

SAMPLES = ParquetTable[Sample](
    "samples",
    [
        *_fields(Kind.TEXT, "scope", "name", of=lambda sample: sample.stream),
        ParquetColumn("minute", Kind.TIME, lambda sample: sample.point.at),
        *_fields(Kind.NUMBER, "active", "highest", of=lambda sample: sample.point),
        ParquetColumn("state", Kind.TEXT, lambda sample: sample.point.state and sample.point.state.value),
    ],
)
"""Subscribers of the streams of the day's sessions, minute by minute; unknown is no zero."""
