"""Opening a store: migrations, read-only readers, and files that are not a store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, text

from streamusage.service.errors import StoreError
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.schema import counters
from streamusage.service.store.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(sqlite_url(tmp_path / "usage.db"), 0)
    yield store
    store.close()


def insert_counter(name: str, value: int = 1):  # type: ignore[no-untyped-def]
    def put(connection: Connection) -> str:
        connection.execute(insert(counters).values(name=name, value=value))
        return name

    return put


def test_readers_cannot_write_and_the_store_is_durable(store: Store) -> None:
    from sqlalchemy.exc import OperationalError

    with pytest.raises(OperationalError, match="readonly"), store.reading() as connection:
        insert_counter("never")(connection)
    with store.writing() as connection:
        pragmas = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]


def test_migrations_create_the_declared_schema(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from streamusage.service.store.schema import metadata

    with store.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


@pytest.mark.parametrize(
    "url", ["nonsense", "sqlite://", "sqlite:///:memory:", "mysql://host/db", "sqlite:///x?mode=ro"]
)
def test_invalid_store_url_is_refused(url: str) -> None:
    with pytest.raises(StoreError):
        open_store(url, 0)


def test_file_that_is_not_a_store_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    path.write_bytes(b"not a database, but somebody's" * 1000)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a database"):
        open_store(sqlite_url(path), 0)
    assert path.read_bytes() == before


def test_store_of_a_newer_version_is_not_changed(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "usage.db")
    store = open_store(url, 0)
    with store.writing() as connection, connection.begin():
        connection.execute(text("update alembic_version set version_num = '9999'"))
    store.close()
    with pytest.raises(StoreError, match="newer"):
        open_store(url, 0)
