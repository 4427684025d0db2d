"""What one hostile party with a valid token costs the others: the delay of another agent's reports, as a ratio.

`python -m bench.service.hostile` sends the corpus of tests/support/service/parties/hostile_requests.py to a service
on SQLite, and then the largest report that an honest agent owes after 40 days, until all of its parts are applied.
`python -m bench.service.hostile postgresql` does so with a PostgreSQL server of its own.
"""

import asyncio
import gzip
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx
import msgspec

from streamusage.service.store.engines.sqlite import sqlite_url
from tests.support.postgresql import PASSWORD, cluster
from tests.support.service.nodes import AUTHORIZED, nodes_on
from tests.support.service.parties.hostile_requests import (
    GZIP,
    HOSTILE,
    MIB,
    HonestAgent,
    HostileRequest,
    an_honest_agent,
    attack,
    hostile_requests,
    largest_honest_report,
    memory_bytes,
    post,
    reset_peak_memory,
)
from tests.support.waiting import wait_until

IDLE_SECONDS = 5.0
TARGET = 5
"""Most that a report may take beside a refused request, as a multiple of the longest on the idle service."""


def send_file(url: str, path: str, headers: dict[str, str] | None, body: Path) -> int:
    """Send the request of a hostile agent in this process, and return its status."""
    content = body.read_bytes()
    return asyncio.run(attack(url, HostileRequest("", bytes, 0, headers=headers, path=path), content)).status_code


class Attacker:
    """Sends requests from a process of its own: it shares no interpreter with the agent whose reports are measured."""

    def __init__(self, directory: Path) -> None:
        self._body = directory / "body"
        self._process = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        self._process.submit(os.getpid).result()

    async def send_while(self, honest: HonestAgent, url: str, request: HostileRequest) -> int:
        """Send a request while the honest agent reports, and return its status."""
        await asyncio.to_thread(lambda: self._body.write_bytes(request.body()))
        sent = self._process.submit(send_file, url, request.path, request.headers, self._body)
        return int(await honest.report_during(asyncio.wrap_future(sent)))

    def close(self) -> None:
        """End the process."""
        self._process.shutdown()


def has_applied_all(url: str) -> bool:
    """Return whether no part of a report waits."""
    return "streamtop_report_parts_pending 0.0" in httpx.get(f"{url}/metrics", headers=AUTHORIZED, timeout=60).text


@contextmanager
def a_store(directory: Path) -> Iterator[str]:
    """Yield the URL of an empty store of the engine that the command line names."""
    if sys.argv[1:] != ["postgresql"]:
        yield sqlite_url(directory / "usage.db")
        return
    os.environ["PGPASSWORD"] = PASSWORD
    with cluster() as server, server.database() as url:
        yield url


async def main() -> None:
    with tempfile.TemporaryDirectory() as name, a_store(Path(name)) as store:
        async with (
            nodes_on(Path(name), store, 1) as (node,),
            an_honest_agent(node) as honest,
            httpx.AsyncClient(base_url=node.url, timeout=600) as http,
        ):
            await post(http, HOSTILE, "epochs", b'{"journal":"j1"}')
            attacker = Attacker(Path(name))
            await honest.report_during(asyncio.sleep(IDLE_SECONDS))
            idle = max(honest.seconds)
            print(f"idle service: a report takes {median(honest.seconds) * 1000:.1f} ms, at most {idle * 1000:.1f} ms")
            now_ms = time.time_ns() // 1_000_000
            before = memory_bytes(node.pid, "VmRSS")
            for request in hostile_requests(now_ms):
                status = await attacker.send_while(honest, node.url, request)
                longest = max(honest.seconds)
                print(f"{request.name}: {status}, {longest * 1000:.0f} ms, {longest / idle:.1f} x (target {TARGET})")
            grown = memory_bytes(node.pid, "VmHWM") - before
            print(f"memory grew by {grown / MIB:.0f} MiB (target 200)")
            body = await asyncio.to_thread(msgspec.json.encode, largest_honest_report(HOSTILE, now_ms))
            packed = await asyncio.to_thread(gzip.compress, body, 6)
            del body
            before = memory_bytes(node.pid, "VmRSS")
            reset_peak_memory(node.pid)
            began = time.perf_counter()
            largest = HostileRequest("forty days", lambda: packed, 200, headers=GZIP)
            status = await attacker.send_while(honest, node.url, largest)
            answered, longest = time.perf_counter() - began, max(honest.seconds)
            await honest.report_during(
                wait_until(lambda: asyncio.to_thread(has_applied_all, node.url), "all parts are applied")
            )
            applied, longest = time.perf_counter() - began, max(longest, *honest.seconds)
            grown = memory_bytes(node.pid, "VmHWM") - before
            print(
                f"40 days of an honest agent: {status} in {answered:.1f} s, applied in {applied:.1f} s, others at most "
                f"{longest:.2f} s (target 2), memory grew by {grown / MIB:.0f} MiB (target 200)"
            )
            attacker.close()


if __name__ == "__main__":
    asyncio.run(main())
