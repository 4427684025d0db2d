"""Eight processes write reports of servers with overlapping streams to one PostgreSQL, while they are killed and
deadlocks are provoked: every unit counts once, and a reader that polls all the time misses no change.

Some servers are written by two processes at once. Seeds determine the kills. `STREAMTOP_CONCURRENT_REPORTS` is the
number of reports.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import pytest
from sqlalchemy import Connection, func, select

from streamusage.service.store.change_feed import last_change
from streamusage.service.store.schema import server_sessions, servers, slot_connections, slots, tombstones, usage
from streamusage.service.store.store import Store, open_store
from tests.support.postgresql import Cluster
from tests.support.program import REPOSITORY
from tests.support.service.change_follower import ChangeFollower
from tests.support.service.deadlocks import WRITER_TIMEOUT_MS, DeadlockProvoker, quick_deadlocks
from tests.support.service.parties.report_writer import (
    BEGAN,
    EPISODE,
    ORIGINS,
    SERVERS,
    STREAMS,
    count_figures,
    publish_start,
    publish_total,
    streams_of,
)
from tests.support.waiting import LONGEST_WAIT_S, wait_until_blocking

REPORTS = int(os.environ.get("STREAMTOP_CONCURRENT_REPORTS", "1500"))
OF_EACH = REPORTS // len(SERVERS) // EPISODE * EPISODE
"""Reports of each server: its last publishes have ended."""
WRITERS = 8
KILLS = max(3, REPORTS // 1_000)
PAGE = 20


class Writers:
    """The processes that write. The killed ones are replaced."""

    def __init__(self, store_url: str) -> None:
        program = [sys.executable, "-m", "tests.support.service.parties.report_writer"]
        self._process = subprocess.Popen(
            [*program, store_url, str(OF_EACH), str(WRITERS)],
            cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.kills = 0

    def kill(self, number: int) -> bool:
        """Kill a process and start another one, unless it has written everything. Return whether it was killed."""
        is_killed = str(number) not in self._run(f"kill {number}")
        self.kills += is_killed
        return is_killed

    def wait(self) -> None:
        """Wait until everything is written."""
        statuses = self._run("wait")
        assert statuses == {str(number): 0 for number in range(WRITERS)}, statuses

    def stop(self) -> None:
        self._process.communicate(timeout=LONGEST_WAIT_S)

    def _run(self, command: str) -> dict[str, int]:
        """Return the exit statuses of the processes that have ended by themselves."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())  # type: ignore[no-any-return]


@contextmanager
def writers_on(store_url: str) -> Iterator[Writers]:
    writers = Writers(store_url)
    try:
        yield writers
    finally:
        writers.stop()


@contextmanager
def in_thread(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run work in a thread until the end of the block, and raise its error there."""
    over, errors = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            work(over)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(LONGEST_WAIT_S)
    assert not thread.is_alive()
    assert not errors, errors


def poll_all_the_time(follower: ChangeFollower) -> Callable[[threading.Event], None]:
    def poll(over: threading.Event) -> None:
        while not over.wait(0.02):
            follower.poll()

    return poll


def count_acknowledged(store: Store) -> int:
    with store.reading() as connection:
        return int(connection.execute(select(func.coalesce(func.sum(servers.c.acknowledged), 0))).scalar_one())


def kill_now_and_then(writers: Writers, store: Store) -> None:
    """Kill a writer after each of some random shares of all reports: one that has not written everything."""
    random = Random("kills")
    for due in sorted(random.uniform(0.05, 0.6) * OF_EACH * len(SERVERS) for _ in range(KILLS)):
        wait_until_blocking(lambda due=due: count_acknowledged(store) >= due, f"{due:.0f} reports are acknowledged")
        any(writers.kill(number) for number in random.sample(range(WRITERS), WRITERS))


def expected_slots(server: str) -> tuple[int, int]:
    figures = [count_figures(server, number) for number in range(OF_EACH)]
    return sum(each.bytes_out for each in figures), sum(each.connections for each in figures)


def expected_records() -> dict[tuple[str, int], tuple[int, int, int]]:
    """Return total, lost and active subscribers of every record, by stream and start."""
    totals: Counter[tuple[str, int]] = Counter()
    for last in range(EPISODE - 1, OF_EACH, EPISODE):
        for server in SERVERS:
            for stream in streams_of(server):
                start = publish_start(ORIGINS[stream // 3], stream, last)
                totals[f"stream-{stream}", start] += publish_total(server, stream, last)
    return {key: (total, total, 0) for key, total in totals.items()}


def stored_slots(connection: Connection) -> dict[str, tuple[int, int]]:
    def sums(column: object, table: object) -> dict[str, int]:
        query = select(table.c.server, func.sum(column)).group_by(table.c.server)  # type: ignore[attr-defined]
        return {server: int(amount) for server, amount in connection.execute(query)}

    traffic = sums(slots.c.bytes_out, slots)
    counted = sums(slot_connections.c.connections, slot_connections)
    return {server: (traffic[server], counted[server]) for server in traffic}


@pytest.mark.postgresql
def test_concurrent_writers_conserve_every_unit_and_every_change(postgresql: Cluster) -> None:
    with postgresql.database() as url, quick_deadlocks(url, WRITER_TIMEOUT_MS) as database:
        store = open_store(url, BEGAN)
        follower = ChangeFollower(store, PAGE)
        provoker = DeadlockProvoker(url, REPORTS // 50)
        began = time.monotonic()
        with in_thread(poll_all_the_time(follower)), writers_on(url) as writers:
            with in_thread(provoker.run):
                kill_now_and_then(writers, store)
            writers.wait()
        seconds = time.monotonic() - began
        follower.poll()
        found = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        (deadlocks,) = database.execute(found).fetchone() or (0,)

        with store.reading() as connection:
            assert stored_slots(connection) == {server: expected_slots(server) for server in SERVERS}
            columns = (usage.c.total_subscribers, usage.c.lost_subscribers, usage.c.active_subscribers)
            rows = connection.execute(select(usage.c.name, usage.c.start_time, *columns)).all()
            assert {(name, start): tuple(figures) for name, start, *figures in rows} == expected_records()
            parts = connection.execute(select(func.count()).select_from(server_sessions)).scalar_one()
            assert parts == len(SERVERS) * 3 * OF_EACH // EPISODE
            numbers = [
                number
                for table in (usage, tombstones)
                for number in connection.execute(select(table.c.change)).scalars()
            ]
            assert len(set(numbers)) == len(numbers), "a change number occurs twice"
            assert max(numbers) <= (last_change(connection) or 0)
        assert len(rows) == STREAMS * OF_EACH // EPISODE
        assert follower.find_faults() == []
        assert follower.resets == 0
        store.close()
        print(
            f"{OF_EACH * len(SERVERS)} reports in {seconds:.1f} s, {writers.kills} kills, "
            f"{deadlocks} deadlocks, {provoker.deadlocks} of them of the provoker, "
            f"{len(numbers)} records and tombstones, {follower.pages} pages"
        )
        assert writers.kills >= 3
        assert deadlocks > provoker.deadlocks, "some deadlocks end a write"
