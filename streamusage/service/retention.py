"""Discards rows older than their retention, in many small writes, so that a report never waits long for one.

No write changes more than 5,000 rows, however many are due: `ROWS_PER_WRITE` of the table, and a few beside them. Where
the engine divides a table by time, whole partitions are detached (`store/partitions`): one that is in use stays
until a later round, and its rows are counted just before. What is hidden is the same on every engine.

Usage records are discarded by when the service last wrote them, and leave a tombstone: figures that arrive later are
orphans, as after a delete. Daily statistics and the coverage they rest on have their own retention. A live session
and a server's open figures are never discarded, nor are closed days, their adjustments and corrections, the chain, and
the audit log's entries about them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Select, delete, func, select

from streamusage.core.coverage import Interval, slot_of
from streamusage.service.rules.rollups import HOUR_MS
from streamusage.service.store.audit import record_audit
from streamusage.service.store.change_feed import (
    SAMPLES_KEPT_FROM,
    SLOTS_KEPT_FROM,
    forget_tombstones,
    raise_counter,
    read_counter,
)
from streamusage.service.store.engines.locks import WHOLE_STORE, LockSet
from streamusage.service.store.expired_rows import (
    ExpiredRows,
    Key,
    before,
    closed_held_reports,
    ended_coverage,
    ended_records,
    find_owed_sums,
    forgettable_tombstones,
    old_audit_entries,
    old_samples,
    parts_of_deleted_sessions,
    within,
)
from streamusage.service.store.partitions.expired_partitions import (
    RowRange,
    count_within,
    detach_partition,
    find_expired,
    is_within,
)
from streamusage.service.store.records import replace_with_tombstones
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
    stream_hours,
    stream_slots,
    usage,
    utc_days,
)

DAY_MS = 86_400_000
ROWS_PER_WRITE = 2_000
"""The most rows of a table that one write deletes."""
TOMBSTONE_DAYS = 30
"""The shortest time for which a deleted record is remembered as deleted and an unused cursor stays valid."""

LONGEST_OUTAGE_DAYS = 40
"""How long samples are kept at most for a server that owes those with which their sums are complete."""

_SERVERS_PER_READ = 200
_GROUPS_PER_WRITE = 500
_RECORDS_SHARE = 4
"""A discarded record changes two rows and is named twice, so that a write discards fewer of them."""

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

    async def write(self, work: Callable[[Connection], Result], locks: LockSet = WHOLE_STORE) -> Result:
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
    in_use: tuple[str, ...] = ()
    """Tables with an expired partition that could not be detached now."""

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
        if self.in_use:
            parts.append(f"partitions of {', '.join(self.in_use)} are in use and are dropped later")
        return "; ".join(parts) or "no rows"


def _thresholds(retention: Retention, now_ms: int) -> tuple[int, int]:
    """Return the instants before which usage records and daily statistics are discarded."""
    usage_before = now_ms - retention.usage_stats_discard_threshold_days * DAY_MS
    return usage_before, slot_of(now_ms - retention.daily_statistics_days * DAY_MS)


def count_due(connection: Connection, retention: Retention, now_ms: int) -> Discarded:
    """Return what a round would discard now of the tables that count most. It changes nothing."""
    usage_before, days_before = _thresholds(retention, now_ms)

    def count(query: Select[Any]) -> int:
        return int(connection.execute(query).scalar_one())

    records, expired = ended_records(usage_before), find_expired(connection, slots.c.slot, days_before)
    due_slots = [*expired.partitions, *(rows.expired for rows in expired.by_row)]
    # By server, because the index of what ended begins with it.
    of_server = select(func.count()).where(
        spans.c.server == servers.c.server, spans.c.to_ms <= days_before, spans.c.from_ms <= days_before
    )
    ended = select(func.coalesce(func.sum(of_server.scalar_subquery()), 0)).select_from(servers)
    return Discarded(
        usage_before,
        days_before,
        {usage.name: count(select(func.count()).select_from(usage).where(records.where))},
        {
            slots.name: sum(count_within(connection, slots.c.slot, interval) for interval in due_slots),
            spans.name: count(ended),
        },
    )


async def discard_rows(
    keeper: StoreAccess, retention: Retention, now_ms: int, *, rows_per_write: int = ROWS_PER_WRITE
) -> Discarded:
    """Run one round over all tables and return what it discarded."""
    usage_before, days_before = _thresholds(retention, now_ms)
    hours_before = days_before - days_before % HOUR_MS
    earliest = now_ms - LONGEST_OUTAGE_DAYS * DAY_MS
    owed_from = await keeper.read(lambda connection: find_owed_sums(connection, earliest))
    samples_before = slot_of(usage_before if owed_from is None else min(usage_before, owed_from))
    run = _Round(keeper, rows_per_write)
    by_usage = {
        usage.name: await run.discard_records(ended_records(usage_before), now_ms),
        # Until the minute that samples are kept from: samples are found by the publishes of their streams.
        server_sessions.name: sum(
            [await run.discard_found(rows) for rows in parts_of_deleted_sessions(samples_before)]
        ),
        samples.name: await run.discard_samples(samples_before),
        held.name: await run.discard(closed_held_reports(usage_before)),
    }

    def hide_slots(connection: Connection) -> None:
        if _has_visible_slots(connection, days_before):
            raise_counter(connection, SLOTS_KEPT_FROM, days_before)

    if await keeper.read(lambda connection: _has_visible_slots(connection, days_before)):
        await keeper.write(hide_slots)
    by_days = {
        slots.name: await run.discard_divided(slots.c.slot, days_before, hide_slots),
        slot_connections.name: await run.discard_divided(slot_connections.c.slot, days_before, hide_slots),
        stream_slots.name: await run.discard_divided(stream_slots.c.slot, days_before, hide_slots),
        hours.name: await run.discard(before(hours.c.hour, hours_before)),
        stream_hours.name: await run.discard(before(stream_hours.c.hour, hours_before)),
        utc_days.name: await run.discard(before(utc_days.c.day, hours_before - DAY_MS + 1)),
        spans.name: await run.detach_partitions(spans.c.from_ms, days_before, keep=spans.c.to_ms > days_before),
        outages.name: 0,
        orphans.name: await run.discard(before(orphans.c.last_at, days_before)),
        audit.name: await run.discard(old_audit_entries(days_before)),
    }
    # Spans of a partition that has expired in part are discarded, too: they are few, and nothing hides them.
    coverage = await keeper.read(lambda connection: ended_coverage(connection, days_before))
    for table in (spans, outages):
        by_days[table.name] += await run.discard_groups([rows for rows in coverage if rows.table is table])
    forgotten = now_ms - max(TOMBSTONE_DAYS, retention.usage_stats_discard_threshold_days) * DAY_MS
    await run.forget_tombstones(forgettable_tombstones(forgotten))
    return Discarded(usage_before, days_before, by_usage, by_days, tuple(run.in_use))


def _has_visible_slots(connection: Connection, before_ms: int) -> bool:
    """Return whether slots that are not hidden yet are older than an instant."""
    kept_from = read_counter(connection, SLOTS_KEPT_FROM)
    if kept_from >= before_ms:
        return False
    expired = Interval(kept_from, before_ms)
    return any(
        connection.execute(select(time).where(is_within(time, expired)).order_by(time).limit(1)).first() is not None
        for time in (slots.c.slot, slot_connections.c.slot, stream_slots.c.slot)
    )


class _Round:
    """One round of retention over the store."""

    def __init__(self, keeper: StoreAccess, rows_per_write: int) -> None:
        self._keeper = keeper
        self._rows = rows_per_write
        self._records = max(1, rows_per_write // _RECORDS_SHARE)
        self.in_use: list[str] = []
        """The tables with an expired partition that is in use."""

    async def discard(self, rows: ExpiredRows, mark: Callable[[Connection], None] = lambda _connection: None) -> int:
        """Delete the rows, and `mark` in each write that they are gone. Return how many there were."""

        def work(connection: Connection) -> int:
            mark(connection)
            return rows.delete(connection, self._rows)

        discarded, count = 0, self._rows
        while count == self._rows and await self._keeper.read(rows.exist):
            count = await self._keeper.write(work)
            discarded += count
        return discarded

    async def discard_divided(self, time: Column[int], before_ms: int, hide: Callable[[Connection], None]) -> int:
        """Discard the rows of a table that may be divided, and `hide` them in each write. Return their number."""
        discarded = await self.detach_partitions(time, before_ms, hide)
        for rows in await self._rows_expired(time, before_ms):
            discarded += await self.discard(within(time, rows.expired), hide)
        return discarded

    async def detach_partitions(
        self,
        time: Column[int],
        before_ms: int,
        hide: Callable[[Connection], None] = lambda _connection: None,
        keep: ColumnElement[bool] | None = None,
    ) -> int:
        """Detach the partitions of which all has expired, oldest first, up to one that is in use. Return how many rows
        they had. One with a row to `keep` stays.
        """
        table, discarded = time.table, 0
        expired = await self._keeper.read(lambda connection: find_expired(connection, time, before_ms))
        for period in expired.partitions:
            of_period = is_within(time, period)

            def detach(connection: Connection, period: Interval = period, of_period: Any = of_period) -> bool | None:
                hide(connection)
                if keep is not None and connection.execute(select(time).where(of_period, keep).limit(1)).first():
                    return None
                return detach_partition(connection, time, period)

            count = await self._keeper.read(lambda connection, period=period: count_within(connection, time, period))  # type: ignore[misc]
            detached = await self._keeper.write(detach)
            if detached is False:
                self.in_use.append(table.name)
                break
            discarded += count if detached else 0
        return discarded

    async def _rows_expired(self, time: Column[int], before_ms: int) -> list[RowRange]:
        return await self._keeper.read(lambda connection: find_expired(connection, time, before_ms).by_row)

    async def discard_records(self, rows: ExpiredRows, now_ms: int) -> int:
        """Replace the usage records by tombstones and return how many there were."""

        def work(connection: Connection, keys: Sequence[Key]) -> int:
            # Checked again in the write: a report may have arrived in between.
            count = replace_with_tombstones(connection, rows.among(keys), "discarded", now_ms)
            if count:
                record_audit(connection, "retention", "discard", now_ms, records=count)
            return count

        return await self._discard_by_key(rows, work)

    async def discard_found(self, rows: ExpiredRows) -> int:
        """Delete rows whose condition an index answers in part, found outside of the writes. Return how many."""

        def work(connection: Connection, keys: Sequence[Key]) -> int:
            return connection.execute(delete(rows.table).where(rows.among(keys))).rowcount

        return await self._discard_by_key(rows, work)

    async def forget_tombstones(self, rows: ExpiredRows) -> None:
        """Forget the tombstones."""

        def work(connection: Connection, keys: Sequence[Key]) -> int:
            forget_tombstones(connection, rows.among(keys))
            return 0

        await self._discard_by_key(rows, work)

    async def _discard_by_key(self, rows: ExpiredRows, work: Callable[[Connection, Sequence[Key]], int]) -> int:
        discarded = 0
        last: Key | None = None
        while True:
            keys = await self._keeper.read(lambda connection, last=last: rows.find(connection, self._records, last))  # type: ignore[misc]
            if keys:
                discarded += await self._keeper.write(lambda connection, keys=keys: work(connection, keys))  # type: ignore[misc]
                last = keys[-1]
            if len(keys) < self._records:
                return discarded

    async def discard_samples(self, before_ms: int) -> int:
        """Delete all samples from before that slot and return how many there were."""
        await self._keeper.write(lambda connection: raise_counter(connection, SAMPLES_KEPT_FROM, before_ms))
        discarded = await self.detach_partitions(samples.c.slot, before_ms)
        for rows in await self._rows_expired(samples.c.slot, before_ms):
            discarded += await self._discard_samples_by_row(rows)
        return discarded

    async def _discard_samples_by_row(self, expired: RowRange) -> int:
        names = await self._keeper.read(lambda connection: list(connection.execute(select(servers.c.server)).scalars()))
        discarded = 0
        for start in range(0, len(names), _SERVERS_PER_READ):

            def find(connection: Connection, start: int = start) -> list[ExpiredRows]:
                some = names[start : start + _SERVERS_PER_READ]
                return [rows for server in some for rows in old_samples(connection, server, expired)]

            discarded += await self.discard_groups(await self._keeper.read(find))
        return discarded

    async def discard_groups(self, groups: Sequence[ExpiredRows]) -> int:
        """Delete the rows of several servers or streams of one table, many groups in a write. Return how many."""
        discarded = first = 0
        while first < len(groups):

            def work(connection: Connection, first: int = first) -> tuple[int, int]:
                room, done = self._rows, 0
                for rows in groups[first : first + _GROUPS_PER_WRITE]:
                    room -= rows.delete(connection, room)
                    if not room:
                        break
                    done += 1
                return done, self._rows - room

            done, count = await self._keeper.write(work)
            first += done
            discarded += count
        return discarded


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
