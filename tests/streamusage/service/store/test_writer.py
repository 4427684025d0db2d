"""The writer: what it acknowledges is committed, one failure undoes only itself, nobody's leaving anything."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text

from streamusage.service.errors import StoreError
from streamusage.service.store.schema import counters
from streamusage.service.store.store import Store, open_store, sqlite_url
from streamusage.service.store.writer import Writer


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(sqlite_url(tmp_path / "usage.db"), 0)
    yield store
    store.close()


@pytest.fixture
def writer(store: Store) -> Iterator[Writer]:
    writer = Writer(store)
    yield writer
    writer.stop()


def putting(name: str, value: int = 1):  # type: ignore[no-untyped-def]
    def put(connection: Connection) -> str:
        connection.execute(insert(counters).values(name=name, value=value))
        return name

    return put


def names(store: Store) -> set[str]:
    with store.reading() as connection:
        return set(connection.execute(select(counters.c.name)).scalars()) - {"change"}


class Held:
    """A write that waits until it is let go, so that others gather behind it in one group."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go = threading.Event()

    def __call__(self, connection: Connection) -> None:
        self.began.set()
        assert self.go.wait(10)


def test_one_failure_undoes_only_itself(store: Store, writer: Writer) -> None:
    def half_done(connection: Connection) -> None:
        putting("half")(connection)
        raise ValueError("no")

    def poison(connection: Connection) -> None:
        putting("poison")(connection)
        connection.execute(text("insert into counters values ('poison', 2)"))

    held = Held()
    first = writer.submit(held)
    held.began.wait(10)
    futures = [writer.submit(work) for work in (putting("a"), half_done, putting("b"), poison, putting("c"))]
    held.go.set()
    first.result(10)
    assert [futures[number].result(10) for number in (0, 2, 4)] == ["a", "b", "c"]
    with pytest.raises(ValueError, match="no"):
        futures[1].result(10)
    with pytest.raises(StoreError, match="nothing was changed"):
        futures[3].result(10)
    assert names(store) == {"a", "b", "c"}


def test_nothing_is_acknowledged_before_its_commit(store: Store, writer: Writer) -> None:
    held = Held()
    first = writer.submit(putting("first"))
    first.result(10)
    early = writer.submit(held)
    held.began.wait(10)
    second = writer.submit(putting("second"))
    assert not second.done()
    assert names(store) == {"first"}
    held.go.set()
    second.result(10)
    assert early.done()
    assert names(store) == {"first", "second"}


def test_a_group_is_one_commit(store: Store, writer: Writer) -> None:
    held = Held()
    writer.submit(held)
    held.began.wait(10)
    seen_from_outside: list[set[str]] = []

    def look(_connection: Connection) -> None:
        seen_from_outside.append(names(store))

    futures = [writer.submit(work) for work in (putting("a"), look, putting("b"))]
    held.go.set()
    for future in futures:
        future.result(10)
    assert seen_from_outside == [set()], "a was written before the look, and committed with b"


async def test_a_client_that_leaves_takes_nothing_back(store: Store, writer: Writer) -> None:
    held = Held()
    writer.submit(held)
    await asyncio.to_thread(held.began.wait, 10)
    waiting = asyncio.create_task(writer.write(putting("kept")))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    held.go.set()
    await writer.write(putting("after"))
    assert names(store) == {"kept", "after"}


def test_a_stop_finishes_what_was_accepted_and_accepts_no_more(store: Store) -> None:
    writer = Writer(store)
    futures = [writer.submit(putting(f"n{number}")) for number in range(600)]
    writer.stop()
    assert all(future.done() for future in futures)
    assert len(names(store)) == 600
    with pytest.raises(StoreError, match="stopping"):
        writer.submit(putting("too late"))


def test_readers_cannot_write_and_the_store_is_durable(store: Store) -> None:
    from sqlalchemy.exc import OperationalError

    with pytest.raises(OperationalError, match="readonly"), store.reading() as connection:
        putting("never")(connection)
    with store.writing() as connection:
        pragmas = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]


def test_the_migrations_make_what_the_schema_says(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from streamusage.service.store.schema import metadata

    with store.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


@pytest.mark.parametrize(
    "url", ["nonsense", "sqlite://", "sqlite:///:memory:", "mysql://host/db", "sqlite:///x?mode=ro"]
)
def test_a_store_that_cannot_be_one_is_refused(url: str) -> None:
    with pytest.raises(StoreError):
        open_store(url, 0)


def test_a_file_that_is_no_store_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    path.write_bytes(b"not a database, but somebody's" * 1000)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a database"):
        open_store(sqlite_url(path), 0)
    assert path.read_bytes() == before


def test_a_store_of_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "usage.db")
    store = open_store(url, 0)
    with store.writing() as connection, connection.begin():
        connection.execute(text("update alembic_version set version_num = '9999'"))
    store.close()
    with pytest.raises(StoreError, match="newer"):
        open_store(url, 0)
