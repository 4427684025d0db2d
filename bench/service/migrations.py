"""How long the migrations of a store with many rows take, by step, for each million rows that the step reads.

`python -m bench.service.migrations` makes stores of 0.1.0 with 1,200,000 rows, on SQLite and on PostgreSQL, and opens
them. The rates of `streamusage/service/store/migrations/estimates.py` are from it. `--from 0016_feed_history` measures
what is left for a store of that revision.
"""

import argparse
import tempfile
import time
from pathlib import Path

from sqlalchemy import func, select

from bench.service.stores.durable_servers import ALONE, describe_machine, durable_server
from streamusage.service.store.engines import resolve
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.migrations.estimates import TABLES_READ, describe_estimate, estimate_migrations
from streamusage.service.store.migrations.running import MigrationProgress, migrate, missing_migrations
from streamusage.service.store.store import open_store
from tests.support.service.migrating.many_rows import LARGE, make_store

FIRST = "0007_outages"
"""The newest migration of 0.1.0."""
ROWS = 1_200_000
SHOWN_SECONDS = 0.05


class StepTimes(MigrationProgress):
    """How long each step took."""

    def __init__(self) -> None:
        super().__init__(lambda _line: None)
        self.steps: list[tuple[str, float]] = []
        self._began = ("", time.perf_counter())

    def _set(self, doing: str, *, is_step: bool) -> None:
        now = time.perf_counter()
        before, since = self._began
        if before:
            self.steps.append((before, now - since))
        self._began = doing, now


def measure(url: str, revision: str, rows: int) -> None:
    """Make a store, migrate it, and print the steps that take long."""
    now_ms = time.time_ns() // 1_000_000
    began = time.perf_counter()
    make_store(url, revision, now_ms, rows)
    print(f"{url.split(':')[0]}: made {rows:,} rows of {revision} in {time.perf_counter() - began:.0f} s", flush=True)
    engine, checked_url = resolve(url)
    with engine.readers(checked_url).begin() as connection:
        counts = {
            table.name: int(connection.execute(select(func.count()).select_from(table)).scalar_one()) for table in LARGE
        }
        estimate = estimate_migrations(connection, missing_migrations(revision))
    times = StepTimes()
    writer = engine.writer(checked_url)
    began = time.perf_counter()
    engine.prepare_migrations(checked_url, times.begin)
    with engine.migration_transaction(writer) as connection:
        migrate(connection, times)
    times.wait("")
    seconds = time.perf_counter() - began
    writer.dispose()
    for step, took in times.steps:
        if took >= SHOWN_SECONDS:
            read = next((names for name, names in TABLES_READ.items() if name in step), ())
            of_step = sum(counts.get(name, 0) for name in read)
            rate = f", {took / of_step * 1e6:.1f} s a million of {of_step:,} rows" if of_step else ""
            print(f"  {step:70} {took:6.2f} s{rate}")
    total = sum(counts.values())
    print(
        f"  all {seconds:.1f} s, {seconds / total * 1e6:.1f} s a million of {total:,} rows; the estimate was "
        f"{describe_estimate(estimate)}",
        flush=True,
    )
    open_store(url, now_ms).close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.service.migrations")
    parser.add_argument("--from", dest="revision", default=FIRST, help=f"the revision of the store, {FIRST} (0.1.0)")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), help="only this one")
    arguments = parser.parse_args()
    print(describe_machine())
    if arguments.engine != "postgresql":
        with tempfile.TemporaryDirectory() as folder:
            measure(sqlite_url(Path(folder) / "usage.db"), arguments.revision, arguments.rows)
    if arguments.engine != "sqlite":
        with durable_server(ALONE) as server, server.database() as url:
            measure(url, arguments.revision, arguments.rows)


if __name__ == "__main__":
    main()
