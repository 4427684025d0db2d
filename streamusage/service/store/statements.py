"""Statements that run with every report, compiled once: they go to the driver's own cursor if the engine permits it.

The SQL is always the text that SQLAlchemy compiles, and a failure is the exception that SQLAlchemy would raise.
Other engines, and a connection without an open transaction, run the statements through SQLAlchemy.
"""

from collections import namedtuple
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Dialect
from sqlalchemy.exc import DBAPIError

from streamusage.service.store.engines import ENGINES
from streamusage.service.store.engines.protocol import DirectDriver


class _Place(NamedTuple):
    """Where the value of one `?` comes from: a parameter by its name, or an item of the list parameter."""

    name: str
    item: int = -1
    part: int = -1


class _Plan(NamedTuple):
    """The SQL of one dialect for one length of the list parameter."""

    sql: str
    places: Sequence[Any]
    """For each `?` a place, or a value that is part of the statement."""


class _Direct(NamedTuple):
    """A driver, and its connection on which a statement runs."""

    driver: DirectDriver
    connection: Any


def _find_direct(connection: Connection) -> _Direct | None:
    driver = ENGINES[connection.dialect.name].direct_driver
    own = None if driver is None else driver.find_connection(connection)
    return None if driver is None or own is None else _Direct(driver, own)


class PreparedStatement:
    """A statement with named parameters; the parameter named `listed` is the list of an IN."""

    def __init__(self, statement: Any, listed: str = "") -> None:
        self._statement = statement
        self._listed = listed
        self._plans: dict[tuple[str, int], _Plan] = {}
        columns = statement.exported_columns
        self._row: Any = cast(Any, namedtuple("Row", columns.keys()))._make if columns else None

    def rows(self, connection: Connection, **values: Any) -> list[Any]:
        """Run the statement and return its rows, with the columns by name."""
        direct = _find_direct(connection)
        if direct is None:
            return list(connection.execute(self._statement, values).all())
        return [*map(self._row, self._run(direct, values))]

    def run(self, connection: Connection, **values: Any) -> int:
        """Run the statement and return how many rows it changed."""
        direct = _find_direct(connection)
        if direct is None:
            return int(connection.execute(self._statement, values).rowcount)
        return int(self._run(direct, values).rowcount)

    def _run(self, direct: _Direct, values: Mapping[str, Any]) -> Any:
        listed = values[self._listed] if self._listed else ()
        form = (direct.driver.dialect.name, len(listed))
        plan = self._plans.get(form)
        if plan is None:
            plan = self._plans[form] = self._compiled(direct.driver.dialect, values)
        arguments = [
            place if type(place) is not _Place else values[place.name] if place.item < 0 else _item(listed, place)
            for place in plan.places
        ]
        try:
            return direct.connection.execute(plan.sql, arguments)
        except direct.driver.error as error:
            raise _wrap_driver_error(direct.driver, plan.sql, error) from error

    def _compiled(self, dialect: Dialect, values: Mapping[str, Any]) -> _Plan:
        names: dict[str, Any] = {name: _Place(name) for name in values}
        if self._listed:
            names[self._listed] = [
                tuple(_Place(self._listed, item, part) for part in range(len(value)))
                if isinstance(value, tuple)
                else _Place(self._listed, item)
                for item, value in enumerate(values[self._listed])
            ]
        expanded = self._statement.compile(dialect=dialect).construct_expanded_state(names)
        return _Plan(expanded.statement, [expanded.parameters[name] for name in expanded.positiontup or ()])


class PreparedInsert:
    """An insert of rows with these columns."""

    def __init__(self, statement: Any, columns: Sequence[str], driver: DirectDriver | None) -> None:
        self._statement = statement
        if driver is None:
            return
        made = statement.compile(dialect=driver.dialect, column_keys=list(columns))
        assert sorted(made.positiontup) == sorted(columns)
        self._sql = str(made)
        self._values = itemgetter(*made.positiontup)

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert the rows."""
        direct = _find_direct(connection)
        if direct is None:
            connection.execute(self._statement, list(rows))
            return
        try:
            direct.connection.executemany(self._sql, [*map(self._values, rows)])
        except direct.driver.error as error:
            raise _wrap_driver_error(direct.driver, self._sql, error) from error


def _wrap_driver_error(driver: DirectDriver, sql: str, error: Exception) -> BaseException:
    """Return a failure of the driver as SQLAlchemy raises it, without the values."""
    return DBAPIError.instance(sql, None, error, driver.error, hide_parameters=True, dialect=driver.dialect)


def _item(listed: Sequence[Any], place: _Place) -> Any:
    item = listed[place.item]
    return item if place.part < 0 else item[place.part]
