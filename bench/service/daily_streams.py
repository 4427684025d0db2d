"""Speed of daily statistics by stream and by customer: from hours by stream, and from closed days, against the sums of
the servers; and of the statement of these days with its customers, against reading its rows.

    python -m bench.service.daily_streams [SERVERS] [STREAMS] [DAYS]

Each stream is on three servers. The store is filled with the same hours for every day, directly and not through
reports, because only reads and closings are measured.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select

from streamusage.core.coverage import SLOT_MS
from streamusage.core.days import day_interval, zone
from streamusage.evidence.keys import new_key
from streamusage.evidence.statement import NamedKey, to_bytes
from streamusage.service.accounting.closing import advance_accounting, is_accounting_due
from streamusage.service.queries.daily_sums import list_daily_sums
from streamusage.service.queries.statement import compose_statement
from streamusage.service.rules.customers import CustomerRules, DatedRule
from streamusage.service.rules.rollups import HOUR_MS, Rollup, SlotRollup, roll_up_hours
from streamusage.service.rules.stream_hours import roll_up_streams
from streamusage.service.rules.stream_slots import StreamShare, share_columns
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.schema import BULK_OF_CLOSING, chain, closed_days, hours, servers, spans, stream_hours
from streamusage.service.store.store import open_store
from streamusage.service.store.streams.stream_hours import encode_hour

FIRST = date(2026, 10, 1)
UTC, BERLIN = zone("UTC"), zone("Europe/Berlin")
FROM_MS = day_interval(FIRST, UTC).from_ms
DAY_MS = 24 * HOUR_MS
CUSTOMERS = CustomerRules([DatedRule(name=f"Customer {scope}", scopes=(f"live{scope}",)) for scope in range(20)])
ON_SERVERS = 3
MEASURED = 4
"""Servers whose hours differ from each other, from which bytes are measured; those of others are copies."""


def main() -> None:
    number, streams, days = (int(text) for text in (*sys.argv[1:], *("500", "2000", "3")[len(sys.argv) - 1 :]))
    last = FIRST + timedelta(days=days - 1)
    to_ms = FROM_MS + days * DAY_MS
    now = to_ms + HOUR_MS
    with tempfile.TemporaryDirectory() as directory:
        store = open_store(sqlite_url(Path(directory) / "bench.db"), to_ms)
        with store.writing() as connection, connection.begin():
            fill(connection, number, streams, to_ms + HOUR_MS)
        with store.reading() as connection:

            def sums(group: str, by: str, tz: Any = BERLIN, zones: tuple[str, ...] = ()) -> float:
                return timed(
                    lambda: list_daily_sums(
                        connection, FIRST, last, tz, now, None, zones, by, group, customers=CUSTOMERS
                    )
                )

            of_servers, open_days, open_scopes = sums("server", "month"), sums("stream", "month"), sums("scope", "day")
            open_customers = sums("customer", "month")
        closing = 0.0
        while True:
            with store.writing() as connection, connection.begin():
                if not is_accounting_due(connection, [UTC], now):
                    break
                closing += timed(lambda connection=connection: advance_accounting(connection, [UTC], now, 0, CUSTOMERS))  # type: ignore[misc]
        with store.reading() as connection:
            closed_servers, closed, closed_customers = (
                sums(group, "month", UTC, ("UTC",)) for group in ("server", "stream", "customer")
            )
            rows_read, statement = time_statement(connection, last, now)
            size = func.sum(func.length(closed_days.c.streams) + func.length(closed_days.c.stream_minutes))
            measured = [f"edge-{at:04}" for at in range(MEASURED)]
            closed_bytes = connection.execute(select(size).where(closed_days.c.server.in_(measured))).scalar_one()
            size = func.sum(func.length(stream_hours.c.figures) + func.length(stream_hours.c.minutes))
            hour_bytes = connection.execute(select(size).where(stream_hours.c.server.in_(measured))).scalar_one()
        store.close()
    parts = streams * ON_SERVERS * days * MEASURED // number
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{number} servers, {streams} streams on {ON_SERVERS} servers each, {days} days; CPU seconds a day, and ratio"
    )
    for label, seconds, base in (
        ("by server, from hours", of_servers, of_servers),
        ("by stream, from hours by stream", open_days, of_servers),
        ("by scope and day, from hours by stream", open_scopes, of_servers),
        ("by server, closed days", closed_servers, closed_servers),
        ("by stream, closed days", closed, closed_servers),
        ("by customer, from hours by stream", open_customers, of_servers),
        ("by customer, closed days", closed_customers, closed_servers),
        ("closing", closing, closed_servers),
        ("rows of the statement, read", rows_read, rows_read),
        ("statement with customers, signed", statement, rows_read),
    ):
        print(f"  {label:40} {seconds / days:7.2f} s   {seconds / base:6.1f} x")
    sizes = f"{hour_bytes // parts:,} in hours, {closed_bytes // parts:,} closed"
    print(f"  bytes of a stream on a server in a day: {sizes}")
    print(f"  memory of this process at most {memory} MB")


def fill(connection: Connection, number: int, streams: int, to_ms: int) -> None:
    """Insert servers whose time is all live, their hours, and the hours of their streams."""
    names = [f"edge-{at:04}" for at in range(number)]
    common = {"role": "edge", "epoch": 1, "life": "j.1", "issued": 1, "acknowledged": 1, "since": FROM_MS,
              "watermark": to_ms, "baseline": None, "sync_interval_ms": 10_000, "phase": "online",
              "last_sync_at": to_ms, "clock_offset_ms": 0, "owes": "", "summed_to": to_ms}  # fmt: skip
    connection.execute(insert(servers), [{"server": name} | common for name in names])
    live = {"from_ms": FROM_MS, "to_ms": to_ms, "state": "live", "reason": "", "detected_at": None, "filled_at": None}
    connection.execute(insert(spans), [{"server": name} | live for name in names])
    of_server: dict[int, list[int]] = {}
    for stream in range(streams):
        for copy in range(ON_SERVERS):
            of_server.setdefault((stream * ON_SERVERS + copy * 7) % number, []).append(stream)
    for at, name in enumerate(names):
        random = Random(at)
        made = [make_hour(random, of_server.get(at, [])) for _ in range(24 if at < MEASURED else 1)]
        starts = list(enumerate(range(FROM_MS, to_ms, HOUR_MS)))
        for table, kind in ((hours, 0), (stream_hours, 1)):
            rows = [{"server": name, "hour": start} | made[hour % len(made)][kind] for hour, start in starts]
            connection.execute(insert(table), rows)


def make_hour(random: Random, streams: list[int]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return the columns of an hour of a server and of its streams: 2.5 Mbit/s in each, viewers on every second."""
    slots, of_streams = [], []
    for slot in range(0, HOUR_MS, SLOT_MS):
        shares = [
            StreamShare(f"live{stream % 20}", f"camera-{stream:04}", "measured", random.randrange(3),
                        int(18.75e6 * random.uniform(0.9, 1.1)), stream % 2 * int(4e8 * random.uniform(0.9, 1.1)),
                        stream % 2 * random.randrange(3_000_000), 0, 0, 0, 0)
            for stream in sorted(streams)
        ]  # fmt: skip
        of_streams.append((slot, share_columns(shares)))
        sums = {name: sum(getattr(share, name) for share in shares) for name in ("bytes_in", "bytes_out")}
        view_time_ms = sum(share.view_time_ms for share in shares)
        counted = {"rtmp": sum(share.connections for share in shares)}
        slots.append(SlotRollup(slot, Rollup(connections=counted, view_time_ms=view_time_ms, **sums)))
    (hour,) = roll_up_hours(slots).values()
    encode = msgspec.msgpack.Encoder(order="deterministic").encode
    of_server = {"whole": encode(hour.whole), "quarters": encode(hour.quarters)}
    minutes = {"minutes_in": hour.minutes.bytes_in, "minutes_out": hour.minutes.bytes_out}
    rolled = list(roll_up_streams(of_streams).values())
    return of_server | minutes, encode_hour(rolled[0])._asdict() if rolled else {"figures": b"", "minutes": b""}


def time_statement(connection: Connection, last: date, now_ms: int) -> tuple[float, float]:
    """Return the seconds to read the rows of closed days and of the chain, and to sign their statement."""
    key = new_key()
    columns = [column for column in closed_days.c if column.name not in (*BULK_OF_CLOSING, "current")]
    queries = (select(*columns, closed_days.c.customers), select(chain))
    rows_read = timed(lambda: [connection.execute(query).all() for query in queries])
    named = NamedKey(name=key.public.name)
    signed = timed(
        lambda: key.sign(to_bytes(compose_statement(connection, FIRST, last, UTC, None, ["UTC"], named, now_ms)))
    )
    return rows_read, signed


def timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
