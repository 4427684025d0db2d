"""PostgreSQL as a store, for any number of processes at once.

Every write holds the lock of the row that numbers changes, from its start to its commit. Therefore the figures of a
session are never summed from two servers' reports concurrently, a report is judged against committed data, and a
change that is committed later has a higher number: a cursor skips nothing. The server disconnects a process that
hangs in the middle of a write, and rolls the write back.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL

from streamusage.service.errors import StoreError

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
_ESCAPED = re.compile("\1[0\1]")


def _encode_nul(content: str | None) -> str | None:
    """Return the text in a form that PostgreSQL can store."""
    if content is None or ("\0" not in content and "\1" not in content):
        return content
    return content.replace("\1", "\1\1").replace("\0", "\x010")


def _decode_nul(content: str | None) -> str | None:
    """Return the text that `_encode_nul` encoded."""
    if content is None or "\1" not in content:
        return content
    return _ESCAPED.sub(lambda found: "\0" if found[0] == "\x010" else "\1", content)


class PostgresqlEngine:
    """A `StoreEngine`: a database server. Text with U+0000, which it cannot store, is encoded."""

    name = "postgresql"
    url_form = "postgresql://HOST/DATABASE"
    url_example = "postgresql://user@host/database"
    table_options: ClassVar[dict[str, Any]] = {}
    text_type = postgresql.TEXT(collation="C")
    encode_text = staticmethod(_encode_nul)
    decode_text = staticmethod(_decode_nul)
    direct_driver = None

    def check_url(self, url: URL) -> URL:
        """As `StoreEngine.check_url`."""
        if not url.database:
            raise StoreError("a PostgreSQL store needs a database: postgresql://user@host/database")
        try:
            import psycopg  # noqa: F401
        except ImportError:
            raise StoreError("a PostgreSQL store needs psycopg: pip install 'streamtop[postgres]'") from None
        if "password" in url.query:
            raise StoreError("the store's URL must not have a password after the ?; use PGPASSWORD or ~/.pgpass")
        return url.set(drivername="postgresql+psycopg")

    def writer(self, url: URL) -> Engine:
        """As `StoreEngine.writer`."""
        engine = _engine(url, 1, "READ COMMITTED", {"lock_timeout": LOCK_MS})

        @event.listens_for(engine, "begin")
        def lock(connection: Connection) -> None:
            if not connection.get_execution_options().get(_MAKES):
                connection.exec_driver_sql(_NUMBERS_CHANGES)

        return engine

    def readers(self, url: URL) -> Engine:
        """As `StoreEngine.readers`."""
        return _engine(url, READ_CONNECTIONS, "REPEATABLE READ", {"default_transaction_read_only": "on"})

    @contextmanager
    def migration_transaction(self, writing: Engine) -> Iterator[Connection]:
        """As `StoreEngine.migration_transaction`."""
        with writing.connect().execution_options(**{_MAKES: True}) as connection, connection.begin():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MAKING_TABLES})
            if connection.execute(text("SELECT to_regclass('counters')")).scalar() is not None:
                connection.exec_driver_sql(_NUMBERS_CHANGES)
            yield connection

    def insert(self, table: Any) -> Any:
        """As `StoreEngine.insert`."""
        return postgresql.insert(table)


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
    engine = create_engine(
        url,
        isolation_level=isolation,
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=60,
        pool_pre_ping=True,
        connect_args=connect_args,
    )
    # A list of pairs becomes a table of values, which is joined by the index: as a chain of ORs, hundreds of pairs
    # are compared with every row.
    engine.dialect.tuple_in_values = True
    return engine
