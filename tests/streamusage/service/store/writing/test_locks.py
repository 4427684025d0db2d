"""Writes of several processes on one PostgreSQL: those without a common lock run side by side, others one by one."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from streamusage.service.store.change_feed import allocate_changes, last_change, set_counter
from streamusage.service.store.engines.locks import WHOLE_STORE, LockSet
from streamusage.service.store.schema import counters
from streamusage.service.store.store import Store, open_store
from streamusage.service.store.writing import writer as writers
from streamusage.service.store.writing.write_group import do_at_end, lock_server, lock_streams
from streamusage.service.store.writing.writer import Writer
from tests.support.postgresql import Cluster
from tests.support.service.held_write import HeldWrite
from tests.support.waiting import LONGEST_WAIT_S

pytestmark = pytest.mark.postgresql

STREAM, OTHER_STREAM = b"stream-1".ljust(16), b"stream-2".ljust(16)


class Process(Writer):
    """The store and the writer of a service process."""

    def __init__(self, url: str) -> None:
        self.store = open_store(url, 0)
        super().__init__(self.store)

    def end(self) -> None:
        self.stop()
        self.store.close()


@pytest.fixture(scope="module")
def url(postgresql: Cluster) -> Iterator[str]:
    with postgresql.database() as url:
        yield url


@pytest.fixture(scope="module")
def processes(url: str) -> Iterator[tuple[Process, Process]]:
    both = Process(url), Process(url)
    yield both
    for process in both:
        process.end()


@contextmanager
def held(
    process: Process, locks: LockSet, work: Callable[[Connection], None] = lambda _: None
) -> Iterator[Future[Any]]:
    """A write that has its locks, did its work, and waits until the end of the block."""
    write = HeldWrite()

    def hold(connection: Connection) -> None:
        work(connection)
        write(connection)

    future = process.submit(hold, locks)
    assert write.began.wait(LONGEST_WAIT_S)
    try:
        yield future
    finally:
        write.go.set()


def of_server(name: str, *streams: bytes) -> LockSet:
    return LockSet(frozenset((name,)), frozenset(streams))


def is_waiting(store: Store) -> bool:
    """Return whether a write waits for a lock of another one."""
    with store.reading() as connection:
        return bool(connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar())


def wait_until_it_waits(process: Process, future: Future[Any]) -> None:
    deadline = threading.Event()
    for _ in range(int(LONGEST_WAIT_S / 0.01)):
        assert not future.done(), "it did not wait"
        if is_waiting(process.store):
            return
        deadline.wait(0.01)
    pytest.fail("the write neither ran nor waited")


def test_writes_to_other_servers_and_streams_run_side_by_side(processes: tuple[Process, Process]) -> None:
    one, two = processes
    with held(one, of_server("edge-1", STREAM)) as first:
        assert two.submit(lambda _: "done", of_server("edge-2", OTHER_STREAM)).result(LONGEST_WAIT_S) == "done"
        assert not first.done()
    first.result(LONGEST_WAIT_S)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (of_server("edge-1"), of_server("edge-1")),
        (of_server("edge-1", STREAM), of_server("edge-2", STREAM)),
        (of_server("edge-1"), WHOLE_STORE),
        (WHOLE_STORE, of_server("edge-1")),
        (WHOLE_STORE, WHOLE_STORE),
        (LockSet(), WHOLE_STORE),
    ],
)
def test_writes_with_a_common_lock_run_one_by_one(
    processes: tuple[Process, Process], first: LockSet, second: LockSet
) -> None:
    one, two = processes
    with held(one, first, lambda connection: set_counter(connection, "seen", 1)):
        waiting = two.submit(lambda connection: _value(connection, "seen"), second)
        wait_until_it_waits(one, waiting)
    assert waiting.result(LONGEST_WAIT_S) == 1, "it reads what the first one committed"


def _value(connection: Connection, name: str) -> int | None:
    return connection.execute(select(counters.c.value).where(counters.c.name == name)).scalar()


def test_change_numbers_are_in_the_order_of_commits(processes: tuple[Process, Process]) -> None:
    one, two = processes
    before = one.submit(last_change).result(LONGEST_WAIT_S) or 0
    with held(one, of_server("edge-1"), lambda connection: _allocate(connection, "first")):
        later = two.submit(lambda connection: _allocate(connection, "second"), of_server("edge-2"))
        wait_until_it_waits(one, later)
    later.result(LONGEST_WAIT_S)
    with one.store.reading() as connection:
        assert (_value(connection, "first"), _value(connection, "second")) == (before + 1, before + 2)


def _allocate(connection: Connection, name: str) -> None:
    set_counter(connection, name, allocate_changes(connection, 1) + 1)


def test_write_without_the_lock_that_it_turns_out_to_need_runs_again_with_the_whole_store(
    processes: tuple[Process, Process],
) -> None:
    one, two = processes
    runs: list[bool] = []

    def touch(connection: Connection) -> str:
        runs.append(True)
        set_counter(connection, f"run {len(runs)}", 1)
        lock_server(connection, "edge-2")
        lock_streams(connection, [STREAM])
        return "touched"

    assert two.submit(touch, of_server("edge-2")).result(LONGEST_WAIT_S) == "touched"
    assert len(runs) == 1, "nobody else had the stream"
    with held(one, of_server("edge-1", STREAM)):
        touching = two.submit(touch, of_server("edge-2"))
        wait_until_it_waits(one, touching)
    assert touching.result(LONGEST_WAIT_S) == "touched"
    assert len(runs) == 3
    with one.store.reading() as connection:
        assert _value(connection, "run 2") is None, "the first attempt was rolled back"


def test_write_with_too_many_locks_has_the_whole_store(
    processes: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "LOCK_LIMIT", 1_000_000)
    one, two = processes
    streams = [b"%16d" % number for number in range(100_000)]
    many = one.submit(lambda _: "done", of_server("edge-1", *streams))
    assert many.result(LONGEST_WAIT_S) == "done", "the server has no memory for so many locks"
    monkeypatch.setattr(writers, "LOCK_LIMIT", 10)
    with held(one, of_server("edge-1", *streams[:10])):
        waiting = two.submit(lambda _: "done", of_server("edge-2"))
        wait_until_it_waits(one, waiting)
    assert waiting.result(LONGEST_WAIT_S) == "done"


def test_deadlock_is_not_an_error_of_either_write(processes: tuple[Process, Process]) -> None:
    one, two = processes
    for name in ("a", "b"):
        one.submit(lambda connection, name=name: set_counter(connection, name, 0)).result(LONGEST_WAIT_S)
    both_have_one = threading.Barrier(2)
    attempts: list[str] = []

    def count_up(connection: Connection, names: str) -> None:
        attempts.append(names)
        for name in names:
            connection.execute(text("UPDATE counters SET value = value + 1 WHERE name = :name"), {"name": name})
            if len(attempts) <= 2 and name == names[0]:
                both_have_one.wait(LONGEST_WAIT_S)

    counting = [
        process.submit(lambda connection, names=names: count_up(connection, names), of_server(names))
        for process, names in ((one, "ab"), (two, "ba"))
    ]
    for future in counting:
        future.result(LONGEST_WAIT_S)
    assert len(attempts) == 3
    with one.store.reading() as connection:
        assert [_value(connection, name) for name in "ab"] == [2, 2]


def test_work_of_the_end_is_done_once_for_all_writes_of_a_commit(processes: tuple[Process, Process]) -> None:
    one, _ = processes
    done: list[list[int]] = []

    def note(_connection: Connection, items: list[int]) -> None:
        done.append(items)

    with held(one, of_server("edge-1")):
        futures = [
            one.submit(lambda connection, item=item: do_at_end(connection, note, item), of_server(f"edge-{item}"))
            for item in range(3)
        ]
    for future in futures:
        future.result(LONGEST_WAIT_S)
    assert done == [[0, 1, 2]]
