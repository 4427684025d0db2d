"""Bytes of a row of each table in PostgreSQL, with its indexes, as reports write it, and of the write-ahead log.

`python -m bench.service.row_sizes [SERVERS]` applies what that many servers (4) owe after a day at the documented
maximum. docs/scale.md multiplies the figures.
"""

import os
import sys
import time

from sqlalchemy import func, select, text

from streamusage.api.report import EpochIssued, EpochRequest
from streamusage.service.ingest.reports import apply_next_part, ingest_report, issue_epoch
from streamusage.service.rules.parts import split_report
from streamusage.service.store.report_parts import encode_part
from streamusage.service.store.schema import metadata
from streamusage.service.store.store import Store, open_store
from tests.support.postgresql import PASSWORD, cluster
from tests.support.service.parties.hostile_requests import largest_honest_report

ROWS_A_PART = 5_000
_SIZE = text(
    "SELECT coalesce(sum(pg_total_relation_size(relid)), pg_total_relation_size(:name)) "
    "FROM pg_partition_tree(CAST(:name AS regclass))"
)
"""The size of a table with its partitions."""
LEAST_ROWS = 1_000
"""Of smaller tables the pages weigh more than the rows."""


def fill(store: Store, server: str, now_ms: int) -> None:
    """Apply a day of a server, in parts as the service does."""
    with store.writing() as connection, connection.begin():
        issued = issue_epoch(connection, server, EpochRequest(journal="j1"), now_ms)
        assert isinstance(issued, EpochIssued)
    report = largest_honest_report(server, now_ms, 1)
    parts = [encode_part(part) for part in split_report(report, now_ms, ROWS_A_PART)]
    with store.writing() as connection, connection.begin():
        ingest_report(connection, report, b"", now_ms, parts)
    left = len(parts)
    while left:
        with store.writing() as connection, connection.begin():
            left = apply_next_part(connection, server, now_ms)


def row_sizes(store: Store) -> list[tuple[str, int, float]]:
    """Return of each table its name, its rows, and the bytes of a row with indexes."""
    store.refresh_statistics()
    with store.reading() as connection:
        sizes = []
        for table in metadata.sorted_tables:
            rows = connection.execute(select(func.count()).select_from(table)).scalar() or 0
            size = connection.execute(_SIZE, {"name": table.name}).scalar() or 0
            if rows >= LEAST_ROWS:
                sizes.append((table.name, rows, float(size) / rows))
    return sorted(sizes, key=lambda row: -row[1])


def log_position(store: Store) -> int:
    """Return how many bytes of the write-ahead log have been written."""
    with store.reading() as connection:
        return int(connection.execute(text("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")).scalar() or 0)


def main() -> None:
    servers = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    os.environ["PGPASSWORD"] = PASSWORD
    now_ms = time.time_ns() // 1_000_000
    with cluster() as postgresql, postgresql.database() as url:
        store = open_store(url, now_ms)
        before = log_position(store)
        for number in range(servers):
            fill(store, f"edge-{number}", now_ms)
        logged = log_position(store) - before
        print(f"{'table':<20}{'rows':>10}{'bytes a row':>14}")
        sizes = row_sizes(store)
        for name, rows, size in sizes:
            print(f"{name:<20}{rows:>10,}{size:>14.0f}")
        print(f"write-ahead log: {logged / sum(rows for _, rows, _ in sizes):.0f} bytes a row")
        store.close()


if __name__ == "__main__":
    main()
