"""Speed of daily statistics: closed days, summed UTC days in another zone, and slots alone, as ratios; and of the
statement of a month, against reading its rows.

    python -m bench.service.daily_statistics [SERVERS] [DAYS]

The store is filled with the same hour for every server, directly and not through reports, because only reads are
measured. The slots alone are summed for some of the servers and scaled to all of them.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, select

from streamusage.core.coverage import SLOT_MS
from streamusage.core.days import day_interval, zone
from streamusage.evidence.keys import new_key
from streamusage.evidence.statement import NamedKey, parse, to_bytes
from streamusage.evidence.verification import verify
from streamusage.service.accounting.closing import advance_accounting, is_accounting_due
from streamusage.service.accounting.hours import find_unsummed, sum_hours
from streamusage.service.accounting.utc_days import find_unsummed_days, sum_days
from streamusage.service.queries.daily import list_daily_statistics
from streamusage.service.queries.daily_sums import list_daily_sums
from streamusage.service.queries.statement import compose_statement
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.schema import (
    BULK_OF_CLOSING,
    chain,
    closed_days,
    servers,
    slot_connections,
    slots,
    spans,
)
from streamusage.service.store.store import open_store

FIRST = date(2026, 10, 1)
UTC = zone("UTC")
FROM_MS = day_interval(FIRST, UTC).from_ms
HOUR_MS = 3_600_000


def main() -> None:
    number, days = (int(text) for text in (*sys.argv[1:], "500", "30")[:2])
    last = FIRST + timedelta(days=days - 1)
    to_ms = FROM_MS + days * 86_400_000
    with tempfile.TemporaryDirectory() as directory:
        store = open_store(sqlite_url(Path(directory) / "bench.db"), to_ms)
        sampled = max(1, number // 25)
        with store.writing() as connection, connection.begin():
            fill(connection, number, sampled, days, to_ms)
        summing, hours_summed = time.perf_counter(), sampled * days * 24
        with store.writing() as connection, connection.begin():
            while behind := list(find_unsummed(connection)):
                sum_hours(connection, behind)
        summing = time.perf_counter() - summing
        with store.writing() as connection, connection.begin():
            spread_hours(connection, number, sampled)
        summing_days = time.perf_counter()
        while True:
            with store.writing() as connection, connection.begin():
                if not (unsummed := find_unsummed_days(connection)):
                    break
                sum_days(connection, unsummed)
        summing_days = time.perf_counter() - summing_days
        closing = time.perf_counter()
        with store.writing() as connection, connection.begin():
            while is_accounting_due(connection, [UTC], to_ms + HOUR_MS):
                advance_accounting(connection, [UTC], to_ms + HOUR_MS)
        closing = time.perf_counter() - closing
        now = to_ms + HOUR_MS
        with store.reading() as connection:
            closed = timed(lambda: list_daily_statistics(connection, FIRST, last, UTC, now, None, ["UTC"]))
            whole_hours = timed(
                lambda: list_daily_statistics(connection, FIRST, last, zone("Europe/Berlin"), now, None)
            )
            quarters = timed(lambda: list_daily_statistics(connection, FIRST, last, zone("Asia/Kathmandu"), now, None))
            month = timed(lambda: list_daily_sums(connection, FIRST, last, UTC, now, None, ["UTC"], "month", "all"))
            one_server = timed(
                lambda: list_daily_statistics(connection, FIRST, last, zone("Asia/Kolkata"), now, "edge-0000")
            )
            from_slots = timed(lambda: slot_sums(connection, days)) * number / sampled
            statements = time_statement(connection, last - timedelta(days=min(days, 30) - 1), last, now)
        store.close()
    rows = number * days
    print(f"{number} servers x {days} days, {rows:,} rows; in seconds, and slots alone as a multiple of it")
    for label, seconds in (
        ("closed days (account zone)", closed),
        ("summed UTC days (Europe/Berlin)", whole_hours),
        ("summed UTC days at quarters (Asia/Kathmandu)", quarters),
        ("month of the whole estate (account zone)", month),
    ):
        print(f"  {label:44} {seconds:7.2f} s   {from_slots / seconds:6.1f} x")
    print(f"  {'one server (Asia/Kolkata)':44} {one_server:7.3f} s")
    print(f"  {'slots alone, sums only, in proportion':44} {from_slots:7.2f} s")
    rows_read, statement, verified = statements
    print(
        f"  {'statement of the last 30 days, signed':44} {statement:7.2f} s   {statement / rows_read:6.1f} x their rows"
    )
    print(
        f"  {'its verification, without the service':44} {verified:7.2f} s   {verified / rows_read:6.1f} x their rows"
    )
    print(
        f"  an hour of one server is summed in {summing / hours_summed * 1e6:.0f} us; a UTC day in "
        f"{summing_days / rows * 1e6:.0f} us; a day closed in {closing / rows * 1e6:.0f} us"
    )


def fill(connection: Connection, number: int, sampled: int, days: int, to_ms: int) -> None:
    """Insert servers whose time is all live, and slots for the first `sampled` of them."""
    names = [f"edge-{at:04}" for at in range(number)]
    connection.execute(
        insert(servers),
        [
            {"server": name, "role": "edge", "epoch": 1, "life": "j.1", "issued": 1, "acknowledged": 1,
             "since": FROM_MS, "watermark": to_ms, "baseline": None, "sync_interval_ms": 10_000, "phase": "online",
             "last_sync_at": to_ms, "clock_offset_ms": 0, "owes": "",
             "summed_to": 0 if at < sampled else to_ms}
            for at, name in enumerate(names)
        ],
    )  # fmt: skip
    connection.execute(
        insert(spans),
        [
            {"server": name, "from_ms": FROM_MS, "to_ms": to_ms, "state": "live", "reason": "", "detected_at": None,
             "filled_at": None}
            for name in names
        ],
    )  # fmt: skip
    for name in names[:sampled]:
        minutes = range(FROM_MS, to_ms, SLOT_MS)
        connection.execute(insert(slots), [slot_row(name, slot, at) for at, slot in enumerate(minutes)])
        connection.execute(
            insert(slot_connections),
            [
                {
                    "server": name,
                    "epoch": 1,
                    "slot": slot,
                    "protocol": kind,
                    "connections": 3,
                    "late_connections": 0,
                }
                for slot in minutes
                for kind in ("rtmp", "hls")
            ],
        )


def slot_row(name: str, slot: int, at: int) -> dict[str, Any]:
    moved = 30_000_000 + at * 7919 % 20_000_000
    peak = {"bps": moved // 7, "at": slot + 20_000, "window_ms": 10_000}
    return {
        "server": name, "epoch": 1, "slot": slot, "revision": at, "bytes_in": moved // 9, "bytes_out": moved,
        "view_time_ms": 900_000, "late_bytes_in": 0, "late_bytes_out": 0, "late_view_time_ms": 0,
        **{f"peak_{way}_{key}": value for way in ("in", "out") for key, value in peak.items()},
    }  # fmt: skip


def spread_hours(connection: Connection, number: int, sampled: int) -> None:
    """Copy the hours of the first servers to the others."""
    for at in range(sampled, number):
        connection.exec_driver_sql(
            "INSERT INTO hours SELECT hour, ?, whole, quarters, minutes_in, minutes_out FROM hours WHERE server = ?",
            (f"edge-{at:04}", f"edge-{at % sampled:04}"),
        )


def slot_sums(connection: Connection, days: int) -> None:
    """Query the plain sums of each day's slots by server, without summed hours."""
    for day in range(days):
        from_ms = FROM_MS + day * 86_400_000
        for table, sums in (
            (slots, (slots.c.bytes_in, slots.c.bytes_out, slots.c.view_time_ms)),
            (slot_connections, (slot_connections.c.connections,)),
        ):
            query = select(table.c.server, *map(func.sum, sums))
            query = query.where(table.c.slot >= from_ms, table.c.slot < from_ms + 86_400_000).group_by(table.c.server)
            connection.execute(query).all()


def time_statement(connection: Connection, first: date, last: date, now_ms: int) -> tuple[float, float, float]:
    """Return the seconds to read the rows of closed days and the chain, to make their statement, and to verify it."""
    key = new_key()
    named = NamedKey(name=key.public.name)
    columns = [column for column in closed_days.c if column.name not in (*BULK_OF_CLOSING, "current")]
    within = (closed_days.c.day >= first.isoformat(), closed_days.c.day <= last.isoformat())
    entries = select(chain).where(chain.c.day >= first.isoformat(), chain.c.day <= last.isoformat())
    rows_read = timed(lambda: [connection.execute(query).all() for query in (select(*columns).where(*within), entries)])

    def make() -> bytes:
        found = to_bytes(compose_statement(connection, first, last, UTC, None, ["UTC"], named, now_ms))
        signatures.append(key.sign(found))
        return found

    signatures: list[bytes] = []
    contents: list[bytes] = []
    made = timed(lambda: contents.append(make()))
    checked = timed(lambda: verify(contents[0], parse(contents[0]), signatures[0], key.public, now_ms))
    return rows_read, made, checked


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
