"""What the store needs of a database engine. Everything that differs between engines is behind `StoreEngine`."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection, Dialect, Engine
from sqlalchemy.engine import URL

from streamusage.core.coverage import Interval
from streamusage.service.store.engines.locks import LockSet


class DirectDriver(NamedTuple):
    """A driver whose own connection runs compiled statements faster than SQLAlchemy does."""

    dialect: Dialect
    """The dialect of the compiled SQL."""
    error: type[Exception]
    """Base of the driver's exceptions."""
    find_connection: Callable[[Connection], Any]
    """Returns the driver's own connection while statements may run on it, else None."""


class Damage(NamedTuple):
    """A part of the store that cannot be trusted."""

    table: str
    """The table; empty if the damage belongs to none, or its table is unknown."""
    what: str


class DamageMark(Protocol):
    """A mark on a store that was found damaged. It outlives the process: a marked store is not opened."""

    def mark(self, cause: str) -> None:
        """Mark the store as damaged. A failure changes nothing."""
        ...

    def read_mark(self) -> str:
        """Return the mark's text; empty without a mark."""
        ...

    def unmark(self) -> None:
        """Remove the mark."""
        ...


Progress = Callable[[str, int, int], None]
"""Receives what is being done, how much of it is done, and how much there is; 0 if that is unknown."""


class StoreEngine(Protocol):
    """A kind of database."""

    @property
    def name(self) -> str:
        """SQLAlchemy's name of the dialect, with which a store's URL begins."""
        ...

    @property
    def url_form(self) -> str:
        """Form of the URL, for messages."""
        ...

    @property
    def url_example(self) -> str:
        """A complete URL, for messages."""
        ...

    @property
    def table_options(self) -> Mapping[str, Any]:
        """Options of the tables that are looked up by their whole primary key."""
        ...

    @property
    def text_type(self) -> Any:
        """Type of a column of text that is sorted by code point."""
        ...

    @property
    def encode_text(self) -> Callable[[str | None], str | None] | None:
        """Returns a text as the database stores it; None if it stores every text as it is."""
        ...

    @property
    def decode_text(self) -> Callable[[str | None], str | None] | None:
        """The inverse of `encode_text`."""
        ...

    @property
    def direct_driver(self) -> DirectDriver | None:
        """The driver for frequent statements; None if all statements run through SQLAlchemy."""
        ...

    def check_url(self, url: URL) -> URL:
        """Return the URL with which to connect. Raises `StoreError`."""
        ...

    def create(self, url: URL) -> None:
        """Create what must exist before a connection is made. Raises `StoreError`."""
        ...

    def file_of(self, url: URL) -> Path | None:
        """Return the file that is the store; None for a store that has no file on this machine."""
        ...

    def is_damage(self, error: BaseException | None) -> bool:
        """Return whether the driver's error may mean that stored data is damaged."""
        ...

    def find_damage(self, url: URL) -> list[Damage] | None:
        """Read the whole store and return the damage found; None where the engine has no such check."""
        ...

    def refresh_statistics(self, url: URL) -> None:
        """Let the database learn how large its tables have become, where it plans by that."""
        ...

    def mark_in(self, url: URL) -> DamageMark | None:
        """Return the mark inside of the database; None for a store with a file, which has its mark beside it."""
        ...

    def copy_file(self, url: URL, target: Path, progress: Progress) -> bool:
        """Copy one state of the store to a new SQLite file. Return False if the store must be copied row by row."""
        ...

    def is_in_use(self, url: URL) -> bool:
        """Return whether another process has the store open."""
        ...

    def writer(self, url: URL) -> Engine:
        """Return an engine with one connection, whose every transaction shares the lock of the whole store, or has it
        alone (`locks_of`).
        """
        ...

    def lock(self, connection: Connection, locks: LockSet) -> None:
        """Lock servers and streams at the beginning of a write, and wait for other writes that have them.

        Raises `NeedsWholeStoreError` if there are too many.
        """
        ...

    def try_lock(self, connection: Connection, more: LockSet) -> bool:
        """Lock more servers and streams in the middle of a write, without waiting. Return whether they were free."""
        ...

    def lock_change_numbers(self, connection: Connection) -> None:
        """Wait until every other write that has numbered changes is committed."""
        ...

    def is_conflict(self, error: BaseException | None) -> bool:
        """Return whether the driver's error means that a write failed because of another one, and may succeed when it
        is run again.
        """
        ...

    def history_of(self, connection: Connection) -> str:
        """Return what identifies the history that the database of an open write continues.

        It differs after a failover, which may have lost the newest commits, and after a restore into another database.
        Empty where the engine knows none.
        """
        ...

    def search_primaries(self, url: URL) -> None:
        """Connect to each server of the URL, so that this process knows which one has taken over last."""
        ...

    def break_former_connections(self, engine: Engine) -> int:
        """Break the connections of an engine to servers from which another one has taken over, also those that wait
        for an answer. Others are made when needed. Return how many there were.
        """
        ...

    def loss_warnings(self, connection: Connection) -> list[str]:
        """Return in which ways the database may lose what it has committed, as its settings say."""
        ...

    def is_unreachable(self, error: BaseException | None) -> bool:
        """Return whether the driver's error means that no database could be reached that accepts the work."""
        ...

    def take_commit_warning(self, connection: Connection) -> str:
        """Return why the last commit may not survive a failover, although it succeeded; empty if it does."""
        ...

    def readers(self, url: URL) -> Engine:
        """Return an engine of read-only connections."""
        ...

    def unchanging_reader(self, url: URL) -> Engine:
        """Return an engine with one connection that reads and changes nothing, neither rows nor files."""
        ...

    def standby_readers(self, url: URL) -> Engine | None:
        """Return an engine of read-only connections to a copy that may be behind; `None` if the URL wants none."""
        ...

    def migration_transaction(self, writing: Engine) -> AbstractContextManager[Connection]:
        """A transaction for migrations, exclusive among all processes."""
        ...

    def prepare_migrations(self, url: URL, begin: Callable[[str], None]) -> None:
        """Do what migrations need and what may take long, while services use the store. It changes no row.

        `begin` receives what is being done.
        """
        ...

    def create_partitions(self, connection: Connection, now_ms: int) -> list[str]:
        """Create the partitions of the present and of the days to come, where tables are divided by time. Return the
        names of the new ones.
        """
        ...

    def create_partitions_at(self, connection: Connection, table: str, times: Iterable[int]) -> None:
        """Create the partitions in which these instants lie, where the table is divided by time."""
        ...

    def list_partitions(self, connection: Connection, table: str) -> list[Interval]:
        """Return the periods of a table that can be detached as a whole, oldest first; none if it is not divided."""
        ...

    def detach_partition(self, connection: Connection, table: str, period: Interval) -> bool:
        """Remove all rows of such a period at once; `drop_detached` frees their space. Return False, with nothing
        changed, if it is in use or does not exist.
        """
        ...

    def drop_detached(self, url: URL) -> None:
        """Free the space of detached partitions, which may take seconds."""
        ...

    def insert(self, table: Any) -> Any:
        """Return an insert that can replace rows: `on_conflict_do_update` and `excluded`."""
        ...
