"""Migration of a PostgreSQL store with rows to tables that are divided by time."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, MetaData, insert, select

from streamusage.service.store.engines import resolve
from streamusage.service.store.engines.postgresql_partitions import DIVISIONS
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.migrations import divided_tables
from streamusage.service.store.migrations.divided_tables import DIVIDED
from streamusage.service.store.schema import DIVIDED_BY, metadata
from streamusage.service.store.store import open_store, open_unchanged
from tests.support.postgresql import Cluster
from tests.support.service.migrating.earlier_schema import writing_at
from tests.support.service.old_rows import fill_old_rows
from tests.support.service.used_store import figures, use, used_estate

pytestmark = pytest.mark.postgresql

BEFORE = "0016_feed_history"
TABLES = [table.name for table in DIVIDED]
DAY = 86_400_000
CENTURY = 100 * 365 * DAY


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
def url(postgresql: Cluster) -> Iterator[str]:
    with postgresql.database() as url:
        yield url


def fill(url: str, *, is_ahead: bool = False) -> dict[str, list[tuple[Any, ...]]]:
    """Fill a store of the previous schema and return its rows. A wrong clock wrote a few of them, if any."""
    with writing_at(url, BEFORE) as connection:
        connection.exec_driver_sql("INSERT INTO counters (name, value) VALUES ('change', 0)")
        fill_old_rows(connection, now_ms(), 200)
        if is_ahead:
            for name in TABLES:
                table, column = metadata.tables[name], DIVIDED_BY[name]
                row = dict(connection.execute(select(table).limit(1)).one()._mapping)
                times = {column.name: row[column.name] + CENTURY}
                times |= {"to_ms": row["to_ms"] + CENTURY} if name == "spans" else {}
                connection.execute(insert(table).values(row | times))
        return rows_of(connection)


def rows_of(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {name: sorted(map(tuple, connection.execute(select(metadata.tables[name])))) for name in TABLES}


def read(url: str, sql: str) -> Any:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(sql.encode()).fetchall()


def files(url: str, *names: str) -> list[int]:
    """Return the files of tables and indexes: a rewrite or a rebuild would have made others."""
    return [read(url, f"SELECT pg_relation_filenode('{name}')")[0][0] for name in names]


def partitions_with_rows(url: str, table: str) -> dict[str, int]:
    return dict(read(url, f"SELECT tableoid::regclass::text, count(*) FROM {table} GROUP BY 1"))


def migrate(url: str) -> dict[str, list[tuple[Any, ...]]]:
    with closing(open_store(url, now_ms())) as store, store.reading() as connection:
        return rows_of(connection)


def test_declared_tables_are_those_that_the_engine_divides() -> None:
    assert {name: column.name for name, column in DIVIDED_BY.items()} == {
        name: division.time for name, division in DIVISIONS.items()
    }


def test_rows_and_indexes_stay_in_their_files(url: str) -> None:
    before = fill(url)
    old = ("slots", "slots_pkey", "slots_by_time", "samples", "samples_pkey", "spans", "spans_pkey", "spans_by_end")
    files_before = files(url, *old)
    assert migrate(url) == before
    initial = [*("slots_initial", "slots_initial_pkey", "slots_by_time_initial"), "samples_initial"]
    initial += ["samples_initial_pkey", "spans_initial", "spans_initial_pkey", "spans_by_end_initial"]
    assert files(url, *initial) == files_before
    for table in DIVIDED:
        assert partitions_with_rows(url, table.name) == {f"{table.name}_initial": 200}
        assert read(url, f"SELECT count(*) FROM pg_constraint WHERE conname = '{table.check}'") == [(0,)]
    for index in ("slots_by_time", "slot_connections_by_time", "spans_by_end"):
        attached = f"SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{index}'::regclass"
        assert (f"{index}_initial",) in read(url, attached)


def test_rows_in_the_future_are_moved(url: str) -> None:
    before = fill(url, is_ahead=True)
    assert migrate(url) == before
    for table in DIVIDED:
        assert partitions_with_rows(url, table.name) == {f"{table.name}_initial": 200, f"{table.name}_default": 1}


def test_unprepared_store_is_migrated_too(url: str) -> None:
    """As a copy of which a restore migrates the rows."""
    before = fill(url, is_ahead=True)
    with writing_at(url, "head") as connection:
        assert rows_of(connection) == before


def test_empty_store_has_no_initial_partition(url: str) -> None:
    migrate(url)
    assert read(url, "SELECT to_regclass('slots_initial')") == [(None,)]


def test_preparation_waits_for_no_writer(url: str) -> None:
    fill(url)
    engine, checked_url = resolve(url)
    engine.prepare_migrations(checked_url, print)
    read_check = "SELECT convalidated FROM pg_constraint WHERE conname LIKE '%_before_cutoff'"
    assert read(url, read_check) == [(True,)] * 4
    with psycopg.connect(url) as connection:  # as if the process had ended before it had read the table
        connection.execute("UPDATE pg_constraint SET convalidated = false WHERE conname = 'slots_before_cutoff'")
    with psycopg.connect(url) as writing:
        writing.execute("DELETE FROM slots WHERE server = 'edge-00'")
        engine.prepare_migrations(checked_url, print)
        assert read(url, read_check) == [(True,)] * 4
        writing.rollback()


def test_preparation_of_long_ago_is_renewed(url: str) -> None:
    before = fill(url)
    with psycopg.connect(url) as connection:
        soon = now_ms() + DAY // 2
        connection.execute(f"ALTER TABLE slots ADD CONSTRAINT slots_before_cutoff CHECK (slot < {soon})".encode())
    assert migrate(url) == before
    (cutoff,) = read(url, "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'slots_initial'")[0]
    assert int(cutoff.split("'")[1]) > soon + 5 * DAY


def test_migration_lets_readers_through(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(divided_tables, "LOCK_MS", 300)
    monkeypatch.setattr(divided_tables, "PAUSE_SECONDS", 0.3)
    before = fill(url)
    ended = threading.Event()

    def read_for_long() -> None:
        with psycopg.connect(url) as connection:
            connection.execute("SELECT count(*) FROM samples")
            began.set()
            for _ in range(4):
                time.sleep(0.25)
                began_at = time.monotonic()
                read(url, "SELECT count(*) FROM samples")
                waited.append(time.monotonic() - began_at)
        ended.set()

    began, waited = threading.Event(), list[float]()
    reader = threading.Thread(target=read_for_long)
    reader.start()
    began.wait()
    try:
        assert migrate(url) == before
        assert ended.is_set()
        assert max(waited) < 2
    finally:
        reader.join()


def test_grants_are_kept(url: str) -> None:
    fill(url)
    with psycopg.connect(url) as connection:
        connection.execute("DROP ROLE IF EXISTS reporting")
        connection.execute("CREATE ROLE reporting")
        connection.execute("GRANT SELECT ON slots TO reporting")
    migrate(url)
    found = read(url, "SELECT has_table_privilege('reporting', 'slots', 'select')")
    with psycopg.connect(url) as connection:
        connection.execute("DROP OWNED BY reporting")
        connection.execute("DROP ROLE reporting")
    assert found == [(True,)]


async def test_figures_are_those_from_before_the_migration(tmp_path: Path, url: str) -> None:
    used = sqlite_url(tmp_path / "used.db")
    async with used_estate(used) as estate:
        await use(estate)
        before, end_ms = await figures(estate), estate.clock.now
    with closing(open_unchanged(used)) as store, store.reading() as source, writing_at(url, BEFORE) as target:
        earlier = MetaData()
        earlier.reflect(target, only=lambda name, _: name in metadata.tables)
        for name in earlier.tables:
            table = metadata.tables[name]
            columns = [column for column in table.c if column.name in earlier.tables[name].c]
            target.execute(table.delete())
            if rows := [dict(row) for row in source.execute(select(*columns)).mappings()]:
                target.execute(insert(table), rows)
    async with used_estate(url, end_ms) as estate:
        assert await figures(estate) == before | {"streams": []}
