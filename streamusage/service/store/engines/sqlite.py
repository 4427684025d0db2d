"""SQLite as a store: WAL mode with full sync, so committed data survives a power cut.

The SQLite library is pysqlite3's: the standard library's may be a version whose WAL reset can corrupt a database.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

from pysqlite3 import dbapi2
from sqlalchemy import Connection, Engine, Text, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL

from streamusage.service.errors import StoreError
from streamusage.service.store.engines.protocol import DirectDriver

BUSY_TIMEOUT_MS = 10_000
READ_CONNECTIONS = 4


def _find_driver_connection(connection: Connection) -> Any:
    return connection.connection.dbapi_connection if connection.in_transaction() else None


class SqliteEngine:
    """A `StoreEngine`: one file, embedded in the service."""

    name = "sqlite"
    url_form = "sqlite:///PATH"
    url_example = "sqlite:////var/lib/streamtop/usage.db"
    table_options: ClassVar[dict[str, Any]] = {"sqlite_with_rowid": False}
    text_type = Text()
    encode_text = None
    decode_text = None
    direct_driver = DirectDriver(sqlite.dialect(paramstyle="qmark"), dbapi2.Error, _find_driver_connection)

    def check_url(self, url: URL) -> URL:
        """As `StoreEngine.check_url`: creates the directory of the file."""
        if not url.database or url.database == ":memory:" or url.query:
            raise StoreError("a SQLite store needs a file: sqlite:///PATH, with four slashes for an absolute path")
        path = Path(url.database)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot create the store's directory {path.parent}: {error.strerror}") from error
        return url

    def writer(self, url: URL) -> Engine:
        """As `StoreEngine.writer`."""
        return _engine(url, "BEGIN IMMEDIATE", 1, writes=True)

    def readers(self, url: URL) -> Engine:
        """As `StoreEngine.readers`."""
        return _engine(url, "BEGIN", READ_CONNECTIONS, writes=False)

    def migration_transaction(self, writing: Engine) -> AbstractContextManager[Connection]:
        """As `StoreEngine.migration_transaction`."""
        return writing.begin()

    def insert(self, table: Any) -> Any:
        """As `StoreEngine.insert`."""
        return sqlite.insert(table)


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite store in that file."""
    return URL.create("sqlite", database=str(path)).render_as_string()


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
