"""The writer: acknowledged writes are committed, a failure rolls back one write only, and a cancelled waiter none."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text

from streamusage.service.errors import StoreError
from streamusage.service.store.change_feed import TOTALS_COUNT_FROM
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.schema import counters
from streamusage.service.store.store import Store, open_store
from streamusage.service.store.writing.writer import Writer
from tests.support.service.held_write import HeldWrite
from tests.support.waiting import LONGEST_WAIT_S


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


def insert_counter(name: str, value: int = 1):  # type: ignore[no-untyped-def]
    def put(connection: Connection) -> str:
        connection.execute(insert(counters).values(name=name, value=value))
        return name

    return put


def names(store: Store) -> set[str]:
    with store.reading() as connection:
        return set(connection.execute(select(counters.c.name)).scalars()) - {"change", TOTALS_COUNT_FROM}


def test_one_failed_write_rolls_back_only_itself(store: Store, writer: Writer) -> None:
    def half_done(connection: Connection) -> None:
        insert_counter("half")(connection)
        raise ValueError("no")

    def poison(connection: Connection) -> None:
        insert_counter("poison")(connection)
        connection.execute(text("insert into counters values ('poison', 2)"))

    held = HeldWrite()
    first = writer.submit(held)
    held.began.wait(LONGEST_WAIT_S)
    futures = [
        writer.submit(work)
        for work in (insert_counter("a"), half_done, insert_counter("b"), poison, insert_counter("c"))
    ]
    held.go.set()
    first.result(LONGEST_WAIT_S)
    assert [futures[number].result(LONGEST_WAIT_S) for number in (0, 2, 4)] == ["a", "b", "c"]
    with pytest.raises(ValueError, match="no"):
        futures[1].result(LONGEST_WAIT_S)
    with pytest.raises(StoreError, match="nothing was changed"):
        futures[3].result(LONGEST_WAIT_S)
    assert names(store) == {"a", "b", "c"}


def test_nothing_is_acknowledged_before_its_commit(store: Store, writer: Writer) -> None:
    held = HeldWrite()
    first = writer.submit(insert_counter("first"))
    first.result(LONGEST_WAIT_S)
    early = writer.submit(held)
    held.began.wait(LONGEST_WAIT_S)
    second = writer.submit(insert_counter("second"))
    assert not second.done()
    assert names(store) == {"first"}
    held.go.set()
    second.result(LONGEST_WAIT_S)
    assert early.done()
    assert names(store) == {"first", "second"}


def test_group_is_one_commit(store: Store, writer: Writer) -> None:
    held = HeldWrite()
    writer.submit(held)
    held.began.wait(LONGEST_WAIT_S)
    seen_from_outside: list[set[str]] = []

    def check_names(_connection: Connection) -> None:
        seen_from_outside.append(names(store))

    futures = [writer.submit(work) for work in (insert_counter("a"), check_names, insert_counter("b"))]
    held.go.set()
    for future in futures:
        future.result(LONGEST_WAIT_S)
    assert seen_from_outside == [set()], "a was written before the check, and committed with b"


async def test_cancelled_waiter_does_not_cancel_the_write(store: Store, writer: Writer) -> None:
    held = HeldWrite()
    writer.submit(held)
    await asyncio.to_thread(held.began.wait, LONGEST_WAIT_S)
    waiting = asyncio.create_task(writer.write(insert_counter("kept")))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    held.go.set()
    await writer.write(insert_counter("after"))
    assert names(store) == {"kept", "after"}


def test_stop_finishes_accepted_writes_and_refuses_new_ones(store: Store) -> None:
    writer = Writer(store)
    futures = [writer.submit(insert_counter(f"n{number}")) for number in range(600)]
    writer.stop()
    assert all(future.done() for future in futures)
    assert len(names(store)) == 600
    with pytest.raises(StoreError, match="stopping"):
        writer.submit(insert_counter("too late"))
