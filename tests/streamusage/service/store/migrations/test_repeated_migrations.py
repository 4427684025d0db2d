"""Stores that tests create by repeated SQL have exactly the tables that the migrations create."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, inspect

from streamusage.service.store.engines import resolve
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.migrations import running
from streamusage.service.store.migrations.running import newest_schema_version, read_schema_version
from streamusage.service.store.schema import counters
from tests.support.postgresql import Cluster
from tests.support.service.migrating.earlier_schema import writing_at
from tests.support.service.migrating.repeated import RepeatedMigrations

SQLITE_TABLES = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
POSTGRESQL_TABLES = (
    "SELECT relname, relkind::text, reloptions::text, relpersistence::text, relreplident::text,"
    " pg_get_expr(relpartbound, oid), pg_get_partkeydef(oid), pg_get_viewdef(CASE relkind WHEN 'v' THEN oid END)"
    " FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname",
    "SELECT relname, attnum, attname, atttypid::regtype::text, atttypmod, attnotnull, attstorage::text, attstattarget,"
    " (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum)"
    " FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
    " WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped ORDER BY relname, attnum",
    "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid FROM pg_index"
    " JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
)


def describe(connection: Connection) -> list[tuple[Any, ...]]:
    """Return what the store's tables are, and their rows."""
    statements = (SQLITE_TABLES,) if connection.dialect.name == "sqlite" else POSTGRESQL_TABLES
    found = [tuple(row) for statement in statements for row in connection.exec_driver_sql(statement)]
    for table in sorted(inspect(connection).get_table_names()):
        found += [(table, *row) for row in connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1")]
    return found


def create(url: str, migrations: RepeatedMigrations) -> list[tuple[Any, ...]]:
    engine, checked_url = resolve(url)
    engine.create(checked_url)
    writer = engine.writer(checked_url)
    try:
        with engine.migration_transaction(writer) as connection:
            migrations.migrate(connection)
        with writer.begin() as connection:
            assert read_schema_version(connection) == newest_schema_version()
            return describe(connection)
    finally:
        writer.dispose()


def check_repeated(urls: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with writing_at(urls[0], "head") as connection:
        expected = describe(connection)
    migrations = RepeatedMigrations()
    assert create(urls[1], migrations) == expected
    monkeypatch.setattr(running.command, "upgrade", None)
    assert create(urls[2], migrations) == expected


def test_repeated_tables_of_sqlite_are_those_of_migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (sqlite_url(tmp_path / f"{name}.db") for name in "abc")
    check_repeated((first, second, third), monkeypatch)


@pytest.mark.postgresql
def test_repeated_tables_of_postgresql_are_those_of_migrations(
    postgresql: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgresql.database() as first, postgresql.database() as second, postgresql.database() as third:
        check_repeated((first, second, third), monkeypatch)


def test_store_with_tables_is_migrated(store_url: str) -> None:
    migrations = RepeatedMigrations()
    with writing_at(store_url, "0023_cross_checks_and_folds") as connection:
        connection.execute(insert(counters).values(name="kept", value=7))
    assert ("counters", "kept", 7) in create(store_url, migrations)
