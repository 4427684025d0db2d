"""Stores of an earlier revision with many rows, made by the database itself from a few."""

from typing import Any

from sqlalchemy import Connection, Table, func, insert, inspect, literal, select

from streamusage.service.store.schema import (
    samples,
    server_sessions,
    slot_connections,
    slots,
    spans,
    usage,
)
from tests.support.service.migrating.earlier_schema import writing_at
from tests.support.service.old_rows import fill_old_rows

SEED_ROWS = 200
LARGE: dict[Table, str] = {
    samples: "slot",
    slots: "slot",
    slot_connections: "slot",
    spans: "from_ms",
    usage: "start_time",
    server_sessions: "start_time",
}
"""The tables that grow with an estate, with a column of their key by which copies of rows differ."""


def make_store(url: str, revision: str, now_ms: int, rows: int) -> None:
    """Create a store with the tables of a revision, and about so many rows altogether."""
    with writing_at(url, revision) as connection:
        connection.exec_driver_sql("INSERT INTO counters (name, value) VALUES ('change', 0)")
        fill_old_rows(connection, now_ms, SEED_ROWS)
        of_each = rows // len(LARGE) // SEED_ROWS
        for table, time in LARGE.items():
            _multiply(connection, table, time, max(1, of_each))


def _multiply(connection: Connection, table: Table, time: str, times: int) -> None:
    """Copy the rows of a table to other times, until it has so many times as many."""
    names = [column["name"] for column in inspect(connection).get_columns(table.name)]
    step_ms = SEED_ROWS * 60_000  # of the samples, one a minute
    done = 1
    while done < times:
        copies = min(done, times - done)
        shift = literal(done * step_ms)
        columns: list[Any] = []
        for name in names:
            column = table.c[name]
            if name in (time, "to_ms", "session_start", "end_time"):
                columns.append((column + shift).label(name))
            elif name == "publish_id":
                columns.append((column + "." + str(done)).label(name))
            elif name == "change":
                columns.append((column + done * SEED_ROWS * 4).label(name))
            else:
                columns.append(column)
        first = select(func.min(table.c[time])).scalar_subquery()
        query = select(*columns)
        if copies < done:
            query = query.where(table.c[time] < first + copies * step_ms)
        connection.execute(insert(table).from_select(names, query))
        done += copies
