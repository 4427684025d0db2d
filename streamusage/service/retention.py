"""Discards rows older than their retention, in many small writes, so that a report never waits long for one.

No write changes more than 5,000 rows, however many are due: `ROWS_PER_WRITE` of the table, and a few beside them. Where
the engine divides a table by time, whole partitions are detached (`store/partitions`): one that is in use stays
until a later round, and its rows are counted just before. What is hidden is the same on every engine.

Usage records are discarded by when the service last wrote them, and leave a tombstone: figures that arrive later are
orphans, as after a delete. Daily statistics and the coverage they rest on have their own retention. A live session
and a server's open figures are never discarded, nor are closed days, their adjustments and corrections, the chain, and
the audit log's entries about them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, func, select

from streamusage.core.coverage import Interval, slot_of
from streamusage.core.instants import format_utc
from streamusage.service.accounting.folding import find_foldable, fold_servers, load_kept_from
from streamusage.service.retention_round import RetentionRound, StoreAccess
from streamusage.service.rules.folding import NOTHING_FOLDED, KeptFrom
from streamusage.service.rules.rollups import HOUR_MS
from streamusage.service.store.change_feed import SLOTS_KEPT_FROM, raise_counter, read_counter
from streamusage.service.store.expired_rows import (
    before,
    closed_held_reports,
    ended_coverage,
    ended_records,
    find_owed_sums,
    forgettable_tombstones,
    old_audit_entries,
    parts_of_deleted_sessions,
)
from streamusage.service.store.partitions.expired_partitions import count_within, find_expired, is_within
from streamusage.service.store.schema import (
    audit,
    disagreements,
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
    unchecked_hours,
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

_SERVERS_PER_WRITE = 300
_UTC = (ZoneInfo("UTC"),)


@dataclass(frozen=True)
class Retention:
    """How long rows are kept, in days."""

    usage_stats_discard_threshold_days: int = 7
    daily_statistics_days: int = 400
    minute_statistics_days: int | None = None
    """After that, minutes are folded to hours; `None` for as long as hours are kept."""
    hour_statistics_days: int | None = None
    """After that, hours are folded to UTC days; `None` for as long as daily statistics are kept."""

    @property
    def hours_kept_days(self) -> int:
        """How long hours are kept."""
        return min(self.hour_statistics_days or self.daily_statistics_days, self.daily_statistics_days)

    @property
    def minutes_kept_days(self) -> int:
        """How long minutes are kept."""
        return min(self.minute_statistics_days or self.hours_kept_days, self.hours_kept_days)


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
    kept_from: KeptFrom = NOTHING_FOLDED
    """The highest instants before which minutes and hours of a server are folded."""
    by_folding: dict[str, int] = field(default_factory=dict)
    """Minutes and hours of which only sums are kept, by table."""

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(self.by_usage.values()) + sum(self.by_days.values()) + sum(self.by_folding.values())

    @property
    def records(self) -> int:
        """Usage records."""
        return self.by_usage.get(usage.name, 0)

    def __str__(self) -> str:
        parts = []
        for counts, before_ms in ((self.by_usage, self.usage_before_ms), (self.by_days, self.days_before_ms)):
            if named := _named(counts):
                parts.append(f"{named} from before {format_utc(before_ms)}")
        if named := _named(self.by_folding):
            minutes, hours_from = map(format_utc, self.kept_from)
            parts.append(f"{named}: sums are kept of minutes before {minutes} and of hours before {hours_from}")
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
    keeper: StoreAccess,
    retention: Retention,
    now_ms: int,
    *,
    rows_per_write: int = ROWS_PER_WRITE,
    zones: Sequence[ZoneInfo] = _UTC,
) -> Discarded:
    """Run one round over all tables and return what it discarded. `zones` are the account zones: no minute of a day
    that is open in one of them is folded.
    """
    usage_before, days_before = _thresholds(retention, now_ms)
    hours_before = days_before - days_before % HOUR_MS
    earliest = now_ms - LONGEST_OUTAGE_DAYS * DAY_MS
    owed_from = await keeper.read(lambda connection: find_owed_sums(connection, earliest))
    samples_before = slot_of(usage_before if owed_from is None else min(usage_before, owed_from))
    run = RetentionRound(keeper, rows_per_write)
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

    def has_open_spans(connection: Connection, period: Interval) -> bool:
        kept = select(spans.c.from_ms).where(is_within(spans.c.from_ms, period), spans.c.to_ms > days_before)
        return connection.execute(kept.limit(1)).first() is not None

    if await keeper.read(lambda connection: _has_visible_slots(connection, days_before)):
        await keeper.write(hide_slots)
    by_days = {
        slots.name: await run.discard_divided(slots.c.slot, days_before, hide_slots),
        slot_connections.name: await run.discard_divided(slot_connections.c.slot, days_before, hide_slots),
        stream_slots.name: await run.discard_divided(stream_slots.c.slot, days_before, hide_slots),
        hours.name: await run.discard(before(hours.c.hour, hours_before)),
        stream_hours.name: await run.discard(before(stream_hours.c.hour, hours_before)),
        disagreements.name: await run.discard(before(disagreements.c.hour, hours_before)),
        unchecked_hours.name: await run.discard(before(unchecked_hours.c.hour, hours_before)),
        utc_days.name: await run.discard(before(utc_days.c.day, hours_before - DAY_MS + 1)),
        spans.name: await run.detach_partitions(spans.c.from_ms, days_before, keep=has_open_spans),
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
    kept_from, by_folding = await _fold(keeper, run, retention, zones, now_ms)
    return Discarded(usage_before, days_before, by_usage, by_days, tuple(run.in_use), kept_from, by_folding)


async def _fold(
    keeper: StoreAccess, run: RetentionRound, retention: Retention, zones: Sequence[ZoneInfo], now_ms: int
) -> tuple[KeptFrom, dict[str, int]]:
    """Raise the instants before which minutes and hours are folded, and discard those before them."""
    ages = (retention.minutes_kept_days, retention.hours_kept_days)
    # What daily statistics are kept for is discarded as a whole.
    wanted = KeptFrom(*(0 if age >= retention.daily_statistics_days else now_ms - age * DAY_MS for age in ages))
    foldable = sorted(await keeper.read(lambda connection: find_foldable(connection, zones, wanted, now_ms)))
    for start in range(0, len(foldable), _SERVERS_PER_WRITE):
        some = foldable[start : start + _SERVERS_PER_WRITE]
        await keeper.write(lambda connection, some=some: fold_servers(connection, some, zones, wanted, now_ms))  # type: ignore[misc]
    kept_from = await keeper.read(load_kept_from)
    minutes = {server: limit.minutes for server, limit in kept_from.items()}
    counts = {
        time.table.name: await run.discard_folded_minutes(time, minutes)
        for time in (slots.c.slot, slot_connections.c.slot, stream_slots.c.slot)
    }
    counts[hours.name] = await run.discard_folded_hours({name: limit.hours for name, limit in kept_from.items()})
    highest = KeptFrom(*map(max, zip(*kept_from.values(), strict=True))) if kept_from else NOTHING_FOLDED
    return highest, counts


def _has_visible_slots(connection: Connection, before_ms: int) -> bool:
    """Return whether slots that are not hidden yet are older than an instant."""
    kept_from = read_counter(connection, SLOTS_KEPT_FROM)
    if kept_from >= before_ms:
        return False
    expired = Interval(kept_from, before_ms)
    return any(
        connection.execute(select(time).where(is_within(time, expired)).order_by(time).limit(1)).first() is not None
        # Minutes and hours may be folded long before.
        for time in (slots.c.slot, slot_connections.c.slot, stream_slots.c.slot, hours.c.hour, utc_days.c.day)
    )


def _named(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} rows of {name}" for name, count in counts.items() if count)
