"""SQLite as a store: WAL mode with full sync, so committed data survives a power cut.

The SQLite library is pysqlite3's: the standard library's may be a version whose WAL reset can corrupt a database.
"""

from contextlib import AbstractContextManager
from typing import Any

from pysqlite3 import dbapi2
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL

BUSY_TIMEOUT_MS = 10_000
READ_CONNECTIONS = 4


def writer(url: URL) -> Engine:
    """Return an engine with one connection, whose every transaction holds the write lock from its start."""
    return _engine(url, "BEGIN IMMEDIATE", 1, writes=True)


def readers(url: URL) -> Engine:
    """Return an engine of read-only connections."""
    return _engine(url, "BEGIN", READ_CONNECTIONS, writes=False)


def migration_transaction(writing: Engine) -> AbstractContextManager[Connection]:
    """A transaction for migrations."""
    return writing.begin()


def _engine(url: URL, begin: str, connections: int, *, writes: bool) -> Engine:
    engine = create_engine(
        url, module=dbapi2, hide_parameters=True, pool_size=connections, max_overflow=0, pool_timeout=60
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        # None stops the driver from opening transactions of its own; "begin" below opens them.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL" if writes else "query_only=ON",
            "synchronous=FULL",
            "foreign_keys=ON",
            "cache_size=-65536" if writes else "cache_size=-16384",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def open_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
