"""Processor share of a service whose servers sync every ten seconds, evenly spread.

`python -m bench.service.sync_load [SERVERS] [SECONDS]` prints the share of one core, and whether the service kept up.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from bench.estate import SYNC_MS, Reporter, post, served, tokens_for
from streamusage.core.durations import parse_duration_ms

ROWS = 3
"""A span, a slot and a session: a server with one stream."""
CONNECTIONS = 200


async def main_async(servers: int, seconds: float) -> None:
    # Reports cover the last ten seconds, as those of a live estate do.
    begins_ms = int(time.time() * 1000)
    reporters = [Reporter(f"s{n}", ROWS, begins_ms + round((n / servers - 1) * SYNC_MS)) for n in range(servers)]
    with tempfile.TemporaryDirectory() as name:
        async with served(Path(name) / "usage.db", tokens_for(reporters)) as service:
            late: list[float] = []
            done = 0
            began = time.monotonic() + 2

            async def load(number: int) -> None:
                """Send the reports of the servers that share one connection, each when it is due."""
                nonlocal done
                async with post(service.port) as send:
                    turn = 0
                    while True:
                        for at in range(number, servers, CONNECTIONS):
                            due = began + turn * SYNC_MS / 1000 + at / servers * SYNC_MS / 1000
                            if due > began + seconds:
                                return
                            await asyncio.sleep(max(0, due - time.monotonic()))
                            await reporters[at].send(send)
                            late.append((time.monotonic() - due) * 1000)
                            done += 1
                        turn += 1

            used = service.cpu_seconds()
            await asyncio.gather(*map(load, range(min(CONNECTIONS, servers))))
            took = time.monotonic() - began
            share = (service.cpu_seconds() - used) / took
            late.sort()
            print(
                f"{servers:,} servers every {SYNC_MS // 1000} s: {done / took:.0f} reports/s for {took:.0f} s "
                f"({seconds:g} s were due), {share:.0%} of a core, "
                f"acknowledged after p50 {late[len(late) // 2]:.0f} ms, p99 {late[int(len(late) * 0.99)]:.0f} ms"
            )


def main() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    servers = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seconds = parse_duration_ms(sys.argv[2] if len(sys.argv) > 2 else "30s", default_unit="s") / 1000
    asyncio.run(main_async(servers, seconds))


if __name__ == "__main__":
    main()
