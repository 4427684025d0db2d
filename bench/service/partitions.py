"""What discarding a day of samples costs on PostgreSQL, as a partition and row by row, and how long reports wait.

`python -m bench.service.partitions [ROWS]` writes that many samples (1,000,000) of one day, and as many rows in the
default partition, and discards both by retention while an agent reports all the time. Reports are writes of the same
store, one after another with those of retention, as in the service.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from streamusage.api.report import SampleRow, SlotRow
from streamusage.service.retention import DAY_MS, Retention, discard_rows
from streamusage.service.rules.apply import LateFigures, StoredSample, StoredSlot
from streamusage.service.store.schema import stream_key
from streamusage.service.store.server_rows import save_samples, save_slots
from streamusage.service.store.store import Store, open_store
from streamusage.service.store.writer import Writer
from tests.support.postgresql import PASSWORD, cluster

Result = TypeVar("Result")

MINUTE = 60_000
SERVERS = 10


class WrittenStore:
    """Access of retention and of an agent to a store through one writer."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.writer = Writer(store)

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        def run() -> Result:
            with self.store.reading() as connection:
                return work(connection)

        return await asyncio.to_thread(run)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        return await self.writer.write(work)


def fill(store: Store, day_ms: int, rows: int) -> None:
    """Write samples of one day: of as many streams as it takes, on ten servers, each minute."""
    streams = rows // (SERVERS * 1440)
    keys = ", ".join(f"'\\x{stream_key('live', f's{number}').hex()}'::bytea" for number in range(streams))
    with store.writing() as connection, connection.begin():
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        for server in range(SERVERS):
            connection.exec_driver_sql(
                "INSERT INTO samples (server, stream, slot, epoch, revision, active, highest, late) "
                f"SELECT 'edge-{server}', stream, {day_ms} + minute * {MINUTE}, 1, 1, 2, 3, 0 "
                f"FROM unnest(ARRAY[{keys}]) AS stream, generate_series(0, 1439) AS minute"
            )
            connection.exec_driver_sql(
                "INSERT INTO servers (server, role, epoch, life, issued, acknowledged, sync_interval_ms, phase, "
                f"clock_offset_ms, owes) VALUES ('edge-{server}', 'edge', 1, 'j', 1, 1, 10000, 'online', 0, '') "
                "ON CONFLICT DO NOTHING"
            )


async def measure(access: WrittenStore, now_ms: int) -> tuple[float, int, list[float]]:
    """Discard what has expired. Return the seconds, the rows, and how long each report took meanwhile."""
    waits: list[float] = []
    over = asyncio.Event()

    def report(connection: Connection) -> None:
        slot = now_ms - now_ms % MINUTE
        save_slots(connection, "edge-0", 1, [StoredSlot(SlotRow(slot=slot, revision=1), LateFigures())])
        sample = SampleRow(slot=slot, scope="live", name="s0", revision=1, active=1, highest=1)
        save_samples(connection, "edge-0", [StoredSample(1, sample, False)])

    async def report_all_the_time() -> None:
        while not over.is_set():
            began = time.perf_counter()
            await access.write(report)
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(0.005)

    reporting = asyncio.create_task(report_all_the_time())
    await asyncio.sleep(1)
    waits.clear()
    began = time.perf_counter()
    discarded = await discard_rows(access, Retention(7, 400), now_ms)
    await asyncio.to_thread(access.store.drop_detached)
    seconds = time.perf_counter() - began
    over.set()
    await reporting
    return seconds, discarded.by_usage["samples"], waits


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    os.environ["PGPASSWORD"] = PASSWORD
    now_ms = time.time_ns() // 1_000_000
    with cluster() as postgresql, postgresql.database() as url:
        store = open_store(url, now_ms - 9 * DAY_MS)  # creates the partition of that day
        access = WrittenStore(store)
        today = now_ms - now_ms % DAY_MS
        results = []
        for name, day_ms in (("a partition", today - 9 * DAY_MS), ("row by row", today - 20 * DAY_MS)):
            fill(store, day_ms, rows)
            store.refresh_statistics()
            seconds, discarded, waits = asyncio.run(measure(access, now_ms))
            results.append(seconds)
            print(
                f"{name}: {discarded:,} samples discarded in {seconds:.2f} s; {len(waits)} reports meanwhile, "
                f"the longest took {max(waits, default=0) * 1000:.0f} ms",
                flush=True,
            )
        print(f"row by row takes {results[1] / results[0]:.0f} times as long")
        access.writer.stop()
        store.close()


if __name__ == "__main__":
    main()
