"""Opens the store: migrates its tables and provides connections, one that writes and several that read.

A write has locks over all processes of a store: what it reads of the servers and streams that it locks stays unchanged
until its commit, and changes are numbered in the order of commits. Each engine ensures this by its own locks.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy import Connection, Engine, Transaction, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from streamusage.service.errors import StoreError, UnconfirmedCommitError, UnreachableStoreError
from streamusage.service.store.change_feed import (
    begin_life,
    continue_feed,
    knows_life,
    last_change,
    newest_history,
)
from streamusage.service.store.engines import display_url, resolve
from streamusage.service.store.engines.locks import LOCKS, WHOLE_STORE, LockSet, NeedsWholeStoreError, locks_of
from streamusage.service.store.engines.protocol import Damage, Progress, StoreEngine
from streamusage.service.store.engines.reachability import Reachability
from streamusage.service.store.health import StoreHealth
from streamusage.service.store.migrations.running import (
    MigrationProgress,
    Reporter,
    migrate,
    newest_schema_version,
    read_schema_version,
)
from streamusage.service.store.store_file import StoreFile

log = logging.getLogger(__name__)

HANGING_SECONDS = 10.0
"""How long a read or a write is under way before another server is searched for, and how often that is repeated."""
SEARCH_SECONDS = 30.0
"""How often it is searched for otherwise: a former primary that is cut off from the other servers works as before."""

log_jobs = logging.getLogger("streamusage.service.jobs")


class Store:
    """An open store. `writing` is for the writer alone; `reading` gives a snapshot to any thread."""

    def __init__(self, engine: StoreEngine, url: URL, now_ms: int | None, report: Reporter = log_jobs.info) -> None:
        """Migrate the store and begin a life in it; with `now_ms=None` change nothing. `report` receives lines about
        migrations.
        """
        self.display_url = display_url(url)
        path = engine.file_of(url)
        self.file = file = None if path is None else StoreFile(path)
        self.mark = engine.mark_in(url) if file is None else file
        """The mark of damage; `None` where the engine has none."""
        self.health = StoreHealth(
            self.display_url,
            None if now_ms is None else file,
            engine.is_damage,
            self.find_damage,
            mark=self.mark if file is None and now_ms is not None else None,
        )
        self.reachability = Reachability(self.display_url, engine.is_unreachable)
        self._engine, self._url = engine, url
        self._history: str | None = None
        """The history of the database in which the newest life began, by the last commit of this process."""
        self._next_history: str | None = None
        """That of the write under way."""
        self.loss_warnings: list[str] = []
        """In which ways the database may lose what it has committed."""
        self._writer: Engine = engine.writer(url)
        self._readers: Engine = engine.readers(url)
        self._standby_readers = engine.standby_readers(url)
        self._waiting_since: dict[object, float] = {}
        """Since when each read or write is under way."""
        self._search_lock = threading.Lock()
        self._searched_at = time.monotonic()
        """When the last search for a server that has taken over began."""
        self._left_at = 0.0
        """When the last former primary was left."""
        self._seen_lock = threading.Lock()
        self._seen_change = 0
        """The newest change that was read or written through this process, while there are standby readers."""
        try:
            if now_ms is not None:
                progress = MigrationProgress(report)
                with progress.beating():
                    progress.wait("waiting for other processes that open or migrate the store")
                    engine.prepare_migrations(url, progress.begin)
                    with engine.migration_transaction(self._writer) as connection:
                        migrate(connection, progress)
                # Reports need a new connection: on SQLite, one that changed tables takes 1.5 times as long for each.
                self._writer.dispose()
                with engine.migration_transaction(self._writer) as connection:
                    engine.create_partitions(connection, now_ms)
                    self._next_history = engine.history_of(connection)
                    begin_life(connection, now_ms, self._next_history)
                    self.loss_warnings = engine.loss_warnings(connection)
                self._history = self._next_history
                event.listen(self._writer, "begin", self._begin_write)
        except (DBAPIError, CommandError, OSError) as error:
            self.close()
            if isinstance(error, DBAPIError) and engine.is_damage(error.orig):
                raise StoreError(_damage_error(self.display_url, error)) from None
            raise StoreError(_open_error(self.display_url, error)) from None
        if file is not None and now_ms is not None:
            file.remember()

    @contextmanager
    def reading(self, *, seen_change: int | None = None) -> Iterator[Connection]:
        """A connection whose reads all see one state of the store. It cannot write.

        With `seen_change` the state may be that of a standby, where the store's URL wants one. It is no older than the
        change that the reader has seen, nor than what was read or written through this process. Raises
        `UnusableStoreError`.
        """
        self.health.check_read()
        try:
            with self._waiting(), ExitStack() as opened:
                connection = None if seen_change is None else self._read_standby(opened, seen_change)
                if connection is None:
                    connection = opened.enter_context(self._readers.begin())
                    self.reachability.note_success("read")
                    self._note_seen(connection)
                yield connection
        except DBAPIError as error:
            damage = self.health.note(error)
            if damage is not None:
                raise damage from error
            raise

    @contextmanager
    def writing(self, locks: LockSet = WHOLE_STORE) -> Iterator[Connection]:
        """The connection that writes. An open transaction on it has these locks.

        Raises `UnusableStoreError`. To begin the transaction raises `NeedsWholeStoreError` if the locks do not suffice.
        """
        self.health.check_write()
        with self._waiting(), self._writer.connect() as connection:
            yield connection.execution_options(**{LOCKS: locks})

    def is_conflict(self, error: BaseException) -> bool:
        """Return whether a write failed because of another one, and may succeed when it is run again."""
        return isinstance(error, DBAPIError) and self._engine.is_conflict(error.orig)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Note that a thread may wait for the database."""
        waiter = object()
        self._waiting_since[waiter] = time.monotonic()
        try:
            yield
        finally:
            del self._waiting_since[waiter]

    def watch(self) -> None:
        """Look for faults of the store, and for a failover behind a server that hangs. Call it about once a second."""
        self.health.watch()
        now = time.monotonic()
        oldest = min(self._waiting_since.copy().values(), default=now)
        is_hanging = now - max(oldest, self._searched_at) >= HANGING_SECONDS
        if is_hanging or now - self._searched_at >= SEARCH_SECONDS:
            self._leave_former_primary()

    def check_life(self, connection: Connection, life: str) -> None:
        """Raise `UnreachableStoreError` if a reader has seen a life that began at a server which has taken over."""
        if not knows_life(connection, life) and self._leave_former_primary():
            connection.invalidate()
            raise UnreachableStoreError("the store is not reached: another server has taken over; retry")

    def _leave_former_primary(self) -> bool:
        """Leave the server that is used if another one has taken over from it. Return whether one has."""
        asked_at = time.monotonic()
        with self._search_lock:
            if self._searched_at <= asked_at:
                self._searched_at = time.monotonic()
                self._engine.search_primaries(self._url)
                if self._break_former_connections():
                    self._left_at = time.monotonic()
            return self._left_at >= asked_at

    def _break_former_connections(self) -> bool:
        engines = [engine for engine in (self._writer, self._readers, self._standby_readers) if engine is not None]
        broken = sum(map(self._engine.break_former_connections, engines))
        if broken:
            log.warning(
                "the store %s: another server has taken over from the one in use, which is left", self.display_url
            )
        return broken > 0

    @property
    def has_standbys(self) -> bool:
        """Whether reads for clients may be answered by a standby."""
        return self._standby_readers is not None

    def _read_standby(self, opened: ExitStack, seen_change: int) -> Connection | None:
        """Return a connection to a standby that has every change seen by now; `None` if none is reached."""
        if self._standby_readers is None:
            return None
        try:
            with ExitStack() as trial:
                connection = trial.enter_context(self._standby_readers.begin())
                is_behind = (last_change(connection) or 0) < max(seen_change, self._seen_change)
                if is_behind or newest_history(connection) != self._history:  # perhaps of the former primary
                    return None
                self._note_seen(connection)
                opened.push(trial.pop_all())
                return connection
        except DBAPIError:
            return None

    def _note_seen(self, connection: Connection) -> None:
        if self._standby_readers is not None:
            self._raise_seen_change(last_change(connection) or 0)

    def _raise_seen_change(self, change: int) -> None:
        with self._seen_lock:
            self._seen_change = max(self._seen_change, change)

    def commit(self, connection: Connection, transaction: Transaction) -> None:
        """Commit a write. Raises `UnconfirmedCommitError` if it may not survive a failover."""
        change = 0 if self._standby_readers is None else last_change(connection) or 0
        transaction.commit()
        self._history = self._next_history
        self._raise_seen_change(change)
        if warning := self._engine.take_commit_warning(connection):
            log.warning("a commit of the store %s was not confirmed: %s", self.display_url, warning)
            raise UnconfirmedCommitError(
                f"the store has committed, but no standby confirmed it ({warning}); whether the change is kept in a "
                "failover is unknown: check, or retry"
            )

    def _begin_write(self, connection: Connection) -> None:
        """Begin a life of the change feed in the first write after a failover, and take the locks of the write."""
        locks = locks_of(connection)
        history = self._engine.history_of(connection)
        if history != self._history:
            if not locks.is_whole_store:
                raise NeedsWholeStoreError
            self._follow_history(connection, history)
        self._engine.lock(connection, locks)

    def _follow_history(self, connection: Connection, history: str) -> None:
        self._break_former_connections()  # of readers
        self._next_history = history
        with self._seen_lock:
            self._seen_change = 0
        if not continue_feed(connection, history):
            log.warning(
                "the store %s continues another history of its database, as after a failover; agents report what it "
                "lacks, and consoles that have seen lost changes read the whole list again",
                self.display_url,
            )

    def find_damage(self) -> list[Damage] | None:
        """Read the whole store and return the damage found; `None` where the engine has no such check."""
        return self._engine.find_damage(self._url)

    def refresh_statistics(self) -> None:
        """Let the database learn how large its tables have become. Raises `StoreError`."""
        try:
            self._engine.refresh_statistics(self._url)
        except DBAPIError as error:
            raise StoreError(f"the statistics of the store were not refreshed: {error.orig}") from None

    def drop_detached(self) -> None:
        """Free the space of partitions that retention has detached. Raises `StoreError`."""
        try:
            self._engine.drop_detached(self._url)
        except DBAPIError as error:
            raise StoreError(f"the space of expired rows was not freed: {error.orig}") from None

    def copy_file(self, target: Path, progress: Progress) -> bool:
        """Copy one state of the store to a new SQLite file. Return False if it must be copied row by row."""
        return self._engine.copy_file(self._url, target, progress)

    def close(self) -> None:
        """Close all connections."""
        self._readers.dispose()
        if self._standby_readers is not None:
            self._standby_readers.dispose()
        self._writer.dispose()


def open_store(url: str, now_ms: int, report: Reporter = log_jobs.info) -> Store:
    """Open the store at a URL such as `sqlite:////var/lib/streamtop/usage.db`, creating it if needed, or at
    `postgresql://user@host/database`, where the database must exist.

    `report` receives lines about migrations that take long. Raises `StoreError`.
    """
    engine, checked_url = resolve(url)
    _refuse_marked(engine, checked_url)
    engine.create(checked_url)
    return Store(engine, checked_url, now_ms, report)


def open_unchanged(url: str) -> Store:
    """Open a store that exists, whatever its mark, without changing it: to check or to copy it.

    Raises `StoreError`.
    """
    engine, checked_url = resolve(url)
    path = engine.file_of(checked_url)
    if path is not None and not path.is_file():
        raise StoreError(f"there is no store at {path}; give its URL with --store")
    store = Store(engine, checked_url, None)
    try:
        with store.reading() as connection:
            version = read_schema_version(connection)
    except DBAPIError as error:
        store.close()
        raise StoreError(_open_error(store.display_url, error)) from None
    except StoreError:
        store.close()
        raise
    if version != newest_schema_version():
        store.close()
        raise StoreError(
            f"the store {store.display_url} has the tables of version {version or 'no streamtop'}, but this program "
            f"has version {newest_schema_version()}; nothing was changed; use the program that wrote it, or start the "
            "service once, which migrates it"
        )
    return store


@contextmanager
def writing_migrated(url: str) -> Iterator[Connection]:
    """Yield a connection in one transaction, in which the store's tables exist and nothing else happened.

    Raises `StoreError`.
    """
    engine, checked_url = resolve(url)
    engine.create(checked_url)
    writing = engine.writer(checked_url)
    try:
        with engine.migration_transaction(writing) as connection:
            try:
                migrate(connection)
            except CommandError as error:
                raise StoreError(_open_error(display_url(checked_url), error)) from None
            yield connection
    finally:
        writing.dispose()


def is_in_use(url: str) -> bool:
    """Return whether another process has the store open."""
    engine, checked_url = resolve(url)
    return engine.is_in_use(checked_url)


def _refuse_marked(engine: StoreEngine, url: URL) -> None:
    path = engine.file_of(url)
    file = None if path is None else StoreFile(path)
    inside = engine.mark_in(url) if file is None else None
    try:
        mark = file.read_mark() if file is not None else inside.read_mark() if inside is not None else ""
    except DBAPIError as error:
        raise StoreError(_open_error(display_url(url), error)) from None
    if mark:
        anyway = "" if file is None else f"; remove {file.mark_path} to use the store as it is"
        raise StoreError(
            f"the store {display_url(url)} was found damaged ({mark}); it was not opened; "
            "run streamtop store verify, which names what is damaged and removes this mark if nothing is, or restore "
            f"a backup with streamtop store restore{anyway}"
        )


def _open_error(display_url: str, error: Exception) -> str:
    cause = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
    if isinstance(error, CommandError):
        return (
            f"the store {display_url} was written by a newer streamtop ({cause}); it was not changed; run that version"
        )
    return f"cannot open the store {display_url}: {cause}; check that it is a streamtop store and writable"


def _damage_error(display_url: str, error: DBAPIError) -> str:
    return (
        f"the store {display_url} is damaged, or another program wrote to it ({error.orig}); it was not changed; "
        "restore a backup with streamtop store restore, or this file with its option --ignore-checksums"
    )
