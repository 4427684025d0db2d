"""SQLite as a store: WAL mode with full sync, so committed data survives a power cut.

The SQLite library is apsw's: the standard library's may be a version whose WAL reset can corrupt a database.
A new file has a checksum in every page (`page_checksums`). Only `check_url` creates a file: a connection never does.
"""

import logging
import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import apsw
from sqlalchemy import Connection, Engine, Text, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL
from sqlalchemy.pool import QueuePool

from streamusage.core.coverage import Interval
from streamusage.core.open_files import OWNER_ONLY
from streamusage.extras import install_command
from streamusage.service.errors import MissingDriverError, StoreError
from streamusage.service.store.engines import apsw_dbapi as dbapi
from streamusage.service.store.engines.locks import LockSet
from streamusage.service.store.engines.protocol import Damage, DirectDriver, Progress
from streamusage.service.store.engines.sqlite_versions import has_wal_reset_bug
from streamusage.service.store.page_checksums import (
    PLAIN_VFS,
    create_checked_file,
    enable_page_checksums,
    has_page_checksums,
    vacuum_into,
    written_share,
)

log = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 10_000
READ_CONNECTIONS = 4

_DAMAGE_CODES = frozenset({10, 11, 26})
"""SQLITE_IOERR (also a page that does not match its checksum), SQLITE_CORRUPT and SQLITE_NOTADB."""
_BUSY_CODES = frozenset({5, 6})
"""SQLITE_BUSY and SQLITE_LOCKED."""
_STEPS_PER_REPORT = 1_000_000
"""Steps of SQLite's machine between two reports of progress."""


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
    direct_driver = DirectDriver(sqlite.dialect(paramstyle="qmark"), dbapi.Error, _find_driver_connection)

    def check_url(self, url: URL) -> URL:
        """As `StoreEngine.check_url`. The store has several connections: it needs a library that is safe with them."""
        if has_wal_reset_bug(dbapi.sqlite_version_info):
            version = ".".join(map(str, dbapi.sqlite_version_info))
            raise MissingDriverError(
                f"SQLite {version} of this apsw can corrupt a store (its WAL-reset bug); nothing was opened; "
                f"install apsw as a wheel: {install_command(['service'])} --force-reinstall --only-binary apsw"
            )
        if not url.database or url.database == ":memory:" or url.query:
            raise StoreError("a SQLite store needs a file: sqlite:///PATH, with four slashes for an absolute path")
        return url

    def create(self, url: URL) -> None:
        """As `StoreEngine.create`: creates the directory and the file."""
        path = self.file_of(url)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot create the store's directory {path.parent}: {error.strerror}") from error
        has_checksums = enable_page_checksums()
        try:
            if not path.exists():
                create_empty_file(path)
                if not has_checksums:
                    log.warning("the new store %s has no page checksums: apsw's wheel with %s is not installed",
                                path, "cksumvfs")  # fmt: skip
            elif not has_checksums and has_page_checksums(path):
                raise StoreError(
                    f"the store {path} has page checksums, which this installation cannot compute; it was not changed; "
                    "install apsw as a wheel (pip install --only-binary apsw apsw)"
                )
        except (OSError, dbapi.Error) as error:
            cause = error.strerror if isinstance(error, OSError) else error
            raise StoreError(f"cannot open the store {path}: {cause}; check that the file is writable") from error

    def file_of(self, url: URL) -> Path:
        """As `StoreEngine.file_of`."""
        return Path(url.database or "").absolute()

    def writer(self, url: URL) -> Engine:
        """As `StoreEngine.writer`."""
        return _engine(self.file_of(url), "BEGIN IMMEDIATE", 1, writes=True)

    def readers(self, url: URL) -> Engine:
        """As `StoreEngine.readers`."""
        return _engine(self.file_of(url), "BEGIN", READ_CONNECTIONS, writes=False)

    def unchanging_reader(self, url: URL) -> Engine:
        """As `StoreEngine.unchanging_reader`."""
        path = self.file_of(url)
        return _engine(path, "BEGIN", 1, writes=False, connect=lambda: _connect_unchanging(path))

    def lock(self, connection: Connection, locks: LockSet) -> None:
        """As `StoreEngine.lock`: one write at a time has the whole file."""

    def try_lock(self, connection: Connection, more: LockSet) -> bool:
        """As `StoreEngine.try_lock`."""
        return True

    def lock_change_numbers(self, connection: Connection) -> None:
        """As `StoreEngine.lock_change_numbers`."""

    def is_conflict(self, error: BaseException | None) -> bool:
        """As `StoreEngine.is_conflict`."""
        return False

    def history_of(self, connection: Connection) -> str:
        """As `StoreEngine.history_of`: a file has one history, and a restored one is opened anew."""
        return ""

    def search_primaries(self, url: URL) -> None:
        """As `StoreEngine.search_primaries`."""

    def break_former_connections(self, engine: Engine) -> int:
        """As `StoreEngine.break_former_connections`: nothing waits for another machine."""
        return 0

    def loss_warnings(self, connection: Connection) -> list[str]:
        """As `StoreEngine.loss_warnings`: a commit is on the disk."""
        return []

    def is_unreachable(self, error: BaseException | None) -> bool:
        """As `StoreEngine.is_unreachable`: a file is not reached by a connection."""
        return False

    def take_commit_warning(self, connection: Connection) -> str:
        """As `StoreEngine.take_commit_warning`."""
        return ""

    def standby_readers(self, url: URL) -> None:
        """As `StoreEngine.standby_readers`: a file has no copy."""
        return None

    def migration_transaction(self, writing: Engine) -> AbstractContextManager[Connection]:
        """As `StoreEngine.migration_transaction`."""
        return writing.begin()

    def prepare_migrations(self, url: URL, begin: Callable[[str], None]) -> None:
        """As `StoreEngine.prepare_migrations`: nobody else uses the file."""

    def create_partitions(self, connection: Connection, now_ms: int) -> list[str]:
        """As `StoreEngine.create_partitions`: tables are not divided."""
        return []

    def create_partitions_at(self, connection: Connection, table: str, times: Iterable[int]) -> None:
        """As `StoreEngine.create_partitions_at`."""

    def list_partitions(self, connection: Connection, table: str) -> list[Interval]:
        """As `StoreEngine.list_partitions`."""
        return []

    def detach_partition(self, connection: Connection, table: str, period: Interval) -> bool:
        """As `StoreEngine.detach_partition`."""
        return False

    def drop_detached(self, url: URL) -> None:
        """As `StoreEngine.drop_detached`."""

    def insert(self, table: Any) -> Any:
        """As `StoreEngine.insert`."""
        return sqlite.insert(table)

    def is_damage(self, error: BaseException | None) -> bool:
        """As `StoreEngine.is_damage`."""
        return isinstance(error, dbapi.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE_CODES

    def refresh_statistics(self, url: URL) -> None:
        """As `StoreEngine.refresh_statistics`: the indexes are chosen without statistics."""

    def mark_in(self, url: URL) -> None:
        """As `StoreEngine.mark_in`: the mark is beside the file."""
        return None

    def find_damage(self, url: URL) -> list[Damage]:
        """As `StoreEngine.find_damage`. Checks the tables one by one only if there is damage."""
        try:
            with closing(connect_to_file(self.file_of(url))) as connection:
                whole = _check(connection, "")
                if not whole:
                    return []
                names = [
                    str(name)
                    for (name,) in connection.execute(
                        "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
                    )
                ]
                found = [Damage(name, what) for name in names for what in _check(connection, name)]
                return found or [Damage("", what) for what in whole]
        except dbapi.Error as error:
            return [Damage("", str(error))] if self.is_damage(error) else []

    def copy_file(self, url: URL, target: Path, progress: Progress) -> bool:
        """As `StoreEngine.copy_file`. The copy has page checksums, even if the store has none."""
        with closing(connect_to_file(self.file_of(url))) as connection:
            ((total,),) = connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")

            def report() -> bool:
                with suppress(OSError):
                    progress("copying", written_share(target, total), total)
                return False  # true would interrupt it

            connection.set_progress_handler(report, _STEPS_PER_REPORT)
            vacuum_into(connection, target, report)
        return True

    def is_in_use(self, url: URL) -> bool:
        """As `StoreEngine.is_in_use`: only the last connection can leave the mode with a write-ahead log."""
        try:
            with closing(connect_to_file(self.file_of(url))) as connection:
                connection.execute("PRAGMA busy_timeout=0")
                connection.execute("PRAGMA journal_mode=DELETE").fetchall()
        except dbapi.Error as error:
            return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY_CODES
        return False


def _check(connection: Any, table: str) -> list[str]:
    argument = f"""('{table.replace("'", "''")}')""" if table else ""
    try:
        found = [str(text) for (text,) in connection.execute(f"PRAGMA integrity_check{argument}")]
    except dbapi.Error as error:
        if not SqliteEngine().is_damage(error):
            raise
        return [f"a page cannot be read ({error})"]
    return [] if found == ["ok"] else found


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite store in that file."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def connect_to_file(path: Path, *, ignores_checksums: bool = False) -> dbapi.ApswConnection:
    """Return a connection to an existing file, with its page checksums. Never creates a file.

    A connection that ignores them must only read.
    """
    enable_page_checksums()
    name = f"file:{quote(str(path.absolute()))}?mode=rw{f'&vfs={PLAIN_VFS}' if ignores_checksums else ''}"
    connection = dbapi.connect(name, apsw.SQLITE_OPEN_READWRITE)
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    return connection


def _connect_unchanging(path: Path) -> dbapi.ApswConnection:
    """Return a connection that creates, writes and removes no file.

    Without the index of a write-ahead log no process has the store open. A log that a crash left then is not read.
    """
    enable_page_checksums()
    is_open = path.with_name(path.name + "-shm").exists()
    how = "mode=ro&readonly_shm=1" if is_open else "mode=ro&immutable=1"
    return dbapi.connect(f"file:{quote(str(path.absolute()))}?{how}", apsw.SQLITE_OPEN_READONLY)


def create_empty_file(path: Path) -> None:
    """Create an empty database that only its owner can read, unless another process does so first.

    Raises `OSError` or `dbapi.Error`; then there is no file.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        fresh.touch(OWNER_ONLY)  # SQLite keeps the mode of an empty file
        create_checked_file(fresh)
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def _engine(
    path: Path, begin: str, connections: int, *, writes: bool, connect: Callable[[], Any] | None = None
) -> Engine:
    engine = create_engine(
        "sqlite://",
        module=dbapi,
        creator=connect or (lambda: connect_to_file(path)),
        hide_parameters=True,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=60,
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        for pragma in (
            "journal_mode=WAL" if writes else "query_only=ON",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "cache_size=-65536" if writes else "cache_size=-16384",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def open_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
