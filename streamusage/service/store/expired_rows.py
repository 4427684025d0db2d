"""Finds and deletes rows that are older than their retention, a limited number at a time, each by an index.

Conditions and orders are those of an index of the table, see `schema.py`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, and_, bindparam, delete, func, select, tuple_

from streamusage.core.coverage import Interval
from streamusage.service.store.audit import concerns_closed_days
from streamusage.service.store.partitions.expired_partitions import FIRST, RowRange, is_within
from streamusage.service.store.records import FINAL_REASONS
from streamusage.service.store.schema import (
    DIVIDED_BY,
    audit,
    has_ended,
    held,
    hours,
    outages,
    samples,
    server_sessions,
    servers,
    spans,
    stream_hours,
    tombstones,
    usage,
)

Key = tuple[Any, ...]


class ExpiredRows(NamedTuple):
    """Rows of one table that are older than their retention."""

    table: Table
    where: ColumnElement[bool]
    order: Sequence[Column[Any]]
    """Columns of the index that finds the rows, oldest first."""

    def exist(self, connection: Connection) -> bool:
        """Return whether there is such a row."""
        query = select(self.order[0]).where(self.where).order_by(*self.order).limit(1)
        return connection.execute(query).first() is not None

    def find(self, connection: Connection, at_most: int, after: Key | None = None) -> list[Key]:
        """Return the oldest of these rows: time and primary key of each. `after` is the last row found before."""
        place = [self.order[0], *self.table.primary_key.columns]
        query = select(*place).where(self.where).order_by(*place).limit(at_most)
        if after is not None:
            literals = [bindparam(None, value, column.type) for column, value in zip(place, after, strict=True)]
            query = query.where(place[0] >= literals[0], tuple_(*place) > tuple_(*literals))
        return [tuple(row) for row in connection.execute(query)]

    def among(self, keys: Sequence[Key]) -> ColumnElement[bool]:
        """Return the condition of these rows as far as `find` returned them and they are expired still."""
        return and_(tuple_(*self.table.primary_key.columns).in_([key[1:] for key in keys]), self.where)

    def delete(self, connection: Connection, at_most: int) -> int:
        """Delete the oldest of these rows and return how many."""
        key = list(self.table.primary_key.columns)
        oldest = select(*key).where(self.where).order_by(*self.order).limit(at_most)
        these = tuple_(*key).in_(oldest)
        # Of a divided table only the partitions in question are searched.
        wanted = and_(these, self.where) if self.table.name in DIVIDED_BY else these
        return connection.execute(delete(self.table).where(wanted)).rowcount


def before(time: Column[int], before_ms: int) -> ExpiredRows:
    """Return the rows with an earlier time, in a table with an index that begins with it."""
    return ExpiredRows(time.table, time < before_ms, [time])


def within(time: Column[int], interval: Interval) -> ExpiredRows:
    """Return the rows with a time in an interval, in a table with an index that begins with it."""
    return ExpiredRows(time.table, is_within(time, interval), [time])


def old_audit_entries(before_ms: int) -> ExpiredRows:
    """Return the entries of the audit log from before, except those about closed days, which are kept."""
    return ExpiredRows(audit, and_(audit.c.at < before_ms, ~concerns_closed_days()), [audit.c.at])


def ended_records(before_ms: int) -> ExpiredRows:
    """Return the usage records of ended sessions that the service wrote last before that time."""
    return ExpiredRows(usage, and_(has_ended(usage.c.live), usage.c.touched_at < before_ms), [usage.c.touched_at])


def closed_held_reports(before_ms: int) -> ExpiredRows:
    """Return the quarantined reports of which later reports delivered everything."""
    return ExpiredRows(held, and_(has_ended(held.c.open), held.c.last_at < before_ms), [held.c.last_at])


def parts_of_deleted_sessions(before_ms: int) -> list[ExpiredRows]:
    """Return what servers reported of sessions with a tombstone, where it is old and cannot grow any more: ended
    publishes, and publishes of epochs that are not active.
    """
    buried = (
        select(tombstones.c.stream)
        .where(
            tombstones.c.stream == server_sessions.c.stream,
            tombstones.c.start_time == server_sessions.c.session_start,
            tombstones.c.reason.in_(FINAL_REASONS),
        )
        .exists()
    )
    of_active_epoch = (
        select(servers.c.server)
        .where(
            servers.c.server == server_sessions.c.server,
            servers.c.epoch == server_sessions.c.epoch,
            servers.c.removed == "",
        )
        .exists()
    )
    old = and_(server_sessions.c.end_time < before_ms, buried)
    return [
        ExpiredRows(server_sessions, and_(over, old), [server_sessions.c.end_time])
        for over in (has_ended(server_sessions.c.live), and_(server_sessions.c.live == 1, ~of_active_epoch))
    ]


def forgettable_tombstones(before_ms: int) -> ExpiredRows:
    """Return old tombstones of sessions that no server can report on any more."""
    has_parts = (
        select(server_sessions.c.server)
        .where(
            server_sessions.c.stream == tombstones.c.stream,
            server_sessions.c.session_start == tombstones.c.start_time,
        )
        .exists()
    )
    return ExpiredRows(tombstones, and_(tombstones.c.deleted_at < before_ms, ~has_parts), [tombstones.c.deleted_at])


def ended_coverage(connection: Connection, before_ms: int) -> list[ExpiredRows]:
    """Return the spans and outages that ended by that time, for each server that has any."""
    return [
        ExpiredRows(
            table,
            and_(table.c.server == server, table.c.to_ms <= before_ms, table.c.from_ms <= before_ms),
            [table.c.to_ms],
        )
        for table in (spans, outages)
        for server in connection.execute(_servers_with(table, before_ms)).scalars()
    ]


def _servers_with(table: Table, before_ms: int) -> Select[Any]:
    old = select(table.c.to_ms).where(
        table.c.server == servers.c.server, table.c.to_ms <= before_ms, table.c.from_ms <= before_ms
    )
    return select(servers.c.server).where(old.exists())


def find_owed_sums(connection: Connection, earliest: int) -> int | None:
    """Return the instant from which samples of several servers are added up once a silent one of them reports again.

    `None` if no server owes any. A server that is silent since before `earliest` does not count.
    """
    of_server, of_others = server_sessions.alias(), server_sessions.alias()
    is_shared = (
        select(of_others.c.server)
        .where(
            of_others.c.stream == of_server.c.stream,
            of_others.c.session_start == of_server.c.session_start,
            of_others.c.server != of_server.c.server,
        )
        .exists()
    )
    shares = select(of_server.c.server).where(of_server.c.server == servers.c.server, of_server.c.live == 1, is_shared)
    owed = select(func.min(servers.c.watermark)).where(
        servers.c.removed == "", servers.c.watermark >= earliest, shares.exists()
    )
    return connection.execute(owed).scalar()


def old_samples(connection: Connection, server: str, time: RowRange) -> list[ExpiredRows]:
    """Return the server's samples inside an interval, for each stream that has any."""
    return [
        ExpiredRows(
            samples,
            and_(samples.c.server == server, samples.c.stream == stream, is_within(samples.c.slot, time.expired)),
            [samples.c.slot],
        )
        for stream in connection.execute(_streams_with_samples(time), {"of_server": server}).scalars()
    ]


def _streams_with_samples(time: RowRange) -> Select[Any]:
    """Return the query for the streams of a server: each step is one search of the next stream in the primary key."""
    of_server = samples.c.server == bindparam("of_server")
    searched = of_server if time.searched is None else and_(of_server, is_within(samples.c.slot, time.searched))
    next_stream = select(samples.c.stream).where(searched).order_by(samples.c.stream).limit(1)
    streams = select(next_stream.scalar_subquery().label("stream")).cte("streams", recursive=True)
    following = next_stream.where(samples.c.stream > streams.c.stream).correlate(streams).scalar_subquery()
    streams = streams.union_all(select(following).where(streams.c.stream.is_not(None)))
    old = select(samples.c.slot).where(
        of_server, samples.c.stream == streams.c.stream, is_within(samples.c.slot, time.expired)
    )
    return select(streams.c.stream).where(streams.c.stream.is_not(None), old.exists())


def folded_minutes(
    connection: Connection, server: str, kept_from: int, slot: Column[int], time: RowRange
) -> list[ExpiredRows]:
    """Return the minutes of a server before `kept_from` and inside an interval, for each epoch that has any."""
    table = slot.table
    expired = time.expired.clip(FIRST, kept_from)
    of_server = table.c.server == server
    searched = of_server if time.searched is None else and_(of_server, is_within(slot, time.searched))
    found = []
    epoch: int | None = -1
    while expired.length_ms and epoch is not None:
        following = select(table.c.epoch).where(searched, table.c.epoch > epoch).order_by(table.c.epoch).limit(1)
        epoch = connection.execute(following).scalar()
        rows = ExpiredRows(table, and_(of_server, table.c.epoch == epoch, is_within(slot, expired)), [slot])
        if epoch is not None and rows.exist(connection):
            found.append(rows)
    return found


def folded_hours(connection: Connection, server: str, kept_from: int) -> list[ExpiredRows]:
    """Return the hours of a server before `kept_from`, for each table that has any."""
    tables = (
        ExpiredRows(table, and_(table.c.server == server, table.c.hour < kept_from), [table.c.hour])
        for table in (hours, stream_hours)
    )
    return [rows for rows in tables if rows.exist(connection)]


def has_kept_minutes(connection: Connection, slot: Column[int], period: Interval) -> bool:
    """Return whether a server has minutes in a period that are not folded."""
    table = slot.table
    kept = select(slot).where(
        table.c.server == servers.c.server, slot >= servers.c.minutes_kept_from, is_within(slot, period)
    )
    behind = select(servers.c.server).where(servers.c.minutes_kept_from < period.to_ms, kept.exists())
    return connection.execute(behind.limit(1)).first() is not None
