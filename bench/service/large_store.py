"""Reads of a large store on PostgreSQL as ratios to plain SELECTs of the same rows, with what is read as a whole; and
reports beside retention.

`python -m bench.service.large_store` fills a store with 100 servers and 200,000 sessions, closes 90 days, and discards
200,000 samples. `--full` fills it with 1,000 servers and 1,000,000 sessions, and discards 10,000,000 samples.

Each query is the service's own and runs on a snapshot of the store, without HTTP. The plain SELECT fetches the same
rows with psycopg and drops them. The scans are those of the plans that were executed: a table of more than 10,000 rows
that is read as a whole, although most of it is not needed, is reported and is a failure.
"""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import Connection

from bench.percentiles import percentile
from bench.service.stores.discarded_samples import measure_discarding
from bench.service.stores.durable_servers import ALONE, DurableServer, describe_machine, durable_server
from bench.service.stores.generated_rows import StoreSize, fill_store, server_name
from bench.service.stores.statement_plans import TableScan, executed_plans
from streamusage.core.coverage import Interval
from streamusage.core.days import day_of, zone
from streamusage.service.queries.changes import changes_since
from streamusage.service.queries.coverage import list_coverage, list_servers
from streamusage.service.queries.daily import list_daily_statistics
from streamusage.service.queries.daily_sums import list_daily_sums
from streamusage.service.rules.utc_days import DAY_MS
from streamusage.service.store.change_feed import parse_cursor
from streamusage.service.store.store import Store, open_store

DEFAULT = StoreSize(servers=100, days=90, slot_days=2, sessions=200_000)
FULL = StoreSize(servers=1_000, days=90, slot_days=2, sessions=1_000_000)
DEFAULT_SAMPLES, FULL_SAMPLES = 200_000, 10_000_000
LARGE_ROWS = 10_000
"""Rows of a table that should not be read as a whole for a few of them."""
LONGEST_WAIT_MS = 100
"""Target of the longest report beside retention."""
TURNS = 3
REPORT_SECONDS = 5.0
UTC, BERLIN = zone("UTC"), zone("Europe/Berlin")
_CLOSED = "server, day, figures, current, from_ms, to_ms, revision, closed_at, closed_by, rule, watermark, entries"


class LargeRead(NamedTuple):
    """A query of the service, and the plain SELECT of the rows that it needs."""

    name: str
    query: Callable[[Connection], object]
    plain: str
    values: tuple[Any, ...] = ()


class ReadCost(NamedTuple):
    """What a query costs."""

    name: str
    ms: float
    plain_ms: float
    rows: int
    """Of the plain SELECT."""
    statements: int
    scans: list[TableScan]

    @property
    def wasteful(self) -> list[TableScan]:
        """The scans that read mostly what was not needed."""
        return [scan for scan in self.scans if scan.is_wasteful]


def large_reads(connection: Connection, size: StoreSize, now_ms: int) -> list[LargeRead]:
    """Return what is measured."""
    first_page = changes_since(connection, None, 10, now_ms)
    cursor = parse_cursor(first_page.cursor)
    assert cursor is not None

    def cursor_at(change: int) -> str:
        return str(cursor._replace(change=change, deletes_from=0))

    newest = size.sessions + size.sessions // 100
    middle, recent = size.sessions // 2, size.sessions - 100
    today = day_of(now_ms, UTC)
    month_ago, oldest = today - timedelta(days=30), today - timedelta(days=size.days)
    yesterday = today - timedelta(days=1)
    day, all_days = Interval(now_ms - DAY_MS, now_ms), Interval(now_ms - size.days * DAY_MS, now_ms)
    server = server_name(size.servers // 2)
    after = "SELECT * FROM usage WHERE change > %s ORDER BY change LIMIT %s"
    deleted = "SELECT * FROM tombstones WHERE change > %s ORDER BY change LIMIT %s"
    covered = "SELECT * FROM spans WHERE to_ms > %s AND from_ms < %s"
    closed = f"SELECT {_CLOSED} FROM closed_days WHERE tz = 'UTC' AND day >= %s AND day <= %s"

    def daily(first: date, last: date, name: str, server: str | None = None) -> Callable[[Connection], object]:
        return lambda connection: list_daily_statistics(connection, first, last, zone(name), now_ms, server, ["UTC"])

    return [
        LargeRead(
            "changes, first page of 10,000", lambda c: changes_since(c, None, 10_000, now_ms), after, (0, 10_001)
        ),
        LargeRead(
            "changes, 1,000 in the middle",
            lambda c: changes_since(c, cursor_at(middle), 1_000, now_ms),
            after,
            (middle, 1_001),
        ),
        LargeRead(
            "changes, newest 100 and all deletes",
            lambda c: changes_since(c, cursor_at(recent), 100_000, now_ms),
            f"{deleted}",
            (recent, 100_000),
        ),
        LargeRead(
            "changes, none", lambda c: changes_since(c, cursor_at(newest), 1_000, now_ms), after, (newest, 1_000)
        ),
        LargeRead("servers", lambda c: list_servers(c, now_ms), "SELECT * FROM servers"),
        LargeRead("coverage of a day", lambda c: list_coverage(c, day, now_ms, None), covered, day),
        LargeRead(
            f"coverage of {size.days} days, one server",
            lambda c: list_coverage(c, all_days, now_ms, server),
            f"{covered} AND server = %s",
            (*all_days, server),
        ),
        LargeRead(
            f"coverage of {size.days} days", lambda c: list_coverage(c, all_days, now_ms, None), covered, all_days
        ),
        LargeRead(
            "daily, 30 closed days", daily(month_ago, yesterday, "UTC"), closed, (str(month_ago), str(yesterday))
        ),
        LargeRead(
            f"daily, {size.days} closed days, one server",
            daily(oldest, yesterday, "UTC", server),
            f"{closed} AND server = %s",
            (str(oldest), str(yesterday), server),
        ),
        LargeRead(
            "daily, 30 days of Europe/Berlin",
            daily(month_ago, yesterday - timedelta(days=1), "Europe/Berlin"),
            "SELECT * FROM utc_days WHERE day >= %s AND day < %s",
            (now_ms - now_ms % DAY_MS - 31 * DAY_MS, now_ms - now_ms % DAY_MS - DAY_MS),
        ),
        LargeRead(
            "daily, today",
            daily(today, today, "UTC"),
            "SELECT server, hour, whole, minutes_in, minutes_out FROM hours WHERE hour >= %s",
            (now_ms - now_ms % DAY_MS,),
        ),
        LargeRead(
            "daily sums of 7 days of the estate",
            lambda c: list_daily_sums(
                c, today - timedelta(days=7), yesterday, UTC, now_ms, None, ["UTC"], "day", "all"
            ),
            f"SELECT {_CLOSED}, samples FROM closed_days WHERE tz = 'UTC' AND day >= %s AND day <= %s",
            (str(today - timedelta(days=7)), str(yesterday)),
        ),
    ]


def measure_read(store: Store, url: str, read: LargeRead) -> ReadCost:
    """Measure a query in turns with its plain SELECT, and then what its plans read as a whole."""
    took, plain = [], []
    with psycopg.connect(url) as session:
        for _ in range(TURNS):
            began = time.perf_counter()
            rows = len(session.execute(read.plain.encode(), read.values).fetchall())
            plain.append(time.perf_counter() - began)
            with store.reading() as connection:
                began = time.perf_counter()
                read.query(connection)
                took.append(time.perf_counter() - began)
        sizes: dict[str, float] = dict(session.execute("SELECT relname, reltuples FROM pg_class").fetchall())
    with store.reading() as connection, executed_plans(connection) as plans:
        read.query(connection)
    scans = [scan for scan in plans.scans if sizes.get(scan.table, 0) > LARGE_ROWS]
    return ReadCost(read.name, median(took) * 1000, median(plain) * 1000, rows, plans.statements, scans)


def describe_read(cost: ReadCost) -> str:
    """Return the lines of a query."""
    lines = [
        f"  {cost.name:40} {cost.ms:8.1f} ms, plain SELECT of {cost.rows:7,} rows {cost.plain_ms:8.1f} ms, "
        f"ratio {cost.ms / cost.plain_ms:5.1f}, {cost.statements} statements"
    ]
    for scan in cost.scans:
        verdict = "FULL SCAN" if scan.is_wasteful else "reads all, needs most"
        lines.append(f"    {verdict}: {scan.table}, {scan.kept:,} rows of {scan.kept + scan.removed:,}")
    return "\n".join(lines)


def measure_reads(server: DurableServer, size: StoreSize) -> list[ReadCost]:
    """Fill a store and measure all reads."""
    with server.database() as url:
        began = time.monotonic()
        now_ms = asyncio.run(fill_store(url, size))
        with psycopg.connect(url) as session:
            found = session.execute("SELECT pg_database_size(current_database())").fetchone()
        stored = 0 if found is None else found[0]
        print(
            f"{size.servers:,} servers x {size.days} days, slots for {size.slot_days} days, {size.sessions:,} "
            f"sessions: {stored / 1e9:.1f} GB, filled in {time.monotonic() - began:.0f} s",
            flush=True,
        )
        store = open_store(url, now_ms)
        try:
            with store.reading() as connection:
                reads = large_reads(connection, size, now_ms)
            costs = []
            for read in reads:
                costs.append(measure_read(store, url, read))
                print(describe_read(costs[-1]), flush=True)
            return costs
        finally:
            store.close()


def measure_retention(server: DurableServer, count: int) -> dict[str, float]:
    """Discard samples while reports come in, print the figures and return them."""
    with server.database() as url, tempfile.TemporaryDirectory() as name:
        found = asyncio.run(measure_discarding(Path(name), url, count, REPORT_SECONDS))
    longest, before = max(found.beside_ms), max(found.before_ms)
    print(
        f"{found.samples:,} samples discarded in {found.seconds:.1f} s; reports beside it: longest {longest:.0f} ms, "
        f"p99 {percentile(found.beside_ms, 0.99):.0f} ms, p50 {median(found.beside_ms):.0f} ms (target of the longest "
        f"{LONGEST_WAIT_MS}); without it: longest {before:.0f} ms, p99 {percentile(found.before_ms, 0.99):.0f} ms, "
        f"p50 {median(found.before_ms):.0f} ms; ratio of the longest {longest / before:.1f}"
    )
    return {"samples": found.samples, "seconds": found.seconds, "longest_ms": longest, "longest_before_ms": before}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.service.large_store")
    parser.add_argument("--full", action="store_true", help="the sizes of the targets: long, and 10 GB on the disk")
    parser.add_argument("--servers", type=int)
    parser.add_argument("--days", type=int)
    parser.add_argument("--sessions", type=int)
    parser.add_argument("--samples", type=int, help="samples that retention discards; 0 skips retention")
    parser.add_argument("--no-reads", action="store_true", help="measure retention only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    arguments = parser.parse_args()
    given = {name: getattr(arguments, name) for name in ("servers", "days", "sessions")}
    size = (FULL if arguments.full else DEFAULT)._replace(
        **{name: value for name, value in given.items() if value is not None}
    )
    samples = FULL_SAMPLES if arguments.full else DEFAULT_SAMPLES
    samples = samples if arguments.samples is None else arguments.samples
    logging.getLogger("streamusage").setLevel(logging.ERROR)
    print(describe_machine())
    costs: list[ReadCost] = []
    document: dict[str, Any] = {}
    if arguments.no_reads:
        print("skipped: reads")
    else:
        if size != FULL:
            print(f"skipped: the sizes of --full ({FULL.servers:,} servers, {FULL.sessions:,} sessions)")
        with durable_server(ALONE, has_fsync=False) as server:
            costs = measure_reads(server, size)
        document["reads"] = [cost._asdict() | {"scans": [scan._asdict() for scan in cost.scans]} for cost in costs]
    if not samples:
        print("skipped: retention")
    else:
        if samples < FULL_SAMPLES:
            print(f"skipped: the {FULL_SAMPLES:,} samples of --full")
        with durable_server(ALONE) as server:
            document["retention"] = measure_retention(server, samples)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")
    if wasteful := [cost.name for cost in costs if cost.wasteful]:
        sys.exit(f"large tables are read as a whole for a part of their rows: {'; '.join(wasteful)}")


if __name__ == "__main__":
    main()
