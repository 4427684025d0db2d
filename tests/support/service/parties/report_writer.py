"""Servers with overlapping streams whose reports are a function of their numbers, and processes that apply them.

`python -m tests.support.service.parties.report_writer STORE REPORTS WRITERS` runs processes that write that number of
reports of each server, and obeys the commands on its standard input: `kill N` kills a writer and starts another one in
its place, which continues from what the store has acknowledged; `wait` ends when all of them have. Some servers are
written by two processes.
"""

import asyncio
import json
import logging
import os
import signal
import sys
import traceback
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from streamusage.api.report import (
    Acknowledgement,
    Based,
    Baseline,
    PeakWindow,
    Refusal,
    Report,
    SampleRow,
    SessionRow,
    SlotRow,
    SpanRow,
)
from streamusage.core.coverage import slot_of
from streamusage.service.errors import StoreError
from streamusage.service.ingest.reports import ingest_report, locks_of_report
from streamusage.service.store.server_states import load_state
from streamusage.service.store.store import open_store
from streamusage.service.store.writing.writer import Writer

BEGAN = 1_795_000_020_000
STEP_MS = 20_000
"""The time between two reports of a server."""
EPISODE = 10
"""How many reports a publish lasts. The next one of the same stream follows."""
STREAMS = 6
ORIGINS = ("origin-0", "origin-1")
EDGES = tuple(f"edge-{number}" for number in range(22))
SERVERS = (*ORIGINS, *EDGES)


class SlotFigures(NamedTuple):
    """What a server counts between two reports."""

    bytes_out: int
    connections: int


def streams_of(server: str) -> list[int]:
    """Return the streams of a server: each has one origin, and eleven edges."""
    kind, _, number = server.partition("-")
    first = 3 * int(number) if kind == "origin" else int(number)
    return sorted((first + more) % STREAMS for more in range(3))


def count_figures(server: str, number: int) -> SlotFigures:
    """Return what a server counts before a report."""
    return SlotFigures(1 + _draw(1_000, server, number), _draw(5, server, number, "connections"))


def count_joined(server: str, stream: int, number: int) -> int:
    """Return how many subscribers join a stream before a report."""
    return _draw(4, server, number, stream)


def publish_start(server: str, stream: int, number: int) -> int:
    """Return the start of the publish that a report contains. That of an origin is the start of the session."""
    start = BEGAN + number // EPISODE * EPISODE * STEP_MS + stream
    return start if server in ORIGINS else start + 1 + _draw(900, server, stream)


def publish_total(server: str, stream: int, number: int) -> int:
    """Return the subscribers that joined in the publish up to a report."""
    first = number // EPISODE * EPISODE
    return sum(count_joined(server, stream, each) for each in range(first, number + 1))


def make_report(server: str, number: int) -> Report:
    """Return a report, which has the revision `number + 1` and continues from `number`."""
    at, revision = BEGAN + (number + 1) * STEP_MS, number + 1
    slot = slot_of(at - 1)
    in_slot = [
        count_figures(server, each)
        for each in range(max(0, number - 3), number + 1)
        if slot_of(BEGAN + (each + 1) * STEP_MS - 1) == slot
    ]
    is_last = revision % EPISODE == 0
    return Report(
        server=server,
        role="origin" if server in ORIGINS else "edge",
        life="j1.1",
        epoch=1,
        since=number,
        upto=revision,
        sent_at=at,
        sync_interval_ms=STEP_MS,
        baseline=Baseline(
            at=at, boot="b", started_at=BEGAN, since=BEGAN, bytes_in=0, bytes_out=0, window=PeakWindow(at, 0, 0)
        ),
        based_on=None if number else Based(0, 0, ""),
        slots=(
            SlotRow(
                slot=slot,
                revision=revision,
                bytes_out=sum(each.bytes_out for each in in_slot),
                connections={"rtmp": sum(each.connections for each in in_slot)},
            ),
        ),
        spans=(SpanRow(from_ms=at - STEP_MS, to_ms=at, revision=revision, state="counted"),),
        sessions=tuple(_publish(server, stream, number, at, is_last) for stream in streams_of(server)),
        samples=tuple(
            SampleRow(slot=slot, scope="live", name=f"stream-{stream}", revision=revision, active=1, highest=2)
            for stream in streams_of(server)
        ),
    )


def _publish(server: str, stream: int, number: int, at: int, is_last: bool) -> SessionRow:
    return SessionRow(
        publish_id=f"{stream}-{number // EPISODE}",
        revision=number + 1,
        scope="live",
        name=f"stream-{stream}",
        start_time=publish_start(server, stream, number),
        end_time=at,
        live=not is_last,
        active=0 if is_last else 1 + _draw(9, server, stream, number),
        highest=9,
        total=publish_total(server, stream, number),
    )


def _draw(below: int, *of: object) -> int:
    return zlib.crc32(" ".join(map(str, of)).encode()) % below


async def write_reports(writer: Writer, server: str, number: int, reports: int) -> None:
    """Apply the reports of a server from one number on. Failed writes are repeated."""
    while number < reports:
        report = make_report(server, number)
        now_ms = report.sent_at + 1_000

        def work(connection: Connection, report: Report = report, now_ms: int = now_ms) -> Any:
            return ingest_report(connection, report, b"", now_ms)

        try:
            verdict = await writer.write(work, locks_of_report(report))
        except StoreError:
            await asyncio.sleep(0.01)
            continue
        assert isinstance(verdict, Acknowledgement | Refusal), verdict
        assert isinstance(verdict, Acknowledgement) or verdict.reason == "hole", verdict
        number = verdict.acknowledged


async def write_servers(store_url: str, reports: int, names: Sequence[str]) -> None:
    """Write the reports of some servers, at the same time."""
    store = open_store(store_url, BEGAN)
    writer = Writer(store)
    with store.reading() as connection:
        acknowledged = {server: load_state(connection, server)[0].acknowledged for server in names}
    async with asyncio.TaskGroup() as tasks:
        for server, number in acknowledged.items():
            tasks.create_task(write_reports(writer, server, number, reports))
    writer.stop()
    store.close()


def servers_of(writer: int, writers: int) -> list[str]:
    """Return the servers of a process: its own ones, and one that the next process has as well."""
    return [*SERVERS[writer::writers], SERVERS[(writer + 1) % writers]]


def start_writer(store_url: str, reports: int, names: Sequence[str]) -> int:
    """Start a process and return its id. A fork: a new interpreter would take seconds to import everything."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        asyncio.run(write_servers(store_url, reports, names))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def main(store_url: str, reports: int, writers: int) -> None:
    processes = [start_writer(store_url, reports, servers_of(number, writers)) for number in range(writers)]
    statuses = dict[int, int]()
    try:
        for command in sys.stdin:
            name, *numbers = command.split()
            for number in map(int, numbers) if name == "kill" else range(writers):
                if number in statuses:
                    continue
                if name == "kill":
                    os.kill(processes[number], signal.SIGKILL)
                _, status = os.waitpid(processes[number], 0)
                if name == "kill" and os.WIFSIGNALED(status):
                    processes[number] = start_writer(store_url, reports, servers_of(number, writers))
                else:
                    statuses[number] = status
            print(json.dumps(statuses), flush=True)
    finally:
        for number, process in enumerate(processes):
            if number not in statuses:
                os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    logging.disable(logging.ERROR)  # deadlocks are provoked
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
