"""PostgreSQL as a store, for any number of processes at once.

Every write holds the lock of the row that numbers changes, from its start to its commit. Therefore the figures of a
session are never summed from two servers' reports concurrently, a report is judged against committed data, and a
change that is committed later has a higher number: a cursor skips nothing. The server disconnects a process that
hangs in the middle of a write, and rolls the write back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL

READ_CONNECTIONS = 8
CONNECT_SECONDS = 10
HUNG_MS = 10_000
"""How long a process may hold the lock without activity."""
STATEMENT_MS = 120_000
LOCK_MS = 30_000

_MAKING_TABLES = 0x73747265616D746F
"""The advisory lock of migrations: before the first one there is no row to lock."""
_NUMBERS_CHANGES = "SELECT value FROM counters WHERE name = 'change' FOR UPDATE"
_MAKES = "making_tables"


def writer(url: URL) -> Engine:
    """Return an engine with one connection, whose every transaction holds the write lock from its start."""
    engine = _engine(url, 1, "READ COMMITTED", {"lock_timeout": LOCK_MS})

    @event.listens_for(engine, "begin")
    def lock(connection: Connection) -> None:
        if not connection.get_execution_options().get(_MAKES):
            connection.exec_driver_sql(_NUMBERS_CHANGES)

    return engine


def readers(url: URL) -> Engine:
    """Return an engine of read-only connections."""
    return _engine(url, READ_CONNECTIONS, "REPEATABLE READ", {"default_transaction_read_only": "on"})


@contextmanager
def migration_transaction(writing: Engine) -> Iterator[Connection]:
    """A transaction for migrations, exclusive among all processes."""
    with writing.connect().execution_options(**{_MAKES: True}) as connection, connection.begin():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MAKING_TABLES})
        if connection.execute(text("SELECT to_regclass('counters')")).scalar() is not None:
            connection.exec_driver_sql(_NUMBERS_CHANGES)
        yield connection


def _engine(url: URL, connections: int, isolation: str, settings: dict[str, Any]) -> Engine:
    settings = {
        "statement_timeout": STATEMENT_MS,
        "idle_in_transaction_session_timeout": HUNG_MS,
        "timezone": "UTC",
        "client_encoding": "UTF8",
    } | settings
    connect_args = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "streamtop",
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }
    return create_engine(
        url,
        isolation_level=isolation,
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=60,
        pool_pre_ping=True,
        connect_args=connect_args,
    )
