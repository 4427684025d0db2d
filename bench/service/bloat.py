"""How tables of PostgreSQL grow by rows that reports write again and again, with autovacuum at work.

`python -m bench.service.bloat [HOURS] [SERVERS]` applies the reports of that many servers (20) over that many hours
(4), one of 20 rows every ten seconds, as fast as they can be applied. Time passes some fifty times as fast as in
service, so autovacuum looks once a second instead of once a minute. It prints the sizes as they grow, then each table's
size against the same table written anew (`VACUUM FULL`).
"""

import os
import sys
import time
from typing import Any

import psycopg

from bench.estate import Reporter
from streamusage.api.report import Acknowledgement
from streamusage.core.durations import UNIT_MS
from streamusage.service.ingest.reports import ingest_report, locks_of_report
from streamusage.service.store.schema import metadata
from streamusage.service.store.store import Store, open_store
from streamusage.service.store.writing.writer import Writer
from tests.support.postgresql import PASSWORD, cluster

ROWS = 20
LOOKS = 8
"""How often the sizes are printed."""
WATCHED = ("servers", "usage", "server_sessions", "spans")
"""Tables whose rows are written again with each report; the others grow with time."""
LEAST_BYTES = 256 * 1024

_SIZES = b"""
    SELECT parent.relname, sum(pg_total_relation_size(tree.relid)), sum(pg_stat_get_dead_tuples(tree.relid))
    FROM pg_class parent, LATERAL pg_partition_tree(parent.oid) tree
    WHERE parent.relname = ANY(%(names)s) AND parent.relnamespace = 'public'::regnamespace GROUP BY 1
    UNION ALL
    SELECT relname, pg_total_relation_size(oid), pg_stat_get_dead_tuples(oid) FROM pg_class
    WHERE relkind = 'r' AND NOT relispartition AND relname = ANY(%(names)s)
"""


def sizes(connection: "psycopg.Connection[Any]") -> dict[str, tuple[int, int]]:
    """Return bytes and dead rows of each table, with its partitions and indexes."""
    names = [table.name for table in metadata.sorted_tables]
    rows = connection.execute(_SIZES, {"names": names}).fetchall()
    return {name: (int(size), int(dead or 0)) for name, size, dead in rows if size is not None}


def apply_round(writer: Writer, reporters: list[Reporter]) -> None:
    """Apply the next report of each server."""
    reports = [reporter.next_report() for reporter in reporters]
    futures = [
        writer.submit(
            lambda connection, report=report: ingest_report(connection, report, b"", report.sent_at + 100),
            locks_of_report(report),
        )
        for report in reports
    ]
    for reporter, future in zip(reporters, futures, strict=True):
        assert isinstance(future.result(), Acknowledgement)
        reporter.acknowledged_all()


def run(store: Store, connection: "psycopg.Connection[Any]", hours: float, servers: int) -> None:
    began_ms = time.time_ns() // 1_000_000 - int(hours * UNIT_MS["h"])
    reporters = [Reporter(f"s{number}", ROWS, began_ms) for number in range(servers)]
    writer = Writer(store)
    rounds = int(hours * UNIT_MS["h"] / reporters[0].step_ms)
    began = time.monotonic()
    for number in range(1, rounds + 1):
        apply_round(writer, reporters)
        if number % (rounds // LOOKS) == 0:
            found = sizes(connection)
            shown = ", ".join(f"{name} {found[name][0] / 1024:,.0f} kB" for name in WATCHED)
            print(f"after {number * reporters[0].step_ms / UNIT_MS['h']:.1f} h: {shown}", flush=True)
    writer.stop()
    speed = rounds * reporters[0].step_ms / 1000 / (time.monotonic() - began)
    print(f"{rounds * servers:,} reports; time passed {speed:.0f} times as fast")


def main() -> None:
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    servers = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    os.environ["PGPASSWORD"] = PASSWORD
    now_ms = time.time_ns() // 1_000_000
    with (
        cluster() as postgresql,
        postgresql.database() as url,
        psycopg.connect(url, password=PASSWORD, autocommit=True) as connection,
    ):
        connection.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
        connection.execute("SELECT pg_reload_conf()")
        store = open_store(url, now_ms)
        run(store, connection, hours, servers)
        before = sizes(connection)
        store.close()
        connection.execute("VACUUM FULL")
        after = sizes(connection)
        print(f"{'table':<20}{'size':>12}{'dead rows':>12}{'anew':>12}{'ratio':>8}")
        for name, (size, dead) in sorted(before.items(), key=lambda row: -row[1][0]):
            if size >= LEAST_BYTES:
                anew = after[name][0]
                print(f"{name:<20}{size / 1024:>9,.0f} kB{dead:>12,}{anew / 1024:>9,.0f} kB{size / anew:>8.1f}")


if __name__ == "__main__":
    main()
