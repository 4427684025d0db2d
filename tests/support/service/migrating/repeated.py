"""Creates the tables of empty stores by the SQL of this process's first migration of one, without Alembic's work.

The migrations of an empty store take four times as long as all else that opening it does, and thousands of tests open
one. Stores with tables, and services in processes of their own, are migrated as ever.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event, inspect

from streamusage.service.store import store
from streamusage.service.store.migrations.running import MigrationProgress, migrate

READS = ("SELECT", "PRAGMA main.table_info", "PRAGMA temp.table_info")
"""How statements begin that only read: Alembic's."""


class RepeatedMigrations:
    """Migrates as `migrate` does, and keeps the SQL that created the tables of each engine."""

    def __init__(self) -> None:
        self._statements: dict[str, list[str]] = {}

    def migrate(self, connection: Connection, progress: MigrationProgress | None = None) -> None:
        engine = connection.dialect.name
        if inspect(connection).get_table_names():
            migrate(connection, progress)
        elif engine not in self._statements:
            with _recorded(connection) as statements:
                migrate(connection, progress)
            self._statements[engine] = statements
        else:
            if progress is not None:
                progress.wait("")
            _run(connection, self._statements[engine])


def _run(connection: Connection, statements: list[str]) -> None:
    if connection.dialect.name == "postgresql":  # in one request
        script = ";\n".join(statement.replace("%%", "%") for statement in statements)
        connection.connection.cursor().execute(script)
    else:
        for statement in statements:
            connection.exec_driver_sql(statement)


@contextmanager
def _recorded(connection: Connection) -> Iterator[list[str]]:
    """Yield the list of the changing statements that run in the block. None of them has values."""
    statements: list[str] = []

    def record(_connection: Any, _cursor: Any, statement: str, values: Any, *_others: Any) -> None:
        if not statement.lstrip().startswith(READS):
            assert not values, f"the values of {statement} would be missing"
            statements.append(
                statement.replace("%%", "%") if connection.dialect.paramstyle == "pyformat" else statement
            )

    event.listen(connection, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(connection, "before_cursor_execute", record)


@contextmanager
def repeating_migrations() -> Iterator[None]:
    """Let all stores that are opened in the block be created so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "migrate", RepeatedMigrations().migrate)
        yield
