"""Opens the store: brings its tables up to date and hands out connections, one that writes and several that read.

SQLite runs in WAL mode with full sync, so what is committed survives a power cut. The SQLite is pysqlite3's: the
standard library's may be one of the versions whose WAL reset can corrupt a database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from pysqlite3 import dbapi2
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from streamusage.service.changes import begin_life

BUSY_TIMEOUT_MS = 10_000
READ_CONNECTIONS = 4


class StoreError(Exception):
    """The store cannot be opened or used. The text says which, why, and what to do."""


class Store:
    """An open store. `writing` is for the writer alone; `reading` gives a snapshot to any thread."""

    def __init__(self, url: URL, now_ms: int) -> None:
        self.shown = url.render_as_string(hide_password=True)
        self._writer = _sqlite(url, "BEGIN IMMEDIATE", 1, writes=True)
        self._readers = _sqlite(url, "BEGIN", READ_CONNECTIONS, writes=False)
        try:
            with self._writer.begin() as connection:
                _migrate(connection)
                begin_life(connection, now_ms)
        except (DBAPIError, CommandError, OSError) as error:
            self.close()
            raise StoreError(_why(self.shown, error)) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection whose reads all see one state of the store. Cannot write."""
        with self._readers.begin() as connection:
            yield connection

    def writing(self) -> Connection:
        """The connection that writes. Whoever holds it holds up every other write."""
        return self._writer.connect()

    def close(self) -> None:
        self._readers.dispose()
        self._writer.dispose()


def open_store(url: str, now_ms: int) -> Store:
    """Opens the store at a URL such as `sqlite:////var/lib/streamtop/usage.db`, making it where there is none.

    Raises `StoreError`.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError("the store is named by a URL such as sqlite:////var/lib/streamtop/usage.db") from None
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(f"no store of the kind {parsed.get_backend_name()!r} is known; use sqlite:///PATH")
    if not parsed.database or parsed.database == ":memory:" or parsed.query:
        raise StoreError("a SQLite store needs a file: sqlite:///PATH, with four slashes for an absolute path")
    path = Path(parsed.database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the store's directory {path.parent}: {error.strerror}") from error
    return Store(parsed, now_ms)


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite store in that file."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def _sqlite(url: URL, begin: str, connections: int, *, writes: bool) -> Engine:
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


def _migrate(connection: Connection) -> None:
    config = Config()
    location = str(Path(__file__).with_name("migrations"))
    config.set_main_option("script_location", location.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _why(shown: str, error: Exception) -> str:
    cause = str(error.orig if isinstance(error, DBAPIError) else error)
    if isinstance(error, CommandError):
        return f"the store {shown} was made by a newer streamtop ({cause}); it is left as it is, run that version"
    return f"cannot open the store {shown}: {cause}; check that the path is a streamtop store and can be written"
