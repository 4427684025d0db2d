"""The writes of one round of retention: each of them deletes few rows of one table, or detaches a partition."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from sqlalchemy import Column, Connection, delete, select

from streamusage.core.coverage import Interval
from streamusage.service.store.audit import record_audit
from streamusage.service.store.change_feed import SAMPLES_KEPT_FROM, forget_tombstones, raise_counter
from streamusage.service.store.engines.locks import WHOLE_STORE, LockSet
from streamusage.service.store.expired_rows import (
    ExpiredRows,
    Key,
    folded_hours,
    folded_minutes,
    has_kept_minutes,
    old_samples,
    within,
)
from streamusage.service.store.partitions.expired_partitions import (
    RowRange,
    count_within,
    detach_partition,
    find_expired,
)
from streamusage.service.store.records import replace_with_tombstones
from streamusage.service.store.schema import samples, servers

_SERVERS_PER_READ = 200
_GROUPS_PER_WRITE = 500
_RECORDS_SHARE = 4
"""A discarded record changes two rows and is named twice, so that a write discards fewer of them."""

Result = TypeVar("Result")


class StoreAccess(Protocol):
    """The access that retention needs: reads, and writes that are committed when they return."""

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Return the result of a read on one snapshot."""
        ...

    async def write(self, work: Callable[[Connection], Result], locks: LockSet = WHOLE_STORE) -> Result:
        """Return the result of a write after its commit."""
        ...


class RetentionRound:
    """One round of retention over the store."""

    def __init__(self, keeper: StoreAccess, rows_per_write: int) -> None:
        """Begin a round whose writes delete at most so many rows of a table."""
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
        keep: Callable[[Connection, Interval], bool] = lambda _connection, _period: False,
    ) -> int:
        """Detach the partitions of which all has expired, oldest first, up to one that is in use. Return how many rows
        they had. One of which something is to `keep` stays.
        """
        table, discarded = time.table, 0
        expired = await self._keeper.read(lambda connection: find_expired(connection, time, before_ms))
        for period in expired.partitions:

            def detach(connection: Connection, period: Interval = period) -> bool | None:
                hide(connection)
                if keep(connection, period):
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

        def find(connection: Connection, server: str) -> list[ExpiredRows]:
            return old_samples(connection, server, expired)

        return await self._discard_of_servers(names, find)

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

    async def discard_folded_minutes(self, slot: Column[int], kept_from: Mapping[str, int]) -> int:
        """Discard the minutes of servers before the instants before which they are folded. Return how many.

        A partition in which a server has other minutes, too, is emptied row by row.
        """
        before_ms = max(kept_from.values(), default=0)
        discarded = await self.detach_partitions(
            slot, before_ms, keep=lambda connection, period: has_kept_minutes(connection, slot, period)
        )

        def find_ranges(connection: Connection) -> list[RowRange]:
            expired = find_expired(connection, slot, before_ms)
            kept = [period for period in expired.partitions if has_kept_minutes(connection, slot, period)]
            return [*(RowRange(period, period) for period in kept), *expired.by_row]

        for time in await self._keeper.read(find_ranges):

            def find(connection: Connection, server: str, time: RowRange = time) -> list[ExpiredRows]:
                return folded_minutes(connection, server, kept_from[server], slot, time)

            discarded += await self._discard_of_servers(kept_from, find)
        return discarded

    async def discard_folded_hours(self, kept_from: Mapping[str, int]) -> int:
        """Discard the hours of servers, also those by stream, before the instants before which they are folded. Return
        how many.
        """
        return await self._discard_of_servers(
            kept_from, lambda connection, server: folded_hours(connection, server, kept_from[server])
        )

    async def _discard_of_servers(
        self, names: Iterable[str], find_rows: Callable[[Connection, str], list[ExpiredRows]]
    ) -> int:
        ordered, discarded = sorted(names), 0
        for start in range(0, len(ordered), _SERVERS_PER_READ):

            def find(connection: Connection, start: int = start) -> list[ExpiredRows]:
                some = ordered[start : start + _SERVERS_PER_READ]
                return [rows for server in some for rows in find_rows(connection, server)]

            discarded += await self.discard_groups(await self._keeper.read(find))
        return discarded
