"""Statements that run with every report, compiled once: on SQLite they go to the driver's own cursor.

The SQL is always the text that SQLAlchemy compiles, and a failure is the exception that SQLAlchemy would raise.
PostgreSQL, and a connection without an open transaction, run the statements through SQLAlchemy.
"""

from collections import namedtuple
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, cast

from pysqlite3 import dbapi2
from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

_DIALECT = sqlite.dialect(paramstyle="qmark")


class _Place(NamedTuple):
    """Where the value of one `?` comes from: a parameter by its name, or an item of the list parameter."""

    name: str
    item: int = -1
    part: int = -1


class _Plan(NamedTuple):
    """The SQL for one length of the list parameter."""

    sql: str
    places: Sequence[Any]
    """For each `?` a place, or a value that is part of the statement."""


class PreparedStatement:
    """A statement with named parameters; the parameter named `listed` is the list of an IN."""

    def __init__(self, statement: Any, listed: str = "") -> None:
        self._statement = statement
        self._listed = listed
        self._plans: dict[int, _Plan] = {}
        columns = statement.exported_columns
        self._row: Any = cast(Any, namedtuple("Row", columns.keys()))._make if columns else None

    def rows(self, connection: Connection, **values: Any) -> list[Any]:
        """Run the statement and return its rows, with the columns by name."""
        driver = driver_of(connection)
        if driver is None:
            return list(connection.execute(self._statement, values).all())
        return [*map(self._row, self._run(driver, values))]

    def run(self, connection: Connection, **values: Any) -> int:
        """Run the statement and return how many rows it changed."""
        driver = driver_of(connection)
        if driver is None:
            return int(connection.execute(self._statement, values).rowcount)
        return int(self._run(driver, values).rowcount)

    def _run(self, driver: Any, values: Mapping[str, Any]) -> Any:
        listed = values[self._listed] if self._listed else ()
        plan = self._plans.get(len(listed))
        if plan is None:
            plan = self._plans[len(listed)] = self._compiled(values)
        arguments = [
            place if type(place) is not _Place else values[place.name] if place.item < 0 else _item(listed, place)
            for place in plan.places
        ]
        try:
            return driver.execute(plan.sql, arguments)
        except dbapi2.Error as error:
            raise wrap_driver_error(plan.sql, error) from error

    def _compiled(self, values: Mapping[str, Any]) -> _Plan:
        names: dict[str, Any] = {name: _Place(name) for name in values}
        if self._listed:
            names[self._listed] = [
                tuple(_Place(self._listed, item, part) for part in range(len(value)))
                if isinstance(value, tuple)
                else _Place(self._listed, item)
                for item, value in enumerate(values[self._listed])
            ]
        expanded = self._statement.compile(dialect=_DIALECT).construct_expanded_state(names)
        return _Plan(expanded.statement, [expanded.parameters[name] for name in expanded.positiontup or ()])


def driver_of(connection: Connection) -> Any:
    """Return SQLite's own connection while a transaction is open on it, else `None`."""
    if connection.dialect.name != "sqlite" or not connection.in_transaction():
        return None
    return connection.connection.dbapi_connection


class PreparedInsert:
    """An insert of rows with these columns."""

    def __init__(self, statement: Any, columns: Sequence[str], dialect: str) -> None:
        self._statement = statement
        if dialect != "sqlite":
            return
        made = statement.compile(dialect=_DIALECT, column_keys=list(columns))
        assert sorted(made.positiontup) == sorted(columns)
        self._sql = str(made)
        self._values = itemgetter(*made.positiontup)

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert the rows."""
        driver = driver_of(connection)
        if driver is None:
            connection.execute(self._statement, list(rows))
            return
        try:
            driver.executemany(self._sql, [*map(self._values, rows)])
        except dbapi2.Error as error:
            raise wrap_driver_error(self._sql, error) from error


def wrap_driver_error(sql: str, error: Exception) -> BaseException:
    """Return a failure of the driver as SQLAlchemy raises it, without the values."""
    return DBAPIError.instance(sql, None, error, dbapi2.Error, hide_parameters=True, dialect=_DIALECT)


def _item(listed: Sequence[Any], place: _Place) -> Any:
    item = listed[place.item]
    return item if place.part < 0 else item[place.part]
