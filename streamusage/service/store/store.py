"""Opens the store: migrates its tables and provides connections, one that writes and several that read.

A write is exclusive over all processes of a store: what it reads stays unchanged until its commit, and changes are
numbered in the order of their commits. SQLite ensures this by its own lock, PostgreSQL by the lock of a row.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from streamusage.service.errors import StoreError
from streamusage.service.store.change_feed import begin_life
from streamusage.service.store.engines import postgresql, sqlite

EngineKind = Literal["sqlite", "postgresql"]


class Store:
    """An open store. `writing` is for the writer alone; `reading` gives a snapshot to any thread."""

    def __init__(self, kind: EngineKind, url: URL, now_ms: int) -> None:
        self.display_url = url.render_as_string(hide_password=True)
        engines = sqlite if kind == "sqlite" else postgresql
        self._writer: Engine = engines.writer(url)
        self._readers: Engine = engines.readers(url)
        try:
            with engines.migration_transaction(self._writer) as connection:
                _migrate(connection)
                begin_life(connection, now_ms)
        except (DBAPIError, CommandError, OSError) as error:
            self.close()
            raise StoreError(_open_error(self.display_url, error)) from None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection whose reads all see one state of the store. It cannot write."""
        with self._readers.begin() as connection:
            yield connection

    def writing(self) -> Connection:
        """Return the connection that writes. An open transaction on it blocks every other write."""
        return self._writer.connect()

    def close(self) -> None:
        """Close all connections."""
        self._readers.dispose()
        self._writer.dispose()


def open_store(url: str, now_ms: int) -> Store:
    """Open the store at a URL such as `sqlite:////var/lib/streamtop/usage.db`, creating it if needed, or at
    `postgresql://user@host/database`, where the database must exist.

    Raises `StoreError`.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StoreError(
            "the store must be a URL such as sqlite:////var/lib/streamtop/usage.db or postgresql://user@host/database"
        ) from None
    kind = parsed.get_backend_name()
    if kind == "postgresql":
        return Store("postgresql", _checked_postgresql(parsed), now_ms)
    if kind != "sqlite":
        raise StoreError(f"unknown kind of store {kind!r}; use sqlite:///PATH or postgresql://HOST/DATABASE")
    if not parsed.database or parsed.database == ":memory:" or parsed.query:
        raise StoreError("a SQLite store needs a file: sqlite:///PATH, with four slashes for an absolute path")
    path = Path(parsed.database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot create the store's directory {path.parent}: {error.strerror}") from error
    return Store("sqlite", parsed, now_ms)


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite store in that file."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def _checked_postgresql(url: URL) -> URL:
    if not url.database:
        raise StoreError("a PostgreSQL store needs a database: postgresql://user@host/database")
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise StoreError("a PostgreSQL store needs psycopg: pip install 'streamtop[postgres]'") from None
    if "password" in url.query:
        raise StoreError("the store's URL must not have a password after the ?; use PGPASSWORD or ~/.pgpass")
    return url.set(drivername="postgresql+psycopg")


def _migrate(connection: Connection) -> None:
    config = Config()
    location = str(Path(__file__).with_name("migrations"))
    config.set_main_option("script_location", location.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _open_error(display_url: str, error: Exception) -> str:
    cause = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
    if isinstance(error, CommandError):
        return (
            f"the store {display_url} was written by a newer streamtop ({cause}); it was not changed; run that version"
        )
    return f"cannot open the store {display_url}: {cause}; check that it is a streamtop store and writable"


def broken_connection(error: Any) -> bool:
    """Return whether the connection to the store broke, so that the outcome of a commit on it is unknown."""
    return isinstance(error, DBAPIError) and error.connection_invalidated
