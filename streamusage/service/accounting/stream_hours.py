"""Hours by stream in the store: summed from the minutes in the transaction and under the rule of `hours`.

The hours of a server before its `summed_to` are summed; an hour in which no stream had figures has no row.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, func, select

from streamusage.core.coverage import Interval
from streamusage.service.rules.rollups import HOUR_MS
from streamusage.service.rules.scope_hours import fold_hour
from streamusage.service.rules.stream_hours import StreamHour, roll_up_streams
from streamusage.service.rules.stream_slots import ShareColumns
from streamusage.service.store.schema import stream_hours, stream_slots
from streamusage.service.store.sql import upsert
from streamusage.service.store.statements import PreparedStatement
from streamusage.service.store.streams.stream_hours import decode_hour, encode_hour, encode_scopes, stamp_of
from streamusage.service.store.streams.stream_slots import decode_columns

STEP_BYTES = 2**20
"""About how many stored bytes of minutes by stream one transaction sums: 100,000 parts of streams."""
_BATCH_SIZE = 300

_SERVER: Any = bindparam("of_server")
_FROM: Any = bindparam("from_ms")
_TO: Any = bindparam("to_ms")
_NAMES: Any = bindparam("names", expanding=True)

_HOUR_OF_SLOT = (stream_slots.c.slot - stream_slots.c.slot % HOUR_MS).label("hour")
_SIZES = PreparedStatement(
    select(_HOUR_OF_SLOT, func.sum(func.length(stream_slots.c.streams)).label("size"))
    .where(stream_slots.c.server == _SERVER, stream_slots.c.slot >= _FROM, stream_slots.c.slot < _TO)
    .group_by(_HOUR_OF_SLOT)
    .order_by(_HOUR_OF_SLOT)
)
_MINUTES = PreparedStatement(
    select(stream_slots.c.server, stream_slots.c.slot, stream_slots.c.streams)
    .where(stream_slots.c.server.in_(_NAMES), stream_slots.c.slot >= _FROM, stream_slots.c.slot < _TO)
    .order_by(stream_slots.c.slot, stream_slots.c.epoch),
    listed="names",
)
_FORGET = PreparedStatement(
    delete(stream_hours).where(
        stream_hours.c.server == _SERVER, stream_hours.c.hour >= _FROM, stream_hours.c.hour < _TO
    )
)


class SummedStep(NamedTuple):
    """How far a step sums the hours of a server."""

    to_ms: int
    size: int
    """Stored bytes of the minutes by stream that it reads."""


def limit_step(connection: Connection, server: str, interval: Interval, room: int) -> SummedStep:
    """Return until when the hours of an interval are summed, so that about `room` bytes of minutes are read. The first
    hour with figures by stream is always among them.
    """
    size = 0
    for row in _SIZES.rows(connection, of_server=server, from_ms=interval.from_ms, to_ms=interval.to_ms):
        if size and size + int(row.size) > room:
            return SummedStep(row.hour, size)
        size += int(row.size)
    return SummedStep(interval.to_ms, size)


def sum_stream_hours(connection: Connection, server: str, interval: Interval) -> None:
    """Sum the hours by stream of a server that begin in an interval; it begins and ends with an hour."""
    _FORGET.run(connection, of_server=server, from_ms=interval.from_ms, to_ms=interval.to_ms)
    summed = roll_up_minutes(connection, [server], interval).get(server, {})
    rows = []
    for start, hour in summed.items():
        stored = encode_hour(hour)
        digest = {"scopes": encode_scopes(fold_hour(hour)), "stamp": stamp_of(stored)}
        rows.append({"hour": start, "server": server} | stored._asdict() | digest)
    upsert(connection, stream_hours, rows)


def roll_up_minutes(
    connection: Connection, names: Sequence[str], interval: Interval
) -> dict[str, dict[int, StreamHour]]:
    """Return the hours by stream of servers, by server and start, summed from the minutes of an interval."""
    minutes: dict[str, list[tuple[int, ShareColumns]]] = {}
    within = {"from_ms": interval.from_ms, "to_ms": interval.to_ms}
    for batch in _batches(names):
        for row in _MINUTES.rows(connection, names=batch, **within):
            minutes.setdefault(row.server, []).append((row.slot, decode_columns(row.streams)))
    return {server: roll_up_streams(slots) for server, slots in minutes.items()}


def iterate_stored_hours(
    connection: Connection, interval: Interval, names: Collection[str], *, with_minutes: bool
) -> Iterator[tuple[str, int, StreamHour]]:
    """Yield server, start and figures of the summed hours that begin in an interval, of these servers.

    Raises `ValueError`, `msgspec.MsgspecError` or `zlib.error` for a damaged row.
    """
    names_of_columns = ("hour", "server", "figures", *(("minutes",) if with_minutes else ()))
    columns = [stream_hours.c[name] for name in names_of_columns]
    within = and_(stream_hours.c.hour >= interval.from_ms, stream_hours.c.hour < interval.to_ms)
    for batch in _batches(sorted(names)):
        for row in connection.execute(select(*columns).where(within, stream_hours.c.server.in_(batch))):
            yield row.server, row.hour, decode_hour(row.figures, row.minutes if with_minutes else None)


def _batches(names: Sequence[str]) -> Iterable[list[str]]:
    return (list(names[start : start + _BATCH_SIZE]) for start in range(0, len(names), _BATCH_SIZE))
