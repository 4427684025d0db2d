"""The statements with which the service writes reports, recorded from it, and a loop that runs them without it."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import Connection, Engine, event

from bench.estate import Reporter, post
from streamusage.core.clock import SystemClock
from streamusage.service.server import run_service
from streamusage.service.tokens import Identity, Tokens, digest_of

SERVERS = 16
FIRST_REPORTS = 2
"""Reports that are not recorded: the first of an epoch does more than the others."""
RECORDED_REPORTS = 4


class RecordedStatement(NamedTuple):
    """A statement as it is given to the driver."""

    sql: bytes
    parameters: Any
    is_many: bool


RecordedWrite = list[RecordedStatement]
"""The statements of a transaction, in order."""


@contextmanager
def recorded_writes() -> Iterator[list[RecordedWrite]]:
    """Yield the growing list of the transactions that are committed in this process."""
    committed: list[RecordedWrite] = []
    open_writes: dict[Connection, RecordedWrite] = {}

    def note(connection: Connection, _cursor: Any, sql: str, parameters: Any, _context: Any, is_many: bool) -> None:
        if connection.in_transaction():
            statement = RecordedStatement(sql.encode(), parameters, is_many)
            open_writes.setdefault(connection, []).append(statement)

    def commit(connection: Connection) -> None:
        if statements := open_writes.pop(connection, None):
            committed.append(statements)

    def roll_back(connection: Connection) -> None:
        open_writes.pop(connection, None)

    listeners = (("before_cursor_execute", note), ("commit", commit), ("rollback", roll_back))
    for name, listener in listeners:
        event.listen(Engine, name, listener)
    try:
        yield committed
    finally:
        for name, listener in listeners:
            event.remove(Engine, name, listener)


async def record_reports(store_url: str, rows: int) -> list[RecordedWrite]:
    """Run a service on an empty store in this process, and return its transactions of reports with that many rows."""
    now_ms = time.time_ns() // 1_000_000
    reporters = [Reporter(f"s{number}", rows, now_ms) for number in range(SERVERS)]
    tokens = Tokens({digest_of(one.token): Identity(one.server, "agent", one.server) for one in reporters})
    found: list[RecordedWrite] = []
    async with run_service(store_url=store_url, tokens=tokens, clock=SystemClock()) as service:
        port = int(service.url.rpartition(":")[2])
        for reporter in reporters:
            await reporter.begin(port)
        for turn in range(FIRST_REPORTS + RECORDED_REPORTS):
            await asyncio.sleep(0.002)  # a report must not be empty
            for reporter in reporters:
                send_up_to_now(reporter)
                async with post(port) as send:
                    with recorded_writes() as writes:
                        await reporter.send(send)
                if turn >= FIRST_REPORTS:
                    found += [write for write in writes if writes_report(write, reporter.server)]
    assert len(found) == SERVERS * RECORDED_REPORTS, f"{len(found)} transactions"
    return found


def send_up_to_now(reporter: Reporter) -> None:
    """Let the next report of a reporter cover the time up to now, as those of a live estate do."""
    reporter.step_ms = max(1, time.time_ns() // 1_000_000 - reporter.now_ms)


def writes_report(write: RecordedWrite, server: str) -> bool:
    """Return whether a transaction writes a report of a server, and is no job of the service."""
    named = any(server in repr(statement.parameters) for statement in write)
    return named and any(statement.sql.lstrip().startswith(b"INSERT INTO spans") for statement in write)


def run_writes(url: str, writes: Sequence[RecordedWrite], group: int, seconds: float) -> float:
    """Run recorded transactions in a loop, `group` of them in each commit. Return how many there were a second."""
    done = 0
    source = cycle(writes)
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            for write in islice(source, group):
                for sql, parameters, is_many in write:
                    if is_many:
                        cursor.executemany(sql, parameters)
                    else:
                        cursor.execute(sql, parameters)
            connection.commit()
            done += group
        return done / (time.monotonic() - began)
