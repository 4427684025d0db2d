"""Which part of a table divided by time is discarded by partitions, and which row by row.

A partition is detached, and then dropped, when all of it has expired. The rows of one that has expired in part wait for
that, hidden by `SLOTS_KEPT_FROM` and `SAMPLES_KEPT_FROM`. Where no partition is, or one of many months, rows are
discarded one by one.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, and_, func, select

from streamusage.core.coverage import Interval
from streamusage.service.store.engines import ENGINES

FIRST = -(2**63)
LONGEST_WAIT_MS = 32 * 86_400_000
"""Rows wait for their partition if it is no longer than this: a month."""


class RowRange(NamedTuple):
    """Time whose rows are discarded one by one."""

    expired: Interval
    searched: Interval | None = None
    """The time of the partitions in which these rows are; `None` if the table is not divided."""


class ExpiredTime(NamedTuple):
    """The time before an instant, without what waits for its partition."""

    partitions: list[Interval]
    """Partitions to detach, oldest first."""
    by_row: list[RowRange]


def split_expired(partitions: Sequence[Interval], before_ms: int) -> ExpiredTime:
    """Return how the rows from before an instant are discarded. The partitions are in order."""
    if not partitions:
        return ExpiredTime([], [RowRange(Interval(FIRST, before_ms))])
    dropped = [period for period in partitions if period.to_ms <= before_ms]
    by_row: list[RowRange] = []
    at_ms = FIRST
    for period in partitions:
        if at_ms < min(period.from_ms, before_ms):
            between = Interval(at_ms, period.from_ms)
            by_row.append(RowRange(between.clip(FIRST, before_ms), between))
        if period.from_ms < before_ms < period.to_ms and period.length_ms > LONGEST_WAIT_MS:
            by_row.append(RowRange(period.clip(FIRST, before_ms), period))
        at_ms = period.to_ms
    if at_ms < before_ms:
        rest = Interval(at_ms, before_ms)
        by_row.append(RowRange(rest, rest))
    return ExpiredTime(dropped, by_row)


def find_expired(connection: Connection, time: Column[int], before_ms: int) -> ExpiredTime:
    """Return how the rows of a table from before an instant are discarded."""
    return split_expired(ENGINES[connection.dialect.name].list_partitions(connection, time.table.name), before_ms)


def detach_partition(connection: Connection, time: Column[int], period: Interval) -> bool:
    """Remove the rows of a partition at once. Return False, with nothing changed, if it is in use."""
    return ENGINES[connection.dialect.name].detach_partition(connection, time.table.name, period)


def is_within(time: Column[int], interval: Interval) -> ColumnElement[bool]:
    """Return the condition of the rows inside an interval."""
    before = time < interval.to_ms
    return before if interval.from_ms == FIRST else and_(time >= interval.from_ms, before)


def count_within(connection: Connection, time: Column[int], interval: Interval) -> int:
    """Return how many rows are inside an interval."""
    query = select(func.count()).select_from(time.table).where(is_within(time, interval))
    return int(connection.execute(query).scalar_one())
