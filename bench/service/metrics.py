"""What a scrape of `/metrics` costs on the largest estate: processor time of the first computation of the figures, of
the next ones while servers report, of the text; and of adding to totals with each report.

    python -m bench.service.metrics [SERVERS] [STREAMS] [sqlite|postgresql URL]

STREAMS are those of one server. The store is filled directly: two days of hours, the minutes of an hour that is not
summed yet, live sessions and open viewers.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from streamusage.core.coverage import SLOT_MS
from streamusage.core.days import zone
from streamusage.service.metrics import MetricsLimits, format_metrics
from streamusage.service.metrics.estate import estate_families
from streamusage.service.queries.estate.scope_days import ScopeDays
from streamusage.service.queries.estate.snapshot import load_snapshot
from streamusage.service.rules.gained import GainedFigures
from streamusage.service.rules.rollups import HOUR_MS, Rollup, SlotRollup, roll_up_hours
from streamusage.service.rules.scope_hours import fold_hour
from streamusage.service.rules.stream_hours import roll_up_streams
from streamusage.service.rules.stream_slots import StreamShare, share_columns
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.schema import (
    hours,
    server_sessions,
    servers,
    slot_connections,
    slots,
    spans,
    stream_hours,
    stream_key,
    stream_slots,
    viewers,
)
from streamusage.service.store.server_rows import add_totals
from streamusage.service.store.store import open_store
from streamusage.service.store.streams.stream_hours import encode_hour, encode_scopes, stamp_of
from streamusage.service.store.streams.stream_slots import encode_shares

UTC = zone("UTC")
DAY_MS = 24 * HOUR_MS
MIDNIGHT = 1_795_046_400_000
SUMMED_TO = MIDNIGHT + 20 * HOUR_MS
OPEN_MINUTES = 50
NOW = SUMMED_TO + OPEN_MINUTES * SLOT_MS
SCOPES = 50
VIEWERS_A_SERVER = 500
SCRAPES = 5


def main() -> None:
    number, streams = (int(text) for text in (*sys.argv[1:], *("500", "200")[len(sys.argv) - 1 :])[:2])
    with tempfile.TemporaryDirectory() as directory:
        url = sys.argv[3] if len(sys.argv) > 3 and "://" in sys.argv[3] else sqlite_url(Path(directory) / "bench.db")
        store = open_store(url, NOW)
        with store.writing() as connection, connection.begin():
            fill(connection, number, streams)
        scope_days = ScopeDays()
        limits = MetricsLimits()
        families: list[Any] = []

        def compute() -> None:
            with store.reading() as connection:
                families[:] = estate_families(load_snapshot(connection, UTC, NOW, scope_days), limits)

        first = timed(compute)
        later = []
        for scrape in range(SCRAPES):
            with store.writing() as connection, connection.begin():
                report(connection, number, streams, scrape)
            later.append(timed(compute))
        text = b""

        def render() -> None:
            nonlocal text
            text = format_metrics(families, "").body

        rendering = timed(render)
        with store.writing() as connection, connection.begin():
            gained = [GainedFigures("hls", connections=3), GainedFigures("", bytes_in=1, bytes_out=2, view_time_ms=3)]
            adding = (
                timed(lambda: [add_totals(connection, name_of(at % number), gained) for at in range(2_000)]) / 2_000
            )
        store.close()
    print(f"{number} servers with {streams} streams each, {number * streams:,} sessions; processor time")
    print(f"  first computation, nothing kept yet      {first:8.2f} s")
    median = sorted(later)[SCRAPES // 2]
    print(f"  next ones, every server has reported     {median:8.2f} s, the slowest {max(later):.2f} s")
    print(f"  the text, {len(text):,} bytes, {text.count(b'{'):,} series {rendering:8.3f} s")
    print(f"  adding a report's figures to totals      {adding * 1e6:8.0f} us")


def name_of(at: int) -> str:
    return f"edge-{at:04}"


def stream_of(server: int, at: int) -> tuple[str, str]:
    return f"live/{(server + at) % SCOPES:02}", f"stream-{server}-{at}"


def shares_of(server: int, streams: int, seed: int) -> list[StreamShare]:
    return [
        StreamShare(*stream_of(server, at), "measured", 1, 40_000 + seed, 900_000 + seed * at, 60_000, 0, 0, 0, 0)
        for at in range(streams)
    ]


def fill(connection: Connection, number: int, streams: int) -> None:
    """Insert two days of an estate. The hours of a server are equal to each other."""
    begin = MIDNIGHT - DAY_MS
    common = {"role": "edge", "epoch": 1, "life": "j.1", "issued": 1, "acknowledged": 1, "since": begin,
              "watermark": NOW, "baseline": None, "sync_interval_ms": 10_000, "phase": "online", "last_sync_at": NOW,
              "clock_offset_ms": 0, "owes": "", "summed_to": SUMMED_TO}  # fmt: skip
    connection.execute(insert(servers), [{"server": name_of(at)} | common for at in range(number)])
    live = {"from_ms": begin, "to_ms": NOW, "state": "live", "reason": "", "detected_at": None, "filled_at": None}
    connection.execute(insert(spans), [{"server": name_of(at)} | live for at in range(number)])
    starts = range(begin, SUMMED_TO, HOUR_MS)
    for server in range(number):
        name = name_of(server)
        shares = shares_of(server, streams, 1)
        columns = share_columns(shares)
        (hour,) = roll_up_streams([(begin + minute * SLOT_MS, columns) for minute in range(60)]).values()
        stored = encode_hour(hour)
        row = stored._asdict() | {"scopes": encode_scopes(fold_hour(hour)), "stamp": stamp_of(stored)}
        connection.execute(insert(stream_hours), [{"server": name, "hour": start} | row for start in starts])
        figures = Rollup(
            connections={"hls": streams, "rtmp": 1}, bytes_in=40_000 * streams, bytes_out=900_000 * streams
        )
        (whole,) = roll_up_hours([SlotRollup(begin + minute * SLOT_MS, figures) for minute in range(60)]).values()
        row = {"whole": msgspec.msgpack.encode(whole.whole), "quarters": msgspec.msgpack.encode(whole.quarters),
               "minutes_in": whole.minutes.bytes_in, "minutes_out": whole.minutes.bytes_out}  # fmt: skip
        connection.execute(insert(hours), [{"server": name, "hour": start} | row for start in starts])
        minutes = range(SUMMED_TO, NOW, SLOT_MS)
        body = encode_shares(shares)
        keys = [{"server": name, "epoch": 1, "slot": slot, "revision": 1} for slot in minutes]
        connection.execute(insert(stream_slots), [key | {"streams": body} for key in keys])
        sums = {column.name: 0 for column in slots.c} | {"bytes_in": 40_000 * streams, "bytes_out": 900_000 * streams}
        connection.execute(insert(slots), [sums | key for key in keys])
        connection.execute(
            insert(slot_connections),
            [
                key | {"protocol": kind, "connections": 3, "late_connections": 0}
                for key in keys
                for kind in ("hls", "rtmp")
            ],
        )
        session = {"server": name, "epoch": 1, "revision": 1, "start_time": begin, "end_time": NOW, "live": 1,
                   "active": 3, "highest": 4, "total": 9, "anchors": 1, "late": 0, "session_start": begin}  # fmt: skip
        rows = []
        for at in range(streams):
            scope, stream = stream_of(server, at)
            key = {"publish_id": f"p{at}", "stream": stream_key(scope, stream), "scope": scope, "name": stream}
            rows.append(session | key)
        connection.execute(insert(server_sessions), rows)
        viewer = {"server": name, "revision": 1, "scope": "live/00", "name": "s", "protocol": "hls",
                  "started_at": begin, "publish_id": "", "counted_to": None}  # fmt: skip
        connection.execute(insert(viewers), [viewer | {"viewer_id": f"v{at}"} for at in range(VIEWERS_A_SERVER)])


def report(connection: Connection, number: int, streams: int, seed: int) -> None:
    """Change the newest minute of every server, as their reports do."""
    slot = NOW - SLOT_MS
    connection.execute(update(slots).where(slots.c.slot == slot).values(bytes_out=slots.c.bytes_out + 1))
    for server in range(number):
        body = encode_shares(shares_of(server, streams, seed + 2))
        of_slot = (stream_slots.c.server == name_of(server), stream_slots.c.slot == slot)
        connection.execute(update(stream_slots).where(*of_slot).values(streams=body))
    assert connection.execute(select(slots.c.server).limit(1)).one()


def timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
