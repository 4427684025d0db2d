"""Partitions by time of the large tables in PostgreSQL: created ahead, detached and dropped as a whole.

Samples have a partition for each UTC day, `samples_2026_11_30`, the other tables one for each month, `slots_2026_11`.
Rows of any other time are in `TABLE_default`, so that no write lacks a partition; those of before the table was divided
are in `TABLE_initial`. Rows of the default partition move when a partition for them is created.

Locks of readers are never waited for longer than `LOCK_MS`, because every read and write that comes later waits, too.
To remove the files of a large partition takes seconds: it is detached first, and dropped when nothing depends on it.
"""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from streamusage.core.coverage import Interval

LOCK_MS = 100
AHEAD_MS = 7 * 86_400_000
"""Partitions exist for so much time to come. A service that does not run creates them when it starts."""
MOST_PARTITIONS = 400
"""The most partitions that a restore creates for the rows of a table; older ones are in the default partition."""

_DAY_MS = 86_400_000
_CREATING = 0x73747265616D7074
"""The advisory lock of the creation of partitions."""
_DETACHED = "_expired"
"""How the name of a detached partition ends."""
_LOCK_NOT_AVAILABLE = "55P03"
_FIRST = -(2**63)
_BOUNDS = re.compile(r"FOR VALUES FROM \((MINVALUE|'?-?\d+'?)\) TO \('?(-?\d+)'?\)")


def _day_of(at_ms: int) -> Interval:
    start = at_ms - at_ms % _DAY_MS
    return Interval(start, start + _DAY_MS)


def _month_of(at_ms: int) -> Interval:
    first = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    following = (first + timedelta(days=32)).replace(day=1)
    return Interval(*(int(month.timestamp()) * 1000 for month in (first, following)))


class _Division(NamedTuple):
    """How a table is divided."""

    time: str
    """The column that decides in which partition a row lies."""
    period_of: Callable[[int], Interval]
    """Returns the period of the partition in which an instant lies."""
    name_form: str
    """The form of a partition's name after that of its table, as `strftime` reads it."""


_BY_MONTH = "_%Y_%m"
DIVISIONS = {
    "slots": _Division("slot", _month_of, _BY_MONTH),
    "slot_connections": _Division("slot", _month_of, _BY_MONTH),
    "stream_slots": _Division("slot", _month_of, _BY_MONTH),
    "samples": _Division("slot", _day_of, "_%Y_%m_%d"),
    "spans": _Division("from_ms", _month_of, _BY_MONTH),
}


def create_partitions(connection: Connection, now_ms: int) -> list[str]:
    """Create the partitions from now to `AHEAD_MS` later that do not exist. Return their names.

    One that would have to wait for a reader is left for the next time.
    """
    created = []
    for table, division in DIVISIONS.items():
        at_ms = now_ms
        while at_ms <= now_ms + AHEAD_MS:
            period = division.period_of(at_ms)
            created += _create(connection, table, [period])
            at_ms = period.to_ms
    return created


def create_partitions_at(connection: Connection, table: str, times: Iterable[int]) -> None:
    """Create the partitions of a table in which these instants lie."""
    division = DIVISIONS.get(table)
    if division is not None:
        periods = sorted({period for at_ms in times if (period := _known_period(division, at_ms)) is not None})
        _create(connection, table, periods[-MOST_PARTITIONS:])


def list_partitions(connection: Connection, table: str) -> list[Interval]:
    """Return the periods of a table's partitions, oldest first; the initial one begins with the smallest number."""
    if table not in DIVISIONS:
        return []
    return sorted(period for period, _ in _partitions(connection, table))


def detach_partition(connection: Connection, table: str, period: Interval) -> bool:
    """Detach a partition, which then is a table of its own. Return False if it is in use, or if there is none."""
    names = [name for at, name in _partitions(connection, table) if at == period]

    def detach() -> None:
        connection.exec_driver_sql(f"ALTER TABLE {table} DETACH PARTITION {names[0]}")
        connection.exec_driver_sql(f"ALTER TABLE {names[0]} RENAME TO {names[0]}{_DETACHED}")

    return bool(names) and _without_waiting(connection, detach)


def drop_detached(connection: Connection) -> None:
    """Drop the detached partitions, also those that a process which was killed left behind. Each is committed."""
    names = connection.exec_driver_sql(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND NOT relispartition "
        "AND relnamespace = current_schema()::regnamespace"
    ).scalars()
    for name in [str(name) for name in names]:
        if name.endswith(_DETACHED) and name.startswith(tuple(f"{table}_" for table in DIVISIONS)):
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")


def _create(connection: Connection, table: str, periods: Iterable[Interval]) -> list[str]:
    is_divided = f"SELECT 1 FROM pg_partitioned_table WHERE partrelid = to_regclass('{table}')"
    if connection.exec_driver_sql(is_divided).first() is None:
        return []  # a store of an earlier version
    there = [period for period, _ in _partitions(connection, table)]
    created = []
    for period in periods:
        if any(period.from_ms < other.to_ms and other.from_ms < period.to_ms for other in there):
            continue
        start = datetime.fromtimestamp(period.from_ms / 1000, UTC)
        name = table + start.strftime(DIVISIONS[table].name_form)
        if _without_waiting(connection, lambda name=name, period=period: _attach(connection, table, name, period)):  # type: ignore[misc]
            created.append(name)
    return created


def _attach(connection: Connection, table: str, name: str, period: Interval) -> None:
    run = connection.exec_driver_sql
    run(f"SELECT pg_advisory_xact_lock({_CREATING})")
    if run(f"SELECT to_regclass('{name}')").scalar() is not None:
        return  # another process has created it just now
    run(f"LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE")
    # With ATTACH the divided table stays readable and writable, as it does not with PARTITION OF.
    run(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
    time = DIVISIONS[table].time
    run(
        f"WITH moved AS (DELETE FROM {table}_default WHERE {time} >= {period.from_ms} AND {time} < {period.to_ms} "
        f"RETURNING *) INSERT INTO {name} SELECT * FROM moved"
    )
    run(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({period.from_ms}) TO ({period.to_ms})")


def _without_waiting(connection: Connection, work: Callable[[], Any]) -> bool:
    """Run work that needs exclusive locks. Return False, with nothing changed, if one was not free for `LOCK_MS`."""
    before = connection.exec_driver_sql("SHOW lock_timeout").scalar_one()
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_MS}")
            work()
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{before}'")
    except DBAPIError as error:
        if str(getattr(error.orig, "sqlstate", "")) != _LOCK_NOT_AVAILABLE:
            raise
        return False
    return True


def _partitions(connection: Connection, table: str) -> list[tuple[Interval, str]]:
    rows = connection.exec_driver_sql(
        "SELECT pg_get_expr(c.relpartbound, c.oid), c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        f"WHERE i.inhparent = to_regclass('{table}')"
    )
    found = []
    for bounds, name in rows:
        if numbers := _BOUNDS.fullmatch(str(bounds)):
            first, last = (text.strip("'") for text in numbers.groups())
            found.append((Interval(_FIRST if first == "MINVALUE" else int(first), int(last)), str(name)))
    return found


def _known_period(division: _Division, at_ms: int) -> Interval | None:
    """Return the period of an instant; `None` for one that no calendar has."""
    with suppress(OverflowError, ValueError):
        return division.period_of(at_ms)
    return None
