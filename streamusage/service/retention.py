"""Discards rows older than their retention, in many small writes, so that a report never waits long for one.

Usage records are discarded by when the service last wrote them, and leave a tombstone: figures that arrive later are
orphans, as after a delete. Daily statistics and the coverage they rest on have their own retention. A live session
and a server's open figures are never discarded, nor are closed days and their adjustments.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Table, and_, delete, func, or_, select, true, tuple_

from streamusage.core.coverage import SLOT_MS, slot_of
from streamusage.service.rules.rollups import HOUR_MS
from streamusage.service.store.audit import record_audit
from streamusage.service.store.change_feed import SAMPLES_KEPT_FROM, SLOTS_KEPT_FROM, forget_tombstones, raise_counter
from streamusage.service.store.records import FINAL_REASONS, replace_with_tombstones
from streamusage.service.store.schema import (
    audit,
    held,
    hours,
    orphans,
    outages,
    samples,
    server_sessions,
    servers,
    slot_connections,
    slots,
    spans,
    tombstones,
    usage,
)

DAY_MS = 86_400_000
RECORDS_PER_BATCH = 500
STEP_MS = 6 * 3_600_000
TOMBSTONE_DAYS = 30
"""The shortest time for which a deleted record is remembered as deleted and an unused cursor stays valid."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Retention:
    """How long rows are kept, in days."""

    usage_stats_discard_threshold_days: int = 7
    daily_statistics_days: int = 400


class StoreAccess(Protocol):
    """The access that retention needs: reads, and writes that are committed when they return."""

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Return the result of a read on one snapshot."""
        ...

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Return the result of a write after its commit."""
        ...


@dataclass(frozen=True)
class Discarded:
    """How many rows a round discarded, or a refused one would have, and up to when."""

    usage_before_ms: int
    days_before_ms: int
    by_usage: dict[str, int]
    """Rows older than `usage_before_ms`, by table."""
    by_days: dict[str, int]
    """Rows older than `days_before_ms`, by table."""

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(self.by_usage.values()) + sum(self.by_days.values())

    @property
    def records(self) -> int:
        """Usage records."""
        return self.by_usage.get(usage.name, 0)

    def __str__(self) -> str:
        parts = []
        for counts, before_ms in ((self.by_usage, self.usage_before_ms), (self.by_days, self.days_before_ms)):
            named = ", ".join(f"{count} rows of {name}" for name, count in counts.items() if count)
            if named:
                parts.append(f"{named} from before {_utc(before_ms)}")
        return "; ".join(parts) or "no rows"


def _thresholds(retention: Retention, now_ms: int) -> tuple[int, int]:
    """Return the instants before which usage records and daily statistics are discarded."""
    usage_before = now_ms - retention.usage_stats_discard_threshold_days * DAY_MS
    return usage_before, slot_of(now_ms - retention.daily_statistics_days * DAY_MS)


def count_due(connection: Connection, retention: Retention, now_ms: int) -> Discarded:
    """Return what a round would discard now of the tables that count most. It changes nothing."""
    usage_before, days_before = _thresholds(retention, now_ms)

    def count(table: Table, where: ColumnElement[bool]) -> dict[str, int]:
        query = select(func.count()).select_from(table).where(where)
        return {table.name: int(connection.execute(query).scalar_one())}

    return Discarded(
        usage_before,
        days_before,
        count(usage, and_(usage.c.live == 0, usage.c.touched_at < usage_before)),
        count(slots, slots.c.slot < days_before) | count(spans, spans.c.to_ms <= days_before),
    )


async def discard_rows(keeper: StoreAccess, retention: Retention, now_ms: int) -> Discarded:
    """Run one round over all tables and return what it discarded."""
    usage_before, days_before = _thresholds(retention, now_ms)
    records = await _discard_records(keeper, usage_before, now_ms)
    parts = await _discard_parts(keeper, usage_before)
    by_usage = {usage.name: records, server_sessions.name: parts}
    by_usage[samples.name] = await _discard_samples(keeper, slot_of(usage_before))
    by_days = await _discard_slots(keeper, days_before)
    for server in await keeper.read(_all_servers):
        for table in (spans, outages):
            old = and_(table.c.server == server, table.c.to_ms <= days_before)
            by_days[table.name] = by_days.get(table.name, 0) + await keeper.write(_deleting(table, old))
    by_usage[held.name] = await keeper.write(_deleting(held, and_(held.c.open == 0, held.c.last_at < usage_before)))
    by_days[orphans.name] = await keeper.write(_deleting(orphans, orphans.c.last_at < days_before))
    by_days[audit.name] = await keeper.write(_deleting(audit, audit.c.at < days_before))
    await _forget_tombstones(
        keeper, now_ms - max(TOMBSTONE_DAYS, retention.usage_stats_discard_threshold_days) * DAY_MS
    )
    return Discarded(usage_before, days_before, by_usage, by_days)


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


async def _discard_records(keeper: StoreAccess, before_ms: int, now_ms: int) -> int:
    old = and_(usage.c.live == 0, usage.c.touched_at < before_ms)
    keys = await keeper.read(lambda connection: _keys(connection, usage, usage.c.start_time, old))
    discarded = 0
    for batch in _batches(keys):
        these = tuple_(usage.c.stream, usage.c.start_time).in_(batch)
        # Checked again in the write: a report may have arrived in between.
        discarded += await keeper.write(_burying(and_(these, old), now_ms))
    return discarded


async def _discard_parts(keeper: StoreAccess, before_ms: int) -> int:
    """Discard what servers reported of sessions with a tombstone, once it is old and cannot grow any more."""
    over = or_(server_sessions.c.live == 0, ~_of_active_epoch())
    old = and_(
        server_sessions.c.end_time < before_ms, over, _buried(server_sessions.c.stream, server_sessions.c.session_start)
    )
    keys = await keeper.read(
        lambda connection: _keys(connection, server_sessions, server_sessions.c.session_start, old)
    )
    discarded = 0
    for batch in _batches(keys):
        these = tuple_(server_sessions.c.stream, server_sessions.c.session_start).in_(batch)
        discarded += await keeper.write(_deleting(server_sessions, and_(these, old)))
    return discarded


async def _discard_samples(keeper: StoreAccess, before_ms: int) -> int:
    await keeper.write(lambda connection: raise_counter(connection, SAMPLES_KEPT_FROM, before_ms))
    discarded = 0
    for server in await keeper.read(_all_servers):
        discarded += await _discard_in_steps(keeper, samples.c.slot, before_ms, samples.c.server == server)
    return discarded


async def _discard_slots(keeper: StoreAccess, before_ms: int) -> dict[str, int]:
    discarded = {}
    for table in (slots, slot_connections):
        discarded[table.name] = 0
        oldest = select(func.min(table.c.slot))
        while (first := await keeper.read(lambda c, query=oldest: c.execute(query).scalar())) is not None:  # type: ignore[misc]
            if first >= before_ms:
                break
            upto = min(before_ms, first + SLOT_MS)

            def forget(connection: Connection, table: Table = table, upto: int = upto) -> int:
                raise_counter(connection, SLOTS_KEPT_FROM, before_ms)
                return connection.execute(delete(table).where(table.c.slot < upto)).rowcount

            discarded[table.name] += await keeper.write(forget)

    discarded[hours.name] = await _discard_in_steps(keeper, hours.c.hour, before_ms - before_ms % HOUR_MS)
    return discarded


async def _discard_in_steps(
    keeper: StoreAccess, time: Column[int], before_ms: int, which: ColumnElement[bool] | None = None
) -> int:
    """Delete rows from before that time, some hours per write, oldest first. Return how many."""
    discarded = 0
    which = true() if which is None else which
    oldest = select(func.min(time)).where(which)
    while (first := await keeper.read(lambda connection: connection.execute(oldest).scalar())) is not None:
        if first >= before_ms:
            break
        upto = min(before_ms, first + STEP_MS)
        discarded += await keeper.write(_deleting(time.table, and_(which, time < upto)))
    return discarded


async def _forget_tombstones(keeper: StoreAccess, before_ms: int) -> None:
    """Forget tombstones of sessions that no server can report on any more."""
    has_parts = (
        select(server_sessions.c.server)
        .where(
            server_sessions.c.stream == tombstones.c.stream,
            server_sessions.c.session_start == tombstones.c.start_time,
        )
        .exists()
    )
    old = and_(tombstones.c.deleted_at < before_ms, ~has_parts)
    keys = await keeper.read(lambda connection: _keys(connection, tombstones, tombstones.c.start_time, old))
    for batch in _batches(keys):
        these = tuple_(tombstones.c.stream, tombstones.c.start_time).in_(batch)
        await keeper.write(_forgetting(and_(these, old)))


def _of_active_epoch() -> ColumnElement[bool]:
    return (
        select(servers.c.server)
        .where(
            servers.c.server == server_sessions.c.server,
            servers.c.epoch == server_sessions.c.epoch,
            servers.c.removed == "",
        )
        .exists()
    )


def _buried(stream: ColumnElement[bytes], start_time: ColumnElement[int]) -> ColumnElement[bool]:
    return (
        select(tombstones.c.stream)
        .where(
            tombstones.c.stream == stream,
            tombstones.c.start_time == start_time,
            tombstones.c.reason.in_(FINAL_REASONS),
        )
        .exists()
    )


def _keys(connection: Connection, table: Table, start_time: Any, where: ColumnElement[bool]) -> list[tuple[bytes, int]]:
    query = select(table.c.stream, start_time).where(where).distinct()
    return [(bytes(stream), start) for stream, start in connection.execute(query)]


def _all_servers(connection: Connection) -> list[str]:
    return list(connection.execute(select(servers.c.server)).scalars())


def _deleting(table: Table, where: ColumnElement[bool]) -> Callable[[Connection], int]:
    return lambda connection: connection.execute(delete(table).where(where)).rowcount


def _burying(where: ColumnElement[bool], now_ms: int) -> Callable[[Connection], int]:
    def work(connection: Connection) -> int:
        count = replace_with_tombstones(connection, where, "discarded", now_ms)
        if count:
            record_audit(connection, "retention", "discard", now_ms, records=count)
        return count

    return work


def _forgetting(where: ColumnElement[bool]) -> Callable[[Connection], None]:
    return lambda connection: forget_tombstones(connection, where)


def _batches(keys: list[tuple[bytes, int]]) -> Iterator[list[tuple[bytes, int]]]:
    for start in range(0, len(keys), RECORDS_PER_BATCH):
        yield keys[start : start + RECORDS_PER_BATCH]
