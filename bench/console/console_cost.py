"""What consoles and retention cost the service: each figure with a baseline of the same run, a ratio and a target.

    python -m bench.console.console_cost [SCALE] [--json FILE]

Everything runs in this process on a SQLite store, without HTTP: processor time is comparable on a shared machine. The
baselines do what the service did before: a scan of all samples for each console, a page encoded for each console, a
list that is joined, and a write of all rows of a minute. At scale 1 there are 600,000 samples, 100,000 records, and
6,000 servers with slots to discard.
"""

import argparse
import asyncio
import gc
import json
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeVar

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, text

from streamusage.core.coverage import SLOT_MS, Interval
from streamusage.service.http.shared_answers import SharedAnswers, SharedTrends
from streamusage.service.http.timed_json import TimedJson
from streamusage.service.queries.changes import changes_since, changes_state
from streamusage.service.queries.record_list import RecordList, compress_body
from streamusage.service.queries.trends import list_trends
from streamusage.service.retention import DAY_MS, Retention, discard_rows
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.schema import samples, server_sessions, servers, slots, spans, stream_key, usage
from streamusage.service.store.store import Store, open_store

Result = TypeVar("Result")

NOW = 1_795_000_020_000
STREAMS = 10
MINUTES = 600
WINDOW = Interval(NOW - 59 * SLOT_MS, NOW + SLOT_MS)
PAGE = 10_000
TURNS = 5
_BEFORE = """
CREATE TABLE before (server TEXT NOT NULL, slot BIGINT NOT NULL, stream BLOB NOT NULL, epoch BIGINT NOT NULL,
revision BIGINT NOT NULL, active BIGINT NOT NULL, highest BIGINT NOT NULL, late BIGINT NOT NULL,
PRIMARY KEY (server, slot, stream)) WITHOUT ROWID
"""


class Row(NamedTuple):
    """A measured figure."""

    figure: str
    value: float
    unit: str
    baseline: float
    target: float
    """Largest ratio to the baseline."""

    @property
    def ratio(self) -> float:
        return self.value / self.baseline

    def __str__(self) -> str:
        return (
            f"{self.figure:58} {self.value:10,.2f} {self.unit:3} baseline {self.baseline:10,.2f}   "
            f"ratio {self.ratio:6.3f}   target {self.target:5.2f}"
        )


class Keeper:
    """Access of retention to the store, with the processor time of its writes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.writes: list[tuple[float, int]] = []
        """Seconds and rows of each write."""

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        with self.store.reading() as connection:
            return work(connection)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        began = time.process_time()
        with self.store.writing() as connection:
            driver: Any = connection.connection.dbapi_connection
            before = driver.total_changes()
            with connection.begin():
                result = work(connection)
            self.writes.append((time.process_time() - began, driver.total_changes() - before))
        return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.console.console_cost")
    parser.add_argument("scale", nargs="?", type=float, default=1.0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    rows: list[Row] = []
    for measure in (measure_samples, measure_records, measure_retention):
        with tempfile.TemporaryDirectory() as directory:
            store = open_store(sqlite_url(Path(directory) / "bench.db"), NOW)
            try:
                for row in measure(store, arguments.scale):
                    print(row, flush=True)
                    rows.append(row)
            finally:
                store.close()
    if arguments.json:
        arguments.json.write_text(json.dumps([row._asdict() | {"ratio": row.ratio} for row in rows], indent=1))


def measure_samples(store: Store, scale: float) -> list[Row]:
    """Measure the bytes of a sample, and trends for one and ten consoles."""
    names = [f"edge-{number:05}" for number in range(round(100 * scale))]
    count = len(names) * STREAMS * MINUTES
    with store.writing() as connection, connection.begin():
        connection.execute(insert(servers), [_server(name) for name in names])
        connection.execute(insert(spans), [_live_span(name) for name in names])
        connection.execute(insert(server_sessions), [_session(name, n) for name in names for n in range(STREAMS)])
    bytes_after = _grown_bytes(store, lambda connection: _fill_samples(connection, names, samples.name))
    with store.writing() as connection, connection.begin():
        connection.execute(text(_BEFORE))
        connection.execute(text("CREATE INDEX before_by_stream ON before (stream, slot)"))
    bytes_before = _grown_bytes(store, lambda connection: _fill_samples(connection, names, "before"))

    scan = text("SELECT server, slot, stream, active, highest FROM before WHERE slot >= :first AND slot < :last")
    bounds = {"first": WINDOW.from_ms, "last": WINDOW.to_ms}
    with store.reading() as connection:

        def before_for_one() -> None:
            connection.execute(scan, bounds).all()
            list_trends(connection, WINDOW, SLOT_MS, NOW)

        before = _processor_ms(before_for_one)
    return [
        Row("bytes of a sample", bytes_after / count, "B", bytes_before / count, 0.7),
        *(
            Row(f"trends of {len(names) * STREAMS:,} streams, {consoles} console{'s' * (consoles > 1)}, one minute",
                _processor_ms(lambda consoles=consoles: asyncio.run(_consoles(store, consoles))), "ms",  # type: ignore[misc]
                before * consoles, target)
            for consoles, target in ((1, 1.0), (10, 0.15))
        ),
    ]  # fmt: skip


async def _consoles(store: Store, consoles: int) -> None:
    async def read(work: Callable[[Connection], Result]) -> Result:
        def run() -> Result:
            with store.reading() as connection:
                return work(connection)

        return await asyncio.to_thread(run)

    shared = SharedTrends(read)
    answers = await asyncio.gather(*(shared.answer(WINDOW, SLOT_MS, NOW) for _ in range(consoles)))
    for answer in answers:
        answer.body(NOW, "zstd")


def measure_records(store: Store, scale: float) -> list[Row]:
    """Measure pages of changes, and the memory of the list."""
    count = round(100_000 * scale)
    with store.writing() as connection, connection.begin():
        connection.execute(insert(usage), [_record(number) for number in range(count)])
        connection.execute(text("UPDATE counters SET value = :count WHERE name = 'change'"), {"count": count})
    pages = SharedAnswers()
    with store.reading() as connection:

        def encoded_anew() -> None:
            compress_body(msgspec.json.encode(changes_since(connection, None, PAGE, NOW)), "zstd")

        def shared() -> None:
            state = changes_state(connection)
            page = pages.find(PAGE, state)
            if page is None:
                page = TimedJson(changes_since(connection, None, PAGE, NOW))
                pages.keep(PAGE, state, page)
            page.body(NOW, "zstd")

        anew = _processor_ms(encoded_anew)
        shared()
        rows = [Row(f"page of {PAGE:,} changes, each further console", _processor_ms(shared), "ms", anew, 0.1)]

        records = RecordList()
        built = _peak_mb(lambda: records.encoded(connection, ""))
        body = records.encoded(connection, "")[1]
        size = body.size_bytes / 1e6
        sent = _peak_mb(lambda: sum(map(len, records.encoded(connection, "")[1].pieces())))
        packed = _peak_mb(lambda: records.encoded(connection, "zstd"))
    return [
        *rows,
        Row(f"memory to build the list of {count:,}, in its size", built, "MB", size, 1.5),
        Row("memory to send it, in its size", sent, "MB", size, 0.1),
        Row("memory to compress it, in its size", packed, "MB", size, 0.5),
    ]


def measure_retention(store: Store, scale: float) -> list[Row]:
    """Measure the longest write of retention, by time and by rows, where three minutes of many servers are due."""
    names = [f"edge-{number:05}" for number in range(round(6_000 * scale))]
    old = NOW - 500 * DAY_MS
    old -= old % SLOT_MS
    with store.writing() as connection, connection.begin():
        connection.execute(insert(servers), [_server(name) for name in names])
        for minute in range(3):
            connection.execute(insert(slots), [_slot(name, old + minute * SLOT_MS) for name in names])

    def minute_at_once(connection: Connection) -> None:
        connection.execute(delete(slots).where(slots.c.slot < old + SLOT_MS))

    keeper = Keeper(store)
    asyncio.run(keeper.write(minute_at_once))
    (whole_seconds, whole_rows), keeper.writes = keeper.writes[0], []
    asyncio.run(discard_rows(keeper, Retention(), NOW))
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(slots)).scalar_one() == 0
    seconds, rows = max(took for took, _ in keeper.writes), max(changed for _, changed in keeper.writes)
    return [
        Row("longest write of retention", seconds * 1000, "ms", whole_seconds * 1000, 1.0),
        Row("most rows in a write of retention", rows, "", whole_rows, 5_000 / whole_rows),
    ]


def _fill_samples(connection: Connection, names: list[str], table: str) -> None:
    """Insert minute by minute, as reports do."""
    columns = "server, stream, slot, epoch, revision, active, highest, late"
    statement = text(
        f"INSERT INTO {table} ({columns}) VALUES (:server, :stream, :slot, 2, :revision, :active, :highest, 0)"
    )
    keys = [(name, stream_key("live", f"{name}-{number}")) for name in names for number in range(STREAMS)]
    for minute in range(MINUTES):
        slot = NOW - (MINUTES - 1 - minute) * SLOT_MS
        connection.execute(
            statement,
            [
                {"server": name, "stream": stream, "slot": slot, "revision": minute * 60, "active": 70, "highest": 90}
                for name, stream in keys
            ],
        )


def _grown_bytes(store: Store, work: Callable[[Connection], None]) -> int:
    """Return by how much the store grows."""
    size = text("SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, "
                "pragma_page_size")  # fmt: skip
    with store.writing() as connection, connection.begin():
        before = connection.execute(size).scalar_one()
        work(connection)
        return int(connection.execute(size).scalar_one() - before)


def _processor_ms(work: Callable[[], object]) -> float:
    took = []
    for _ in range(TURNS):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return median(took) * 1000


def _peak_mb(work: Callable[[], object]) -> float:
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def _server(name: str) -> dict[str, Any]:
    return {
        "server": name, "role": "edge", "epoch": 2, "life": "j.1", "issued": 2, "acknowledged": 1,
        "since": NOW - DAY_MS, "watermark": NOW, "baseline": None, "sync_interval_ms": 10_000, "phase": "online",
        "last_sync_at": NOW, "clock_offset_ms": 0, "owes": "",
    }  # fmt: skip


def _live_span(name: str) -> dict[str, Any]:
    return {"server": name, "from_ms": NOW - DAY_MS, "to_ms": NOW, "state": "live", "reason": ""}


def _session(name: str, number: int) -> dict[str, Any]:
    stream = f"{name}-{number}"
    return {
        "server": name, "epoch": 2, "publish_id": f"p{number}", "revision": 1, "stream": stream_key("live", stream),
        "scope": "live", "name": stream, "start_time": NOW - DAY_MS, "end_time": NOW, "live": 1, "active": 70,
        "highest": 90, "total": 100, "anchors": 1, "late": 0, "session_start": NOW - DAY_MS,
    }  # fmt: skip


def _record(number: int) -> dict[str, Any]:
    start, name = NOW - DAY_MS + number, f"stream-{number}"
    return {
        "stream": stream_key("live/room", name), "start_time": start, "scope": "live/room", "name": name,
        "end_time": start + 8_820, "duration": 8_820, "active_subscribers": 2, "max_subscribers": 2,
        "lost_subscribers": 2, "total_subscribers": 4, "updated": start + 8_821, "live": 0, "provenance": "imported",
        "touched_at": NOW, "change": number + 1,
    }  # fmt: skip


def _slot(name: str, slot: int) -> dict[str, Any]:
    figures = {"revision": 1, "bytes_in": 3_000_000, "bytes_out": 30_000_000, "view_time_ms": 900_000}
    late = {"late_bytes_in": 0, "late_bytes_out": 0, "late_view_time_ms": 0}
    return {"server": name, "epoch": 1, "slot": slot} | figures | late


if __name__ == "__main__":
    main()
