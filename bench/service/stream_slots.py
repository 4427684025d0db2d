"""Figures by stream at the service: processor time of a report with 2,000 streams, and bytes of a stream in a minute.

`python -m bench.service.stream_slots [STREAMS] [sqlite|postgresql]` applies reports of one server: each of six syncs a
minute changes the slot, with all streams or without any. Then it stores an hour of streams as the service does, all of
a slot in one row, and as a row for each stream with the digest of its name or with its number, and prints the bytes.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Connection, LargeBinary, MetaData, SmallInteger, Table, Text, insert, text

from streamusage.api.report import (
    Baseline,
    EpochIssued,
    EpochRequest,
    PeakWindow,
    Report,
    SlotRow,
    SpanRow,
    StreamSlotRow,
)
from streamusage.core.figures import STREAM_SUM_NAMES
from streamusage.service.http.report_decoding import decode_report
from streamusage.service.ingest.reports import apply_next_part, ingest_report, issue_epoch
from streamusage.service.limits import Limits
from streamusage.service.rules.parts import LARGEST_WHOLE, split_report
from streamusage.service.rules.stream_slots import StoredStreams, merge_streams
from streamusage.service.store.report_parts import encode_part
from streamusage.service.store.schema import stream_key, stream_slots
from streamusage.service.store.store import Store, open_store
from streamusage.service.store.streams.stream_slots import save_streams
from tests.support.postgresql import PASSWORD, cluster

SYNC_MS = 10_000
MINUTE = 60_000
SYNCS = 30
STORED = 120_000
"""How many streams and minutes are stored to measure their bytes."""
_FIGURES = [*STREAM_SUM_NAMES, *(f"late_{name}" for name in STREAM_SUM_NAMES)]


def minute_of_streams(random: Random, slot: int, streams: int, revision: int) -> list[StreamSlotRow]:
    """Return the streams of a slot: each is published, and half of them have viewers."""
    rows = []
    for number in range(streams):
        viewers = int(random.expovariate(1 / 10)) if number % 2 else 0
        received = random.randrange(10**7, 2 * 10**7)
        rows.append(
            StreamSlotRow(
                slot=slot,
                scope="live",
                name=f"stage-{number:04}",
                revision=revision,
                connections=random.randrange(3) if viewers else 0,
                bytes_in=received,
                bytes_out=received * viewers,
                view_time_ms=MINUTE * viewers,
            )
        )
    return rows


def reports(server: str, begin: int, streams: int, epoch: EpochIssued, syncs: int) -> Iterator[Report]:
    """Yield the reports of a server, one for each sync."""
    for number in range(1, syncs + 1):
        at = begin + number * SYNC_MS
        slot = (at - 1) // MINUTE * MINUTE
        part = ((at - 1) % MINUTE // SYNC_MS + 1) / 6
        rows = [
            msgspec.structs.replace(row, **{name: int(getattr(row, name) * part) for name in STREAM_SUM_NAMES})
            for row in minute_of_streams(Random(slot), slot, streams, 10 * number)
        ]
        sums = {name: sum(getattr(row, name) for row in rows) for name in STREAM_SUM_NAMES}
        whole = SlotRow(slot=slot, revision=10 * number, connections={"rtmp": sums.pop("connections")}, **sums)
        yield Report(
            server=server,
            role="standalone",
            life="j1.1",
            epoch=epoch.epoch,
            since=10 * (number - 1),
            upto=10 * number,
            sent_at=at,
            sync_interval_ms=SYNC_MS,
            based_on=epoch.based_on if number == 1 else None,
            baseline=Baseline(
                at=at, boot="b", started_at=begin, since=begin, bytes_in=0, bytes_out=0, window=PeakWindow(at, 0, 0)
            ),
            slots=(whole,),
            spans=(SpanRow(from_ms=at - SYNC_MS, to_ms=at, revision=10 * number, state="counted"),),
            stream_slots=tuple(rows),
        )


def measure_reports(store: Store, streams: int) -> None:
    """Print the processor time to decode and apply a report with streams, and one without."""
    begin = time.time_ns() // 3_600_000_000_000 * 3_600_000
    seconds: dict[str, list[float]] = {}
    for kind in ("without streams", "with streams") * 3:
        server = f"{kind.partition(' ')[0]}-{len(seconds.get(kind, ()))}"
        with store.writing() as connection, connection.begin():
            epoch = issue_epoch(connection, server, EpochRequest(journal="j1"), begin)
        assert isinstance(epoch, EpochIssued)
        bodies = [
            msgspec.json.encode(report if kind == "with streams" else msgspec.structs.replace(report, stream_slots=()))
            for report in reports(server, begin, streams, epoch, SYNCS)
        ]
        for number, body in enumerate(bodies, start=1):
            began = time.process_time()
            _apply(store, server, decode_report(body, Limits()), begin + number * SYNC_MS)
            seconds.setdefault(kind, []).append(time.process_time() - began)
        print(f"{kind}: {len(bodies[-1]):,} bytes of JSON a report", file=sys.stderr)
    medians = {kind: sorted(times)[len(times) // 2] * 1000 for kind, times in seconds.items()}
    for kind, milliseconds in medians.items():
        print(f"{kind:<40}{milliseconds:>10.2f} ms a report")
    more = medians["with streams"] - medians["without streams"]
    print(f"{'a stream more':<40}{more / streams * 1000:>10.2f} µs")


def _apply(store: Store, server: str, report: Report, now_ms: int) -> None:
    rows = len(report.stream_slots) + len(report.slots)
    parts = [encode_part(part) for part in split_report(report, now_ms)] if rows > LARGEST_WHOLE else []
    with store.writing() as connection, connection.begin():
        reply = ingest_report(connection, report, b"", now_ms, parts)
    assert getattr(reply, "acknowledged", None) == report.upto, reply
    for _ in parts:
        with store.writing() as connection, connection.begin():
            apply_next_part(connection, server, now_ms)


def _row_tables(metadata: MetaData) -> dict[str, Table]:
    """Return the tables of the alternatives: a row for each stream, named by its digest or by a number."""

    def table(name: str, stream: Column[Any]) -> Table:
        keys = [Column("server", Text, primary_key=True), Column("epoch", BigInteger, primary_key=True)]
        keys += [Column("slot", BigInteger, primary_key=True), stream]
        figures = [Column(figure, BigInteger, nullable=True) for figure in _FIGURES]
        revision = [Column("revision", BigInteger), Column("traffic", SmallInteger)]
        return Table(name, metadata, *keys, *revision, *figures, sqlite_with_rowid=False)

    return {
        "a row a stream, digest": table("by_digest", Column("stream", LargeBinary, primary_key=True)),
        "a row a stream, number": table("by_number", Column("stream", BigInteger, primary_key=True)),
    }


def measure_sizes(store: Store, streams: int) -> None:
    """Print the bytes of a stream in a minute, and the processor time to write it once."""
    begin = time.time_ns() // 3_600_000_000_000 * 3_600_000
    random = Random(2)
    minutes = [
        minute_of_streams(random, begin + number * MINUTE, streams, number) for number in range(STORED // streams)
    ]
    tables = _row_tables(MetaData())
    with store.writing() as connection, connection.begin():
        for table in tables.values():
            table.create(connection)

    def write_slots(connection: Connection) -> None:
        merged: list[StoredStreams] = [merge_streams(None, rows, came_late=False) for rows in minutes]
        save_streams(connection, "size", 1, merged)

    def write_rows(table: Table, name_of: Callable[[StreamSlotRow], Any]) -> Callable[[Connection], None]:
        def write(connection: Connection) -> None:
            for rows in minutes:
                connection.execute(insert(table), list(_columns(rows, name_of)))

        return write

    writes = {
        "all streams of a slot in a row": (stream_slots.name, write_slots),
        "a row a stream, digest": ("by_digest", write_rows(tables["a row a stream, digest"], _digest_of)),
        "a row a stream, number": ("by_number", write_rows(tables["a row a stream, number"], _number_of)),
    }
    for label, (name, write) in writes.items():
        before = _size(store, name)
        began = time.process_time()
        with store.writing() as connection, connection.begin():
            write(connection)
        seconds = time.process_time() - began
        size = (_size(store, name) - before) / STORED
        each = seconds / STORED * 1e6
        print(f"{label:<40}{size:>10.1f} bytes a stream and minute, {each:.2f} µs to write")


def _columns(rows: Iterable[StreamSlotRow], name_of: Callable[[StreamSlotRow], Any]) -> Iterator[dict[str, Any]]:
    for row in rows:
        figures = dict.fromkeys(_FIGURES) | {name: getattr(row, name) for name in STREAM_SUM_NAMES}
        keys = {"server": "size", "epoch": 1, "slot": row.slot, "stream": name_of(row)}
        yield keys | {"revision": row.revision, "traffic": 0} | figures


def _digest_of(row: StreamSlotRow) -> bytes:
    return stream_key(row.scope, row.name)


def _number_of(row: StreamSlotRow) -> int:
    return int(row.name.rpartition("-")[2])


def _size(store: Store, table: str) -> int:
    """Return the bytes of a table with its indexes; of an SQLite store, those of all tables."""
    with store.reading() as connection:
        if connection.dialect.name != "postgresql":
            pages, length = (
                connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("page_count", "page_size")
            )
            return int(pages or 0) * int(length or 0)
        query = (
            "SELECT coalesce(sum(pg_total_relation_size(relid)), pg_total_relation_size(:name)) "
            "FROM pg_partition_tree(CAST(:name AS regclass))"
        )
        return int(connection.execute(text(query), {"name": table}).scalar_one())


@contextmanager
def _store(engine: str) -> Iterator[Store]:
    now_ms = time.time_ns() // 1_000_000
    if engine == "sqlite":
        with tempfile.TemporaryDirectory() as directory:
            store = open_store(f"sqlite:///{Path(directory) / 'usage.db'}", now_ms)
            yield store
            store.close()
        return
    os.environ["PGPASSWORD"] = PASSWORD
    with cluster() as postgresql, postgresql.database() as url:
        store = open_store(url, now_ms)
        yield store
        store.close()


def main() -> None:
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    for engine in sys.argv[2:] or ("sqlite", "postgresql"):
        print(f"{engine}, {streams:,} streams")
        with _store(engine) as store:
            measure_reports(store, streams)
            measure_sizes(store, streams)


if __name__ == "__main__":
    main()
