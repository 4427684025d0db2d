"""Figures by stream of closed days: as they were at the closing, and as they are now.

A closing keeps its figures by stream, written once. What later reports change by stream is the difference between the
present figures and the closed ones, which the transaction of the report stores. A closing of a version without figures
by stream has none: all of it is not by stream.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from streamusage.core.coverage import Interval
from streamusage.evidence.signed_streams import SignedStream, hash_of_streams
from streamusage.service.accounting.closed_customers import customers_as_closed, decode_customers
from streamusage.service.accounting.disagreements import disagreements_as_closed
from streamusage.service.accounting.stream_days import load_stream_days
from streamusage.service.rules.customers import DayCustomers
from streamusage.service.rules.stream_days import StreamsOfDay
from streamusage.service.store.coverage_rows import CoveredServer
from streamusage.service.store.schema import closed_days, stream_hours
from streamusage.service.store.streams.closed_streams import decode_streams, encode_minutes, encode_sums

STEP_BYTES = 2**22
"""About how many stored bytes of hours by stream one transaction closes: a day of 600 streams."""

ClosingColumns = Mapping[str, bytes | None]
"""The columns of a closing that have its figures by stream and by customer, and its disagreements."""


class ClosedStreams(NamedTuple):
    """A closed day of one server by stream."""

    closed: StreamsOfDay
    current: StreamsOfDay | None
    """The present sums, without minutes; `None` if they are the closed ones."""
    rules: str | None
    """Hash of the rules that made its customers; `None` if none applied."""


def limit_servers(connection: Connection, names: Sequence[str], day: Interval) -> list[str]:
    """Return the first of these servers, so that one transaction reads about `STEP_BYTES` of figures by stream; at
    least one.
    """
    size = func.sum(func.length(stream_hours.c.figures) + func.length(stream_hours.c.minutes))
    within = (stream_hours.c.hour > day.from_ms - 3_600_000, stream_hours.c.hour < day.to_ms)
    query = select(stream_hours.c.server, size).where(stream_hours.c.server.in_(names), *within)
    sizes = dict(connection.execute(query.group_by(stream_hours.c.server)).all()) if len(names) > 1 else {}
    chosen: list[str] = []
    room = STEP_BYTES
    for name in names:
        room -= int(sizes.get(name, 0))
        if chosen and room < 0:
            break
        chosen.append(name)
    return chosen


def compute_closings(
    connection: Connection, items: Sequence[CoveredServer], day: Interval, customers: DayCustomers
) -> dict[str, ClosingColumns]:
    """Return by server the columns of closings that have their figures by stream, as the store has them now, and by
    customer, and the disagreements of the day that are open.
    """
    columns: dict[str, ClosingColumns] = {}
    for item in items:  # one after the other: 2,000 streams take 46 MB
        server = item.state.server
        streams = load_stream_days(connection, {server: item.state.summed_to}, day, with_minutes=True)[server]
        disagreements = disagreements_as_closed(connection, server, day)
        columns[server] = {**streams_as_closed(streams, customers), "disagreements": disagreements}
    return columns


def streams_as_closed(streams: StreamsOfDay, customers: DayCustomers) -> ClosingColumns:
    """Return the columns of a closing with these figures by stream."""
    return {
        "streams": encode_sums(streams),
        "stream_minutes": encode_minutes(streams),
        "customers": customers_as_closed(streams, customers),
    }


def present_streams(connection: Connection, item: CoveredServer, closing: Any, day: Interval) -> bytes | None:
    """Return the present sums by stream of a closed day if they are others than those stored; else `None`.

    `closing` is a row of `closed_days`.
    """
    if closing.streams is None:
        return None
    server = item.state.server
    streams = load_stream_days(connection, {server: item.state.summed_to}, day, with_minutes=False)[server]
    before = closing.streams if closing.current_streams is None else closing.current_streams
    return None if decode_streams(before) == streams else encode_sums(streams)


def load_closed_streams(
    connection: Connection, tz: ZoneInfo, day: date, revisions: Sequence[int]
) -> Mapping[str, ClosedStreams]:
    """Return the closings of a day with these revisions by server. One without figures by stream is absent."""
    names = ("server", "streams", "stream_minutes", "current_streams", "customers")
    columns = [closed_days.c[name] for name in names]
    of_day = (closed_days.c.tz == tz.key, closed_days.c.day == day.isoformat(), closed_days.c.revision.in_(revisions))
    return {
        row.server: ClosedStreams(
            decode_streams(row.streams, row.stream_minutes),
            None if row.current_streams is None else decode_streams(row.current_streams),
            None if row.customers is None else decode_customers(row.customers).rules,
        )
        for row in connection.execute(select(*columns).where(*of_day, closed_days.c.streams.is_not(None)))
    }


def hash_of_closing(streams: bytes | None) -> str | None:
    """Return the hash of the sums by stream of a closing, which its entry in the chain has; `None` without any."""
    if streams is None:
        return None
    return hash_of_streams(
        SignedStream(
            scope=stream.scope,
            name=stream.name,
            traffic=figures.traffic,  # type: ignore[arg-type]  # every stream has one
            connections=figures.sums[0],
            bytes_in=figures.sums[1],
            bytes_out=figures.sums[2],
            view_time_ms=figures.sums[3],
            backfilled_connections=figures.sums[4],
            backfilled_bytes_in=figures.sums[5],
            backfilled_bytes_out=figures.sums[6],
            backfilled_view_time_ms=figures.sums[7],
        )
        for stream, figures in decode_streams(streams).items()
    )
