"""Rows of every table with a retention, older than all of them, written directly."""

from typing import Any

from sqlalchemy import Connection, insert, inspect

from streamusage.service.store.change_feed import allocate_changes
from streamusage.service.store.schema import (
    audit,
    disagreements,
    held,
    hours,
    orphans,
    outages,
    samples,
    server_sessions,
    servers,
    slot_connections,
    slots,
    spans,
    stream_hours,
    stream_key,
    stream_slots,
    tombstones,
    unchecked_hours,
    usage,
    utc_days,
)

DAY_MS = 86_400_000
MINUTE = 60_000
SERVERS = 20
OLD_TABLES = tuple(
    table.name
    for table in (
        usage, tombstones, server_sessions, samples, held, slots, slot_connections, stream_slots, hours, stream_hours,
        spans, outages, orphans, audit, utc_days, disagreements, unchecked_hours,
    )
)  # fmt: skip


def fill_old_rows(connection: Connection, now_ms: int, count: int, epochs: int | None = None) -> None:
    """Insert `count` rows into each table that the store has, of 20 servers, from two years before `now_ms` on.

    The minutes of a server are those of so many epochs; without a number each has an epoch of its own.
    """
    begin = (now_ms - 730 * DAY_MS) // 3_600_000 * 3_600_000
    numbers = range(count)
    names = [f"edge-{number:02}" for number in range(SERVERS)]
    connection.execute(insert(servers), [_server(name, begin) for name in names])
    change = allocate_changes(connection, 2 * count)

    def of(number: int) -> dict[str, Any]:
        """Server, stream and names of a row: hundreds of rows share a stream, and thousands a minute."""
        name = f"stream-{number % 7}"
        return {"server": names[number % SERVERS], "stream": stream_key("live", name), "scope": "live", "name": name}

    def minute_of(number: int) -> dict[str, int]:
        later, epoch = divmod(number // SERVERS, epochs or count)
        return {"epoch": 1 + epoch, "slot": begin + later * MINUTE}

    known = set(inspect(connection).get_table_names())

    def add(table: Any, *rows: Any) -> None:
        if table.name not in known:
            return
        columns = set(table.c.keys())
        connection.execute(insert(table), [{key: row[key] for key in row if key in columns} for row in rows])

    figures = {"active": 2, "highest": 3, "total": 4, "late": 0, "revision": 1, "epoch": 1}
    gone = [of(number) | {"start_time": begin + 2 * number + 1} for number in numbers]
    there = [of(number) | {"start_time": begin + 2 * number} for number in numbers]
    add(usage, *(
        row | {"end_time": row["start_time"], "duration": 0, "active_subscribers": 0, "max_subscribers": 3,
               "lost_subscribers": 0, "total_subscribers": 4, "updated": begin, "touched_at": begin, "live": 0,
               "provenance": "live", "change": change + 1 + number}
        for number, row in enumerate(there)
    ))  # fmt: skip
    add(tombstones, *(
        row | {"deleted_at": begin, "reason": "deleted", "change": change + 1 + count + number}
        for number, row in enumerate(gone)
    ))  # fmt: skip
    # One of five was live when its epoch ended.
    add(server_sessions, *(
        row | figures | {"publish_id": f"p{number}", "end_time": row["start_time"], "live": int(number % 5 == 0),
                         "anchors": 1, "session_start": row["start_time"]}
        for number, row in enumerate(gone)
    ))  # fmt: skip
    add(samples, *(of(number) | figures | {"slot": begin + number * MINUTE} for number in numbers))
    add(held, *(
        of(number) | {"digest": f"d{number}", "received_at": begin, "last_at": begin, "times": 1, "epoch": 1,
                      "since": 0, "upto": 1, "from_ms": begin, "to_ms": begin + 1, "reason": "", "body": b"", "open": 0}
        for number in numbers
    ))  # fmt: skip
    sums = dict.fromkeys((column.name for column in slots.c), 0)
    add(slots, *(sums | of(number) | minute_of(number) | {"revision": 1} for number in numbers))
    add(slot_connections, *(
        of(number) | {"epoch": 1, "slot": begin, "protocol": f"p{number}", "connections": 1, "late_connections": 0}
        for number in numbers
    ))  # fmt: skip
    add(stream_slots, *(
        of(number) | minute_of(number) | {"revision": 1, "streams": b""} for number in numbers
    ))  # fmt: skip
    packed = dict.fromkeys(("whole", "quarters", "minutes_in", "minutes_out"), b"")
    add(hours, *(packed | of(number) | {"hour": begin + number // SERVERS * 3_600_000} for number in numbers))
    add(stream_hours, *(
        of(number) | {"hour": begin + number // SERVERS * 3_600_000, "figures": b"", "minutes": b""}
        for number in numbers
    ))  # fmt: skip
    add(utc_days, *(
        of(number) | {"day": begin - begin % DAY_MS + number // SERVERS * DAY_MS, "figures": b"", "samples": b""}
        for number in numbers
    ))  # fmt: skip
    add(disagreements, *(
        of(number) | {"hour": begin + number // SERVERS * 3_600_000, "kind": "origin-edges", "figure": "bytes_in",
                      "first_figure": 2, "second_figure": 1, "edges": b"[]", "found_at": begin, "open": 0}
        for number in numbers
    ))  # fmt: skip
    add(unchecked_hours, *(
        of(number) | {"hour": begin + number // SERVERS * 3_600_000, "mark": 1} for number in numbers
    ))  # fmt: skip
    add(spans, *(
        of(number) | {"from_ms": begin + number, "to_ms": begin + number + 1, "state": "live", "reason": ""}
        for number in numbers
    ))  # fmt: skip
    add(outages, *(
        of(number) | {"from_ms": begin + number, "to_ms": begin + number + 1, "phases": b"[]", "failed_attempts": 0,
                      "error": "", "left_out": 0}
        for number in numbers
    ))  # fmt: skip
    add(orphans, *(
        row | figures | {"publish_id": f"p{number}", "end_time": begin, "first_at": begin, "last_at": begin}
        for number, row in enumerate(gone)
    ))  # fmt: skip
    add(audit, *(
        of(number) | {"at": begin, "id": f"{number}", "who": "boss", "operation": "import", "records": 1}
        for number in numbers
    ))  # fmt: skip


def _server(name: str, begin: int) -> dict[str, Any]:
    return {
        "server": name, "role": "edge", "epoch": 2, "life": "j.1", "issued": 2, "acknowledged": 1, "since": begin,
        "watermark": begin + DAY_MS, "baseline": None, "sync_interval_ms": 10_000, "phase": "online",
        "last_sync_at": begin + DAY_MS, "clock_offset_ms": 0, "owes": "",
    }  # fmt: skip
