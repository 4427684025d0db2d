"""apsw as a driver of SQLAlchemy: the part of the DB-API (PEP 249) that its dialect of SQLite uses.

apsw's wheels contain a current SQLite on every platform (docs/decisions/0025-sqlite-from-apsw.md). It differs from the
DB-API in what this module adapts: the names of its exceptions, the columns of a result without rows, the number of
changed rows, and commit and rollback. A connection never opens a transaction by itself: `BEGIN` does.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NoReturn, Self

import apsw

apilevel = "2.0"
threadsafety = 1
"""Threads may share the module, and use a connection one after another."""
paramstyle = "qmark"
sqlite_version = apsw.sqlite_lib_version()
_major, _minor, _patch = map(int, sqlite_version.split("."))
sqlite_version_info = (_major, _minor, _patch)

Binary = memoryview

_CACHED_STATEMENTS = 128


class Error(Exception):
    """Base of the driver's exceptions. `sqlite_errorcode` is SQLite's extended result code; 0 without one."""

    sqlite_errorcode = 0


class Warning(Exception):  # noqa: N818 - the DB-API's name
    """Never raised."""


class InterfaceError(Error):
    """The interface was used in a wrong way."""


class DatabaseError(Error):
    """The database, such as a damaged file."""


class DataError(DatabaseError):
    """A value is too large."""


class OperationalError(DatabaseError):
    """The operation failed, such as for a disk or a lock."""


class IntegrityError(DatabaseError):
    """A constraint was violated."""


class InternalError(DatabaseError):
    """SQLite itself failed."""


class ProgrammingError(DatabaseError):
    """The statement or the state of the connection does not allow the call."""


class NotSupportedError(DatabaseError):
    """Never raised."""


_BY_CODE: dict[int, type[Error]] = {
    apsw.SQLITE_INTERNAL: InternalError,
    apsw.SQLITE_NOTFOUND: InternalError,
    **dict.fromkeys(
        (
            apsw.SQLITE_ERROR,
            apsw.SQLITE_PERM,
            apsw.SQLITE_ABORT,
            apsw.SQLITE_BUSY,
            apsw.SQLITE_LOCKED,
            apsw.SQLITE_READONLY,
            apsw.SQLITE_INTERRUPT,
            apsw.SQLITE_IOERR,
            apsw.SQLITE_FULL,
            apsw.SQLITE_CANTOPEN,
            apsw.SQLITE_PROTOCOL,
            apsw.SQLITE_SCHEMA,
        ),
        OperationalError,
    ),
    apsw.SQLITE_TOOBIG: DataError,
    apsw.SQLITE_CONSTRAINT: IntegrityError,
    apsw.SQLITE_MISMATCH: IntegrityError,
    apsw.SQLITE_MISUSE: InterfaceError,
    apsw.SQLITE_RANGE: InterfaceError,
}
"""The exception of each result code, as Python's `sqlite3` raises them. Others are `DatabaseError`."""

_MISUSES = (apsw.BindingsError, apsw.ThreadingViolationError, apsw.IncompleteExecutionError)
_CLOSED = (apsw.ConnectionClosedError, apsw.CursorClosedError)


def _raise(error: Exception) -> NoReturn:
    """Raise apsw's exception as one of this module."""
    if isinstance(error, _CLOSED):
        raise ProgrammingError("Cannot operate on a closed database.") from error
    if isinstance(error, _MISUSES):
        raise ProgrammingError(str(error)) from error
    if isinstance(error, UnicodeDecodeError):
        raise OperationalError(f"a text is not UTF-8: {error}") from error
    if isinstance(error, TypeError):
        raise InterfaceError(str(error)) from error
    raised = _BY_CODE.get(getattr(error, "result", 0), DatabaseError)(str(error))
    raised.sqlite_errorcode = getattr(error, "extendedresult", 0)
    raise raised from error


_FAILURES = (apsw.Error, UnicodeDecodeError)
_FAILURES_OF_STATEMENTS = (*_FAILURES, TypeError)
"""`TypeError` is raised for a value of a type that SQLite does not store."""


def _remember_columns(cursor: apsw.Cursor, sql: str, bindings: object) -> bool:
    """Keep what apsw knows only until the statement ends. Returning true runs the statement."""
    assert isinstance(cursor, Cursor)
    columns = cursor.get_description()
    cursor.description = tuple((name, kind, None, None, None, None, None) for name, kind in columns) or None
    cursor.writes = not cursor.is_readonly
    return True


class Cursor(apsw.Cursor):
    """A cursor of the DB-API. Its rows are tuples."""

    arraysize = 1
    description: tuple[tuple[Any, ...], ...] | None = None  # type: ignore[assignment]
    """The columns of the result, also without rows; `None` for a statement that has none."""
    rowcount = -1
    """Rows that the statement changed; -1 for one that only reads."""
    lastrowid: int | None = None
    writes = False

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Self:  # type: ignore[override]
        """Run a statement, up to its first row. Raises `Error`."""
        self.exec_trace = _remember_columns
        try:
            super().execute(statement, parameters)
            self.rowcount = self.connection.changes() if self.writes else -1
            self.lastrowid = self.connection.last_insert_rowid() if self.writes else None
        except _FAILURES_OF_STATEMENTS as error:
            _raise(error)
        return self

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]]) -> Self:  # type: ignore[override]
        """Run a statement with each of the parameters. `rowcount` includes the changes of triggers. Raises `Error`."""
        self.exec_trace = None  # it would run for each of the parameters
        self.description = None
        try:
            before = self.connection.total_changes()
            super().executemany(statement, parameters)
            self.rowcount = self.connection.total_changes() - before
        except _FAILURES_OF_STATEMENTS as error:
            _raise(error)
        return self

    def fetchone(self) -> Any:
        """Return the next row; `None` after the last. Raises `Error`."""
        try:
            return super().fetchone()
        except _FAILURES as error:
            _raise(error)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next rows. Raises `Error`."""
        return list(islice(self, self.arraysize if size is None else size))

    def fetchall(self) -> list[Any]:
        """Return all rows that are left. Raises `Error`."""
        try:
            return super().fetchall()
        except _FAILURES as error:
            _raise(error)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the rows that are left. Raises `Error`."""
        next_row = super().__next__
        try:
            yield from iter(next_row, None)
        except _FAILURES as error:
            _raise(error)

    def close(self, force: bool = True) -> None:
        """Forget the rest of the result."""
        super().close(force)


class ApswConnection(apsw.Connection):
    """A connection of the DB-API without transactions of its own."""

    isolation_level = None
    """Only for SQLAlchemy: nothing depends on it."""

    def __init__(self, filename: str, flags: int) -> None:
        try:
            super().__init__(filename, flags, statementcachesize=_CACHED_STATEMENTS)
        except apsw.Error as error:
            _raise(error)
        self.cursor_factory = Cursor

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Cursor:  # type: ignore[override]
        """Run a statement on a new cursor, which does not know the result's columns. Raises `Error`.

        `rowcount` is only meaningful for a statement that writes.
        """
        cursor = Cursor(self)
        try:
            apsw.Cursor.execute(cursor, statement, parameters)
            cursor.rowcount = self.changes()
        except _FAILURES_OF_STATEMENTS as error:
            _raise(error)
        return cursor

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]]) -> Cursor:  # type: ignore[override]
        """Run a statement with each of the parameters, on a new cursor. Raises `Error`."""
        return Cursor(self).executemany(statement, parameters)

    def cursor(self) -> Cursor:
        """Return a new cursor."""
        return Cursor(self)

    def commit(self) -> None:
        """End the transaction, if there is one. Raises `Error`."""
        if self.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction, if there is one. Raises `Error`."""
        if self.in_transaction:
            self.execute("ROLLBACK")

    def create_function(
        self, name: str, arguments: int, function: Callable[..., Any], *, deterministic: bool = False
    ) -> None:
        """Make a Python function available to statements."""
        self.create_scalar_function(name, function, arguments, deterministic=deterministic)


def connect(filename: str, flags: int = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE) -> ApswConnection:
    """Return a connection. A name that starts with `file:` is a URI. Raises `Error`."""
    return ApswConnection(filename, flags | apsw.SQLITE_OPEN_URI)
