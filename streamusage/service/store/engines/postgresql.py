"""PostgreSQL as a store, for any number of processes at once.

Every write holds locks from its start to its commit, see `postgresql_locks`. The server disconnects a process that
hangs in the middle of a write, and rolls the write back.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from streamusage.core.coverage import Interval
from streamusage.extras import describe_unusable
from streamusage.service.errors import MissingDriverError, StoreError
from streamusage.service.store.engines.locks import LockSet, locks_of
from streamusage.service.store.engines.postgresql_locks import (
    is_conflict,
    lock_all,
    lock_change_numbers,
    try_lock_all,
)
from streamusage.service.store.engines.postgresql_partitions import (
    create_partitions,
    create_partitions_at,
    detach_partition,
    drop_detached,
    list_partitions,
)
from streamusage.service.store.engines.protocol import Damage, DamageMark, Progress
from streamusage.service.store.migrations.divided_tables import prepare

READ_CONNECTIONS = 8
APPLICATION_NAME = "streamtop"
CONNECT_SECONDS = 10
HUNG_MS = 10_000
"""How long a process may hold the lock without activity."""
STATEMENT_MS = 120_000
LOCK_MS = 30_000

_MAKING_TABLES = 0x73747265616D746F
"""The advisory lock of migrations: before the first one there is no row to lock."""
_OTHER_CONNECTIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    f"AND application_name = '{APPLICATION_NAME}' AND pid <> pg_backend_pid()"
)
_SESSION = "target_session_attrs"
_WRITABLE = ("read-write", "primary")
"""Kinds of sessions that can write."""
_ON_STANDBY = ("prefer-standby", "standby", "read-only")
"""Kinds of sessions with which clients are answered from a standby."""
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
        except ImportError as error:
            raise MissingDriverError(describe_unusable("a PostgreSQL store", "postgres", error)) from None
        if "password" in url.query:
            raise StoreError("the store's URL must not have a password after the ?; use PGPASSWORD or ~/.pgpass")
        return url.set(drivername="postgresql+psycopg")

    def create(self, url: URL) -> None:
        """As `StoreEngine.create`: the database must exist."""

    def file_of(self, url: URL) -> None:
        """As `StoreEngine.file_of`."""
        return None

    def is_damage(self, error: BaseException | None) -> bool:
        """As `StoreEngine.is_damage`."""
        from streamusage.service.store.engines.postgresql_damage import is_damage  # psycopg is optional

        return is_damage(error)

    def find_damage(self, url: URL) -> list[Damage]:
        """As `StoreEngine.find_damage`. It may take long: no statement has a time limit."""
        from streamusage.service.store.engines.postgresql_damage import find_damage

        settings = {"statement_timeout": 0}
        engine = _engine(_choose_session(url, writes=False), 1, "READ COMMITTED", settings, is_read_only=True)
        try:
            return find_damage(engine)
        finally:
            engine.dispose()

    def refresh_statistics(self, url: URL) -> None:
        """As `StoreEngine.refresh_statistics`. The database does so itself, but only a minute later."""
        engine = _engine(_choose_session(url, writes=True), 1, "AUTOCOMMIT", {})
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("ANALYZE")
        finally:
            engine.dispose()

    def mark_in(self, url: URL) -> DamageMark:
        """As `StoreEngine.mark_in`."""
        from streamusage.service.store.engines.postgresql_damage import DatabaseMark

        return DatabaseMark(lambda: _engine(_choose_session(url, writes=True), 1, "READ COMMITTED", {}))

    def copy_file(self, url: URL, target: Path, progress: Progress) -> bool:
        """As `StoreEngine.copy_file`."""
        return False

    def is_in_use(self, url: URL) -> bool:
        """As `StoreEngine.is_in_use`: by the name that every process of streamtop gives its connections."""
        engine = _engine(_choose_session(url, writes=True), 1, "READ COMMITTED", {})
        try:
            with engine.connect() as connection:
                return bool(connection.exec_driver_sql(_OTHER_CONNECTIONS).scalar())
        finally:
            engine.dispose()

    def writer(self, url: URL) -> Engine:
        """As `StoreEngine.writer`."""
        from streamusage.service.store.engines.postgresql_failover import (
            begin_write,
            keep_sessions,
            observe_failovers,
        )

        engine = _engine(_choose_session(url, writes=True), 1, "READ COMMITTED", {"lock_timeout": LOCK_MS})
        observe_failovers(engine)
        keep_sessions(engine)

        @event.listens_for(engine, "begin")
        def lock(connection: Connection) -> None:
            if not connection.get_execution_options().get(_MAKES):
                begin_write(connection, is_whole_store=locks_of(connection).is_whole_store)

        return engine

    def lock(self, connection: Connection, locks: LockSet) -> None:
        """As `StoreEngine.lock`."""
        lock_all(connection, locks)

    def try_lock(self, connection: Connection, more: LockSet) -> bool:
        """As `StoreEngine.try_lock`."""
        return try_lock_all(connection, more)

    def lock_change_numbers(self, connection: Connection) -> None:
        """As `StoreEngine.lock_change_numbers`."""
        lock_change_numbers(connection)

    def is_conflict(self, error: BaseException | None) -> bool:
        """As `StoreEngine.is_conflict`."""
        return is_conflict(error)

    def history_of(self, connection: Connection) -> str:
        """As `StoreEngine.history_of`."""
        from streamusage.service.store.engines.postgresql_failover import history_of

        return history_of(connection)

    def search_primaries(self, url: URL) -> None:
        """As `StoreEngine.search_primaries`: each new connection notes the history that it reaches."""
        for server in _single_servers(url):
            engine = _engine(server, 1, "READ COMMITTED", {})
            try:
                with suppress(DBAPIError), engine.connect():  # a standby, or not reached
                    pass
            finally:
                engine.dispose()

    def break_former_connections(self, engine: Engine) -> int:
        """As `StoreEngine.break_former_connections`."""
        from streamusage.service.store.engines.postgresql_failover import break_former_sessions

        return break_former_sessions(engine)

    def loss_warnings(self, connection: Connection) -> list[str]:
        """As `StoreEngine.loss_warnings`."""
        from streamusage.service.store.engines.postgresql_failover import loss_warnings

        return loss_warnings(connection)

    def is_unreachable(self, error: BaseException | None) -> bool:
        """As `StoreEngine.is_unreachable`."""
        from streamusage.service.store.engines.postgresql_failover import is_unreachable

        return is_unreachable(error)

    def take_commit_warning(self, connection: Connection) -> str:
        """As `StoreEngine.take_commit_warning`."""
        from streamusage.service.store.engines.postgresql_failover import take_commit_warning

        return take_commit_warning(connection)

    def readers(self, url: URL) -> Engine:
        """As `StoreEngine.readers`."""
        return _reading_engine(_choose_session(url, writes=_may_be_standby(url)))

    def unchanging_reader(self, url: URL) -> Engine:
        """As `StoreEngine.unchanging_reader`."""
        from streamusage.service.store.engines.postgresql_failover import observe_failovers

        engine = _reading_engine(_choose_session(url, writes=True))
        observe_failovers(engine)
        return engine

    def standby_readers(self, url: URL) -> Engine | None:
        """As `StoreEngine.standby_readers`: for a URL that prefers or requires a standby."""
        return _reading_engine(url) if _may_be_standby(url) else None

    @contextmanager
    def migration_transaction(self, writing: Engine) -> Iterator[Connection]:
        """As `StoreEngine.migration_transaction`."""
        from streamusage.service.store.engines.postgresql_failover import begin_write

        with writing.connect().execution_options(**{_MAKES: True}) as connection, connection.begin():
            # Migrations of large tables take as long as they take, and other processes that start wait for them.
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MAKING_TABLES})
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_MS}")
            if connection.execute(text("SELECT to_regclass('counters')")).scalar() is not None:
                begin_write(connection, is_whole_store=True)
            yield connection

    def prepare_migrations(self, url: URL, begin: Callable[[str], None]) -> None:
        """As `StoreEngine.prepare_migrations`."""
        with _maintaining(url) as connection:
            prepare(connection, begin)

    def create_partitions(self, connection: Connection, now_ms: int) -> list[str]:
        """As `StoreEngine.create_partitions`."""
        return create_partitions(connection, now_ms)

    def create_partitions_at(self, connection: Connection, table: str, times: Iterable[int]) -> None:
        """As `StoreEngine.create_partitions_at`."""
        create_partitions_at(connection, table, times)

    def list_partitions(self, connection: Connection, table: str) -> list[Interval]:
        """As `StoreEngine.list_partitions`."""
        return list_partitions(connection, table)

    def detach_partition(self, connection: Connection, table: str, period: Interval) -> bool:
        """As `StoreEngine.detach_partition`."""
        return detach_partition(connection, table, period)

    def drop_detached(self, url: URL) -> None:
        """As `StoreEngine.drop_detached`."""
        with _maintaining(url) as connection:
            drop_detached(connection)

    def insert(self, table: Any) -> Any:
        """As `StoreEngine.insert`."""
        return postgresql.insert(table)


@contextmanager
def _maintaining(url: URL) -> Iterator[Connection]:
    """Yield a connection of its own that commits each statement, however long it takes."""
    engine = _engine(_choose_session(url, writes=True), 1, "AUTOCOMMIT", {"statement_timeout": 0})
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _single_servers(url: URL) -> list[URL]:
    """Return the URL of each server on which writes may be possible."""
    writing = _choose_session(url, writes=True)
    hosts = url.query.get("host", ())
    listed = (hosts,) if isinstance(hosts, str) else hosts
    return [writing.update_query_dict({"host": host}) for host in listed] or [writing]


def _may_be_standby(url: URL) -> bool:
    return url.query.get(_SESSION, "any") in _ON_STANDBY


def _reading_engine(url: URL) -> Engine:
    # Read-only by transaction: libpq takes a session that is read-only by default for one of a standby.
    from streamusage.service.store.engines.postgresql_failover import keep_sessions

    engine = _engine(url, READ_CONNECTIONS, "REPEATABLE READ", {}, is_read_only=True)
    keep_sessions(engine)
    return engine


def _choose_session(url: URL, *, writes: bool) -> URL:
    """Return the URL with the kind of session that is needed: one that can write, where the first host that answers may
    be a standby. Readers have the kind that the URL names.
    """
    wanted = url.query.get(_SESSION, "any")
    has_several = not url.host or "," in url.host
    replaced = wanted not in _WRITABLE if writes else wanted == "any" and has_several
    return url.update_query_dict({_SESSION: "read-write"}) if replaced else url


def _engine(
    url: URL, connections: int, isolation: str, settings: dict[str, Any], *, is_read_only: bool = False
) -> Engine:
    settings = {
        "statement_timeout": STATEMENT_MS,
        "idle_in_transaction_session_timeout": HUNG_MS,
        "timezone": "UTC",
        "client_encoding": "UTF8",
    } | settings
    connect_args = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": APPLICATION_NAME,
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    }
    from streamusage.service.store.engines.postgresql_history import refuse_former_primaries

    engine = create_engine(
        url,
        isolation_level=isolation,
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=60,
        pool_pre_ping=True,
        execution_options={"postgresql_readonly": True} if is_read_only else {},
        connect_args=connect_args,
    )
    refuse_former_primaries(engine)
    # A list of pairs becomes a table of values, which is joined by the index: as a chain of ORs, hundreds of pairs
    # are compared with every row.
    engine.dialect.tuple_in_values = True
    return engine
