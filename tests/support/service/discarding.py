"""Runs retention as a separate process that a test can kill at any point.

`python -m tests.support.service.discarding STORE MS` repeatedly discards the records that were last written more than
MS milliseconds ago and prints their number each time.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from streamusage.service.retention import DAY_MS, Retention, discard_rows
from streamusage.service.store.engines.locks import WHOLE_STORE, LockSet
from streamusage.service.store.store import Store, open_store

Result = TypeVar("Result")


class PlainStoreAccess:
    """Read and write access to a store without a service."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        with self._store.reading() as connection:
            return work(connection)

    async def write(self, work: Callable[[Connection], Result], locks: LockSet = WHOLE_STORE) -> Result:
        with self._store.writing() as connection, connection.begin():
            return work(connection)


async def main(store_url: str, older_than_ms: int) -> None:
    retention = Retention()
    ahead_ms = retention.usage_stats_discard_threshold_days * DAY_MS - older_than_ms
    access = PlainStoreAccess(open_store(store_url, time.time_ns() // 1_000_000))
    while True:
        discarded = (await discard_rows(access, retention, time.time_ns() // 1_000_000 + ahead_ms)).records
        print(discarded, flush=True)
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
