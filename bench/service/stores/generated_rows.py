"""Fills a store in PostgreSQL with generated rows through COPY: servers with months of accounting, and sessions.

The accounting of one server is the service's own: it sums the hours and closes the days of generated slots. Its rows
are copied for the other servers, under their names.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import psycopg

from streamusage.api.report import PhaseChange
from streamusage.core.clock import SystemClock
from streamusage.core.coverage import SLOT_MS
from streamusage.service.rules.rollups import HOUR_MS
from streamusage.service.rules.utc_days import DAY_MS
from streamusage.service.server import run_service
from streamusage.service.store.engines import ENGINES
from streamusage.service.store.schema import DIVIDED_BY, stream_key
from streamusage.service.store.store import open_store
from streamusage.service.tokens import Tokens
from tests.support.waiting import wait_until

GAP_MS = 10 * SLOT_MS
"""Length of the gap that each server has in each day."""
_OLD_SLOTS_EVERY = 5
"""Of days whose slots are summed and then deleted, one minute in five has a slot."""
_OF_SERVERS = ("servers", "spans", "outages", "slots", "slot_connections", "hours", "utc_days", "closed_days")
"""The tables whose rows are copied from server to server."""


class StoreSize(NamedTuple):
    """How much a store contains."""

    servers: int
    days: int
    """Days before today that are summed and closed."""
    slot_days: int
    """Days before now with slots."""
    sessions: int


def server_name(number: int) -> str:
    """Return a name; all of them have the same length."""
    return f"edge-{number:05}"


def copy_rows(connection: "psycopg.Connection[Any]", table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows."""
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)


def copy_to_servers(connection: "psycopg.Connection[Any]", table: str, source: str, names: Sequence[str]) -> None:
    """Insert the rows of one server for others, whose names have the same length."""
    chosen = f"COPY (SELECT * FROM {table} WHERE server = '{source}') TO STDOUT (FORMAT binary)"
    with connection.cursor() as cursor:
        with cursor.copy(chosen.encode()) as copy:
            content = b"".join(map(bytes, copy))
        for name in names:
            with cursor.copy(f"COPY {table} FROM STDIN (FORMAT binary)".encode()) as copy:
                copy.write(content.replace(source.encode(), name.encode()))


async def fill_store(url: str, size: StoreSize) -> int:
    """Fill an empty database, and return the time at which the store is up to date."""
    now_ms = time.time_ns() // 1_000_000
    now_ms -= now_ms % SLOT_MS
    since = now_ms - now_ms % DAY_MS - size.days * DAY_MS
    source = server_name(0)
    async with run_service(store_url=url, tokens=Tokens({}), clock=SystemClock()):
        await asyncio.to_thread(_create_partitions, url, since, now_ms)
        await asyncio.to_thread(_fill_source, url, source, since, now_ms, size)

        def is_summed() -> bool:
            with psycopg.connect(url) as connection:
                closed, summed = (
                    connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
                    for table in ("closed_days", "utc_days")
                )
                return closed == summed == (size.days,)

        await wait_until(lambda: asyncio.to_thread(is_summed), "the days are closed", every_seconds=0.5)
    with psycopg.connect(url, autocommit=True) as connection:
        kept_from = now_ms - size.slot_days * DAY_MS
        for table in ("slots", "slot_connections"):
            connection.execute(f"DELETE FROM {table} WHERE slot < %s".encode(), (kept_from,))
        names = [server_name(number) for number in range(1, size.servers)]
        for table in _OF_SERVERS:
            copy_to_servers(connection, table, source, names)
        _fill_sessions(connection, size, now_ms)
        connection.execute("VACUUM ANALYZE")
    return now_ms


def _create_partitions(url: str, since: int, now_ms: int) -> None:
    """Create the partitions of the past days, as they would have been created in them."""
    store = open_store(url, now_ms)
    with store.writing() as connection, connection.begin():
        for table in DIVIDED_BY:
            ENGINES[connection.dialect.name].create_partitions_at(connection, table, range(since, now_ms, DAY_MS))
    store.close()


def _fill_source(url: str, server: str, since: int, now_ms: int, size: StoreSize) -> None:
    minutes = [
        *range(since, now_ms - size.slot_days * DAY_MS, SLOT_MS * _OLD_SLOTS_EVERY),
        *range(now_ms - size.slot_days * DAY_MS, now_ms - SLOT_MS, SLOT_MS),
    ]
    with psycopg.connect(url) as connection:
        copy_rows(
            connection,
            "slots",
            "server, epoch, slot, revision, bytes_in, bytes_out, view_time_ms, peak_out_bps, peak_out_at, "
            "peak_out_window_ms, late_bytes_in, late_bytes_out, late_view_time_ms",
            (_slot(server, slot) for slot in minutes),
        )
        copy_rows(
            connection,
            "slot_connections",
            "server, epoch, slot, protocol, connections, late_connections",
            ((server, 1, slot, kind, 3 + slot // SLOT_MS % 5, 0) for slot in minutes for kind in ("rtmp", "hls")),
        )
        gaps = [start + 12 * HOUR_MS for start in range(since, now_ms - DAY_MS, DAY_MS)]
        copy_rows(
            connection,
            "spans",
            "server, from_ms, to_ms, state, reason, detected_at, filled_at",
            _spans(server, since, now_ms, gaps),
        )
        copy_rows(
            connection,
            "outages",
            "server, from_ms, to_ms, phases, failed_attempts, error, left_out",
            ((server, gap, gap + GAP_MS, _phases(gap), 30, "connection refused", 0) for gap in gaps),
        )
        # Last: then the accounting has something to do.
        copy_rows(
            connection,
            "servers",
            "server, role, epoch, life, issued, acknowledged, since, watermark, sync_interval_ms, phase, last_sync_at, "
            "clock_offset_ms, owes",
            [(server, "edge", 1, "j.1", 1, 1, since, now_ms, 3_600_000, "online", now_ms, 0, "")],
        )


def _slot(server: str, slot: int) -> tuple[Any, ...]:
    moved = 30_000_000 + slot // SLOT_MS * 7919 % 20_000_000
    return (server, 1, slot, 1, moved // 9, moved, 900_000, moved // 7, slot + 20_000, 10_000, 0, 0, 0)


def _spans(server: str, since: int, to_ms: int, gaps: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """Yield live spans with backfilled gaps between them."""
    begins = since
    for gap in gaps:
        yield server, begins, gap, "live", "", None, None
        begins = gap + GAP_MS
        yield server, gap, begins, "backfilled", "", gap + 30_000, begins
    yield server, begins, to_ms, "live", "", None, None


def _phases(gap: int) -> bytes:
    return msgspec.json.encode([PhaseChange("accumulating", gap), PhaseChange("recovering", gap + GAP_MS)])


def _fill_sessions(connection: "psycopg.Connection[Any]", size: StoreSize, now_ms: int) -> None:
    """Insert sessions of the last seven days, one in a hundred on air, and a tombstone for every hundred."""
    step_ms = max(1, 7 * DAY_MS // size.sessions)
    first_ms = now_ms - size.sessions * step_ms
    sessions = [(number, first_ms + number * step_ms, f"stream-{number % 5_000}") for number in range(size.sessions)]
    copy_rows(
        connection,
        "usage",
        "stream, start_time, scope, name, end_time, duration, active_subscribers, max_subscribers, lost_subscribers, "
        "total_subscribers, updated, live, provenance, touched_at, change",
        (
            (stream_key("live/room", name), start, "live/room", name, start + 8_820, 8_820, 2, 9, 2, 40, start + 8_820,
             int(number % 100 == 0), "live", start + 8_820, number + 1)
            for number, start, name in sessions
        ),
    )  # fmt: skip
    copy_rows(
        connection,
        "server_sessions",
        "server, epoch, publish_id, revision, stream, scope, name, start_time, end_time, live, active, highest, total, "
        "anchors, late, session_start",
        (
            (server_name(number % size.servers), 1, f"p{number}", 1, stream_key("live/room", name), "live/room", name,
             start, start + 8_820, int(number % 100 == 0), 2, 9, 40, 1, 0, start)
            for number, start, name in sessions
        ),
    )  # fmt: skip
    deleted = size.sessions // 100
    copy_rows(
        connection,
        "tombstones",
        "stream, start_time, scope, name, deleted_at, reason, change",
        (
            (stream_key("live/old", f"stream-{number}"), first_ms, "live/old", f"stream-{number}", now_ms, "deleted",
             size.sessions + number + 1)
            for number in range(deleted)
        ),
    )  # fmt: skip
    connection.execute("UPDATE counters SET value = %s WHERE name = 'change'", (size.sessions + deleted,))
