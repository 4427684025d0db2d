"""What a test sees of the partitions of a PostgreSQL store."""

from typing import Any

import psycopg


def run_sql(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Run a statement on a connection of its own and return its rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def partitions_of(url: str, table: str) -> set[str]:
    """Return the names of a table's partitions."""
    names = f"SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{table}'::regclass"
    return {name for (name,) in run_sql(url, names)}


def rows_by_partition(url: str, table: str) -> dict[str, int]:
    """Return how many rows are in each partition that has any."""
    return dict(run_sql(url, f"SELECT tableoid::regclass::text, count(*) FROM {table} GROUP BY 1"))  # type: ignore[arg-type]
