"""A database that returns to its start state within milliseconds, and its content as comparable text."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg

from streamusage.service.store.schema import DIVIDED_BY, metadata
from tests.support.service.deadlocks import quick_deadlocks

Content = Mapping[str, tuple[str, ...]]
"""The rows of each table as JSON, sorted, without columns of random content."""

RANDOM_COLUMNS = {"lives": ("life",), "audit": ("id",), "unchecked_hours": ("mark",)}

_TABLES = [table.name for table in metadata.sorted_tables]
_RESTORES_A_VACUUM = 100
_PARTITIONS = b"""
    SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid
    WHERE inhparent = %s::regclass AND relname NOT LIKE '%%default'
"""


def _select_rows(table: str) -> str:
    ignored = ", ".join(f"'{column}'" for column in RANDOM_COLUMNS.get(table, ()))
    return f"SELECT '{table}', (to_jsonb(stored) - ARRAY[{ignored}]::text[])::text FROM {table} stored"


_ALL_ROWS = " UNION ALL ".join(map(_select_rows, _TABLES)).encode()


class Copies:
    """The tables of a store, and a copy of each as it was at the start."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self.connection = connection
        self._restores = 0
        self.start: Content = {}

    def keep(self) -> None:
        """Make the present content the start state. All rows are in the default partitions: a run that drops one of a
        time could not be undone.
        """
        for table in DIVIDED_BY:
            for (partition,) in self.connection.execute(_PARTITIONS, (table,)).fetchall():
                name = f'"{partition}"'
                self._run(
                    [
                        f"ALTER TABLE {table} DETACH PARTITION {name}",
                        f"INSERT INTO {table} TABLE {name}",
                        f"DROP TABLE {name}",
                    ]
                )
        statements = ["CREATE SCHEMA start"]
        for table in _TABLES:
            statements.append(f"CREATE TABLE start.{table} AS TABLE public.{table}")
            if table not in DIVIDED_BY:
                statements.append(f"ALTER TABLE public.{table} SET (autovacuum_enabled = false)")
        self._run(statements)
        self._run(["ANALYZE"])
        self.start = self.read()

    def read(self) -> Content:
        """Return the present content."""
        rows: dict[str, list[str]] = {table: [] for table in _TABLES}
        for table, row in self.connection.execute(_ALL_ROWS):
            rows[table].append(row)
        return {table: tuple(sorted(found)) for table, found in rows.items()}

    def restore(self, changed: Content) -> None:
        """Return to the start state from a content."""
        tables = [table for table in _TABLES if changed[table] != self.start[table] or table in RANDOM_COLUMNS]
        self._run([f"DELETE FROM public.{table}; INSERT INTO public.{table} TABLE start.{table}" for table in tables])
        self._restores += 1
        if self._restores % _RESTORES_A_VACUUM == 0:
            for table in _TABLES:
                self._run([f"VACUUM public.{table}"])

    def _run(self, statements: list[str]) -> None:
        self.connection.execute("; ".join(statements).encode())


@contextmanager
def copies_in(url: str) -> Iterator[Copies]:
    """Yield the copies in an empty database."""
    with quick_deadlocks(url, 20) as connection:
        try:
            yield Copies(connection)
        finally:
            connection.execute("DROP SCHEMA IF EXISTS start CASCADE")


def find_differences(found: Content, expected: Content) -> list[str]:
    """Return the rows of which a content has more or fewer than expected."""
    differences = []
    for table in _TABLES:
        more, fewer = set(found[table]) - set(expected[table]), set(expected[table]) - set(found[table])
        differences += [f"{table}: found {row}" for row in sorted(more)]
        differences += [f"{table}: not {row}" for row in sorted(fewer)]
    return differences


def find_feed_faults(content: Content) -> list[str]:
    """Return how the numbers of the changes are not those of one feed."""
    numbers = [msgspec.json.decode(row)["change"] for table in ("usage", "tombstones") for row in content[table]]
    newest = {each["name"]: each["value"] for each in map(msgspec.json.decode, content["counters"])}["change"]
    faults = [] if len(set(numbers)) == len(numbers) else ["a change number occurs twice"]
    if max(numbers, default=0) > newest:
        faults.append(f"change {max(numbers)} is above the counter {newest}")
    return faults
