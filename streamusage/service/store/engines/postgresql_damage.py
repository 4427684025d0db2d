"""Damage of a store in PostgreSQL: a check that reads every table and index, and the mark that outlives the process.

PostgreSQL reports a damaged page when it reads it, so that the check reads all of them. The mark is the comment of the
table `servers`: it needs no table of its own, and `pg_dump` and psql show it.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from psycopg import Connection, Error, sql
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from streamusage.service.store.engines.protocol import Damage

_MARK = "streamtop: damaged: "
_MARKED_TABLE = "servers"
_TABLES = (
    "SELECT oid, relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace "
    "ORDER BY relname"
)
_INDEXES = (
    "SELECT i.indexrelid, c.relname, ARRAY(SELECT a.attname FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(n, place) "
    "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n ORDER BY k.place) "
    "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = %s ORDER BY c.relname"
)
_IS_THERE = "SELECT 1 FROM pg_class WHERE oid = %s AND relname = %s"
_BY_INDEX_ONLY = ("enable_seqscan", "enable_sort", "enable_bitmapscan", "enable_incremental_sort")


def is_damage(error: BaseException | None) -> bool:
    """Return whether an error is of the class of internal errors, to which damaged data and indexes belong."""
    return str(getattr(error, "sqlstate", "")).startswith("XX")


def find_damage(engine: Engine) -> list[Damage]:
    """Read every row of every table, and every index in its order, and return the damage found.

    Where the extension `amcheck` is installed, indexes are also compared with their tables. Raises `DBAPIError`.
    """
    found: list[Damage] = []
    with engine.connect() as pooled:
        connection: Connection[Any] = pooled.connection.driver_connection  # type: ignore[assignment]
        has_amcheck = bool(connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'amcheck'").fetchone())
        for oid, table in connection.execute(_TABLES).fetchall():
            _note(connection, found, oid, table, lambda name=table: _read_table(connection, name))  # type: ignore[misc]
            for index, name, columns in connection.execute(_INDEXES, (oid,)).fetchall():

                def read(index: int = index, table: str = table, columns: list[str] = columns) -> None:
                    _read_index(connection, table, columns)
                    if has_amcheck:
                        connection.execute("SELECT bt_index_check(%s::oid::regclass, true)", (index,))

                _note(connection, found, oid, table, read, f"the index {name}: ")
    return found


def _note(
    connection: "Connection[Any]", found: list[Damage], oid: int, table: str, read: Callable[[], None], what: str = ""
) -> None:
    """Read a part of a table, and note damage. A table that retention has dropped meanwhile, or renamed, is none."""
    try:
        read()
    except Error as error:
        connection.rollback()
        if connection.execute(_IS_THERE, (oid, table)).fetchone() is None:
            return
        if not is_damage(error):
            raise
        found.append(Damage(table, what + " ".join(str(error).split())))
    finally:
        connection.rollback()


def _read_table(connection: "Connection[Any]", table: str) -> None:
    statement = sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(sql.Identifier(table))
    with connection.cursor() as cursor, cursor.copy(statement) as rows:
        for _ in rows:
            pass


def _read_index(connection: "Connection[Any]", table: str, columns: list[str]) -> None:
    for setting in _BY_INDEX_ONLY:
        connection.execute(sql.SQL("SET LOCAL {} = off").format(sql.Identifier(setting)))
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    query = sql.SQL("SELECT count(*) FROM (SELECT 1 FROM {} ORDER BY {} OFFSET 0) AS ordered")
    connection.execute(query.format(sql.Identifier(table), names))


class DatabaseMark:
    """The mark of damage of a store in PostgreSQL."""

    def __init__(self, connect: Callable[[], Engine]) -> None:
        """`connect` returns an engine that can write."""
        self._connect = connect

    def mark(self, cause: str) -> None:
        """Mark the store as damaged. If that fails, the service refuses writes all the same."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with suppress(DBAPIError, Error):
            self._comment(f"{_MARK}{stamp} {' '.join(cause.split())}")

    def read_mark(self) -> str:
        """Return the mark's text; empty without a mark. Raises `DBAPIError`."""
        engine = self._connect()
        try:
            with engine.connect() as pooled:
                query = f"SELECT obj_description(to_regclass('{_MARKED_TABLE}'), 'pg_class')"
                text = str(pooled.exec_driver_sql(query).scalar() or "")
        finally:
            engine.dispose()
        return text.removeprefix(_MARK) if text.startswith(_MARK) else ""

    def unmark(self) -> None:
        """Remove the mark. Raises `DBAPIError`."""
        self._comment(None)

    def _comment(self, text: str | None) -> None:
        engine = self._connect()
        try:
            with engine.connect() as pooled:
                connection: Connection[Any] = pooled.connection.driver_connection  # type: ignore[assignment]
                statement = sql.SQL("COMMENT ON TABLE {} IS {}")
                connection.execute(statement.format(sql.Identifier(_MARKED_TABLE), sql.Literal(text)))
                connection.commit()
        finally:
            engine.dispose()
