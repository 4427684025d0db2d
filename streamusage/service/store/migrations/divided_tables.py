"""Divides the large tables of a PostgreSQL store by time, with their rows: revision 0017.

A table that has rows becomes the partition `TABLE_initial` of everything before a cutoff, without a rewrite: its
indexes become those of the divided table. Before the migration, while services use the store, `prepare` shows the
database that all rows are before the cutoff. That reads the whole table, with a lock that blocks neither reads nor
writes. `divide` takes an instant, with the exclusive lock of the tables, which is held until the commit. Where a wrong
clock wrote rows after the cutoff, or nothing was prepared, `divide` moves those rows and reads the table itself.

All names and definitions are those of that revision; what later revisions change is not known here.
"""

import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

log = logging.getLogger(__name__)

DAY_MS = 86_400_000
LEAST_AHEAD_MS = 7 * DAY_MS
"""The cutoff is at least so far in the future. Until the migration is complete, earlier versions cannot write rows
after it, so that an interrupted one must be completed by then.
"""
STILL_AHEAD_MS = DAY_MS
"""A cutoff that was prepared before is used if it is still so far in the future."""
LOCK_MS = 3_000
"""How long a lock is waited for, while all who come later wait, too. Longer than `deadlock_timeout` of 1 s, after which
the database ends its own vacuum of the table.
"""
LOCK_TRIES = 8
PAUSE_SECONDS = 1.0

_PREPARING = 0x73747265616D7075
"""The advisory lock of the preparation."""
_LOCK_NOT_AVAILABLE = "55P03"
_CHECK_VIOLATION = "23514"


class DividedTable(NamedTuple):
    """A table that is divided, with the definitions of its indexes."""

    name: str
    time: str
    """The column that decides in which partition a row lies."""
    key: str
    indexes: dict[str, str]
    unit: str
    """The unit of `date_trunc` at whose start the cutoff lies."""

    @property
    def check(self) -> str:
        """The name of the constraint that all rows are before the cutoff."""
        return f"{self.name}_before_cutoff"


DIVIDED = (
    DividedTable("slots", "slot", "server, epoch, slot", {"slots_by_time": "slot, server"}, "month"),
    DividedTable(
        "slot_connections",
        "slot",
        "server, epoch, slot, protocol",
        {"slot_connections_by_time": "slot, server"},
        "month",
    ),
    DividedTable("samples", "slot", "server, stream, slot", {}, "day"),
    DividedTable("spans", "from_ms", "server, from_ms", {"spans_by_end": "server, to_ms"}, "month"),
)


def prepare(connection: Connection, begin: Callable[[str], None]) -> None:
    """Let the database check that the rows of each undivided table are before a cutoff. Each statement is committed.
    `begin` receives which table is read.

    What is done already is not repeated. If it fails, the store is as it was before.
    """
    connection.exec_driver_sql("SET statement_timeout = 0")
    connection.exec_driver_sql(f"SELECT pg_advisory_lock({_PREPARING})")
    connection.exec_driver_sql(f"SET lock_timeout = {LOCK_MS}")
    try:
        for table in DIVIDED:
            if _is_undivided(connection, table) and _has_rows(connection, table):
                _prepare(connection, table, begin)
    except BaseException:
        for table in DIVIDED:
            with suppress(DBAPIError):
                if _is_undivided(connection, table):
                    connection.exec_driver_sql(f"ALTER TABLE {table.name} DROP CONSTRAINT IF EXISTS {table.check}")
        raise
    finally:
        connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_PREPARING})")


def _prepare(connection: Connection, table: DividedTable, begin: Callable[[str], None]) -> None:
    cutoff, is_validated = _prepared(connection, table)
    if cutoff is not None and cutoff < _database_ms(connection) + STILL_AHEAD_MS:
        _try_lock(lambda: connection.exec_driver_sql(f"ALTER TABLE {table.name} DROP CONSTRAINT {table.check}"))
        cutoff = None
    if cutoff is None:
        _try_lock(lambda: _add_check(connection, table))
        is_validated = False
    if not is_validated:
        begin(f"reading the table {table.name} before it is divided by time; other processes may use it")
        try:
            connection.exec_driver_sql(f"ALTER TABLE {table.name} VALIDATE CONSTRAINT {table.check}")
        except DBAPIError as error:
            if _state_of(error) != _CHECK_VIOLATION:
                raise
            log.warning("the table %s has rows in the future; they are moved when it is divided", table.name)


def divide(connection: Connection) -> None:
    """Divide the tables, in the transaction of the migrations. Raises `DBAPIError` if one is in use for too long."""
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    tables = [table for table in DIVIDED if _is_undivided(connection, table)]
    if not tables:
        return
    names = ", ".join(table.name for table in tables)

    def lock() -> None:
        with connection.begin_nested():
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_MS}")
            connection.exec_driver_sql(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")

    _try_lock(lock)
    connection.exec_driver_sql("SET LOCAL lock_timeout TO DEFAULT")
    for table in tables:
        _divide(connection, table)


def _divide(connection: Connection, table: DividedTable) -> None:
    name, initial = table.name, f"{table.name}_initial"
    has_rows = _has_rows(connection, table)
    cutoff, is_validated = _prepared(connection, table)
    run = connection.exec_driver_sql
    run(f"ALTER TABLE {name} RENAME TO {initial}")
    run(f"ALTER INDEX {name}_pkey RENAME TO {initial}_pkey")
    for index in table.indexes:
        run(f"ALTER INDEX {index} RENAME TO {index}_initial")
    run(f"CREATE TABLE {name} (LIKE {initial} INCLUDING DEFAULTS) PARTITION BY RANGE ({table.time})")
    run(f"ALTER TABLE {name} ADD CONSTRAINT {name}_pkey PRIMARY KEY ({table.key})")
    for index, columns in table.indexes.items():
        run(f"CREATE INDEX {index} ON {name} ({columns})")
    _copy_privileges(connection, initial, name)
    run(f"CREATE TABLE {name}_default PARTITION OF {name} DEFAULT")
    if not has_rows:
        run(f"DROP TABLE {initial}")
        return
    if cutoff is None:
        cutoff = _add_check(connection, table, initial)
    if not is_validated:
        run(
            f"WITH moved AS (DELETE FROM {initial} WHERE {table.time} >= {cutoff} RETURNING *) "
            f"INSERT INTO {name} SELECT * FROM moved"
        )
        run(f"ALTER TABLE {initial} VALIDATE CONSTRAINT {table.check}")
    run(f"ALTER TABLE {name} ATTACH PARTITION {initial} FOR VALUES FROM (MINVALUE) TO ({cutoff})")
    run(f"ALTER TABLE {initial} DROP CONSTRAINT {table.check}")


def _add_check(connection: Connection, table: DividedTable, name: str = "") -> int:
    """Let no more rows after the cutoff be written. Return the cutoff."""
    after = f"to_timestamp(({_database_ms(connection)} + {LEAST_AHEAD_MS}) / 1000.0)"
    cutoff = connection.exec_driver_sql(
        f"SELECT (extract(epoch FROM date_trunc('{table.unit}', {after} AT TIME ZONE 'UTC') "
        f"+ interval '1 {table.unit}') * 1000)::bigint"
    ).scalar_one()
    connection.exec_driver_sql(
        f"ALTER TABLE {name or table.name} ADD CONSTRAINT {table.check} CHECK ({table.time} < {cutoff}) NOT VALID"
    )
    return int(cutoff)


def _prepared(connection: Connection, table: DividedTable) -> tuple[int | None, bool]:
    """Return the cutoff of a table that is being prepared, and whether all rows are known to be before it."""
    row = connection.exec_driver_sql(
        "SELECT pg_get_constraintdef(oid), convalidated FROM pg_constraint "
        f"WHERE conrelid = to_regclass('{table.name}') AND conname = '{table.check}'"
    ).first()
    number = None if row is None else re.search(r"< '?(-?\d+)", str(row[0]))
    return (None, False) if row is None or number is None else (int(number[1]), bool(row[1]))


def _is_undivided(connection: Connection, table: DividedTable) -> bool:
    kind = f"SELECT relkind FROM pg_class WHERE oid = to_regclass('{table.name}')"
    return connection.exec_driver_sql(kind).scalar() in ("r", b"r")


def _has_rows(connection: Connection, table: DividedTable) -> bool:
    return connection.exec_driver_sql(f"SELECT 1 FROM {table.name} LIMIT 1").first() is not None


def _database_ms(connection: Connection) -> int:
    """Return the time of the database server's clock."""
    return int(connection.exec_driver_sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").scalar_one())


def _copy_privileges(connection: Connection, source: str, target: str) -> None:
    """Grant on a new table what was granted on another one: programs of the operator may read it."""
    granted = connection.exec_driver_sql(
        "SELECT a.privilege_type, a.is_grantable, CASE a.grantee WHEN 0 THEN 'PUBLIC' "
        "ELSE quote_ident(pg_get_userbyid(a.grantee)) END "
        f"FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = '{source}'::regclass AND a.grantee <> c.relowner"
    ).all()
    for privilege, is_grantable, grantee in granted:
        option = " WITH GRANT OPTION" if is_grantable else ""
        connection.exec_driver_sql(f"GRANT {privilege} ON {target} TO {grantee}{option}")


def _try_lock(work: Callable[[], object]) -> None:
    """Run work that needs the exclusive lock of a table, again if it is in use. Readers are let through in between."""
    for attempt in range(LOCK_TRIES):
        try:
            work()
            return
        except DBAPIError as error:
            if _state_of(error) != _LOCK_NOT_AVAILABLE or attempt == LOCK_TRIES - 1:
                raise
        time.sleep(PAUSE_SECONDS)


def _state_of(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", ""))
