"""Opens the store: migrates its tables and provides connections, one that writes and several that read.

A write is exclusive over all processes of a store: what it reads stays unchanged until its commit, and changes are
numbered in the order of their commits. Each engine ensures this by its own lock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError

from streamusage.service.errors import StoreError
from streamusage.service.store.change_feed import begin_life
from streamusage.service.store.engines import find_engine
from streamusage.service.store.engines.protocol import StoreEngine

MIGRATIONS = Path(__file__).with_name("migrations")


class Store:
    """An open store. `writing` is for the writer alone; `reading` gives a snapshot to any thread."""

    def __init__(self, engine: StoreEngine, url: URL, now_ms: int) -> None:
        self.display_url = url.render_as_string(hide_password=True)
        self._writer: Engine = engine.writer(url)
        self._readers: Engine = engine.readers(url)
        try:
            with engine.migration_transaction(self._writer) as connection:
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
    engine = find_engine(url)
    return Store(engine, engine.check_url(make_url(url)), now_ms)


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
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
