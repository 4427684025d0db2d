"""A process that is killed while it migrates a store leaves the former store, or the new one, and the next start ends
the migration. `STREAMTOP_MIGRATED_ROWS` is the number of rows of the store.

All migrations are one transaction on both engines, but for what 0017 prepares on PostgreSQL. The process is killed when
it reports that a step has ended.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, func, select

from streamusage.service.store.engines import resolve
from streamusage.service.store.migrations.divided_tables import DIVIDED
from streamusage.service.store.migrations.running import newest_schema_version, read_schema_version
from streamusage.service.store.store import open_store
from tests.support.service.migrating.many_rows import LARGE, make_store
from tests.support.waiting import wait_until_blocking

ROWS = int(os.environ.get("STREAMTOP_MIGRATED_ROWS", "12000"))
OLD = "0007_outages"
"""The newest migration of 0.1.0."""
STEPS = ("0008_trusted_time", "0013_samples_by_stream", "0016_feed_history", "0017_partitions", "0025_alerts")
"""The process is killed after each of these, in the next step or in the commit."""
PREPARED = "SELECT count(*) FILTER (WHERE convalidated) FROM pg_constraint WHERE conname LIKE '%_before_cutoff'"
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
OPENING = """
import sys
from streamusage.service.store import store
from streamusage.service.store.migrations import running
running.LONG_SECONDS = 0  # every step is reported
store.open_store(sys.argv[1], int(sys.argv[2]), lambda line: print(line, flush=True))
"""

Sums = dict[str, tuple[Any, ...]]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def sums_of(connection: Connection) -> Sums:
    """Return the rows of each large table, and a sum of their times."""
    return {
        table.name: tuple(connection.execute(select(func.count(), func.sum(table.c[name] % 1_000_003))).one())
        for table, name in LARGE.items()
    }


def read_store(url: str) -> tuple[str | None, Sums]:
    engine, checked_url = resolve(url)
    reader = engine.readers(checked_url)
    with reader.begin() as connection:
        found = read_schema_version(connection), sums_of(connection)
    reader.dispose()
    return found


def run_sql(url: str, sql: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(sql.encode()).fetchone()
        assert row is not None
        return int(row[0])


def kill_after(url: str, step: str) -> None:
    """Open the store in a process of its own, and kill that when it reports the end of a step."""
    command = [sys.executable, "-c", OPENING, url, str(now_ms())]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[5], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert any(step in line and "done after" in line for line in process.stdout), f"it never reported {step}"
    finally:
        process.kill()
        process.wait()
    if url.startswith("postgresql"):
        wait_until_blocking(lambda: run_sql(url, OTHERS) == 0, "the database has noticed that the process is gone")


@pytest.fixture
def before(store_url: str) -> Sums:
    """What a store of 0.1.0 at the URL contains."""
    make_store(store_url, OLD, now_ms(), ROWS)
    return read_store(store_url)[1]


@pytest.fixture
def store_with_rows(store_url: str, before: Sums) -> Iterator[str]:
    """The URL of the store. In the end its migration is completed, with all rows; opening it again changes nothing."""
    yield store_url
    for _ in range(2):
        with closing(open_store(store_url, now_ms())) as store, store.reading() as connection:
            assert read_schema_version(connection) == newest_schema_version()
            assert sums_of(connection) == before


def test_store_is_old_or_new_after_each_step(store_with_rows: str, before: Sums) -> None:
    for step in STEPS:
        kill_after(store_with_rows, step)
        version, sums = read_store(store_with_rows)
        expected = (OLD,) if step != STEPS[-1] else (OLD, newest_schema_version())  # it may have been committed
        assert version in expected, step
        assert sums == before


@pytest.mark.parametrize("store_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_what_is_prepared_is_kept_and_the_earlier_release_writes_as_before(store_with_rows: str, before: Sums) -> None:
    for number, table in enumerate(DIVIDED, start=1):
        kill_after(store_with_rows, f"reading the table {table.name}")
        assert read_store(store_with_rows) == (OLD, before)
        assert number <= run_sql(store_with_rows, PREPARED) <= len(DIVIDED)
        written = "WITH written AS (UPDATE slots SET bytes_out = bytes_out RETURNING 1) SELECT count(*) FROM written"
        assert run_sql(store_with_rows, written) == before["slots"][0]
        if table is not DIVIDED[-1]:  # as if it had been killed before the database had read the table
            with psycopg.connect(store_with_rows) as connection:
                name = DIVIDED[number].check
                connection.execute(f"ALTER TABLE {DIVIDED[number].name} DROP CONSTRAINT IF EXISTS {name}".encode())
