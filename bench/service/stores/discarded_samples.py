"""How long reports wait while samples are discarded: retention is a process of its own beside the service."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from bench.estate import ADMIN, Reporter, Served, post, tokens_for
from bench.service.stores.generated_rows import copy_rows, copy_to_servers, server_name
from bench.service.stores.recorded_writes import send_up_to_now
from streamusage.core.coverage import SLOT_MS
from streamusage.service.retention import DAY_MS, Retention, discard_rows
from streamusage.service.store.schema import stream_key
from streamusage.service.store.store import open_store
from tests.support.service.discarding import PlainStoreAccess
from tests.support.service.nodes import Node

SERVERS = 100
STREAMS = 10
AGENTS = 16
ROWS = 20
REPORT_SECONDS = 0.5
"""How often each agent reports."""


class DiscardedSamples(NamedTuple):
    """Figures of a round of retention, and of the reports beside it."""

    samples: int
    seconds: float
    before_ms: list[float]
    """Time of each report without retention."""
    beside_ms: list[float]
    """Time of each report beside it."""


def fill_samples(url: str, count: int) -> int:
    """Insert samples that are due, of servers that were removed. Return how many."""
    slots = max(1, count // (SERVERS * STREAMS))
    now_ms = time.time_ns() // 1_000_000
    newest = now_ms - now_ms % SLOT_MS - (Retention().usage_stats_discard_threshold_days + 1) * DAY_MS
    names = [server_name(number) for number in range(SERVERS)]
    since = newest - slots * SLOT_MS
    open_store(url, now_ms).close()
    with psycopg.connect(url, autocommit=True) as connection:
        copy_rows(
            connection,
            "servers",
            "server, role, epoch, life, issued, acknowledged, since, watermark, sync_interval_ms, phase, last_sync_at, "
            "clock_offset_ms, owes, removed, removed_at",
            ((name, "edge", 1, "j.1", 1, 1, since, now_ms, 10_000, "online", now_ms, 0, "", "forced", now_ms)
             for name in names),
        )  # fmt: skip
        copy_rows(
            connection,
            "samples",
            "server, stream, slot, epoch, revision, active, highest, late",
            (
                (names[0], stream_key("live", f"stream-{stream}"), newest - slot * SLOT_MS, 1, slot, 70, 90, 0)
                for stream in range(STREAMS)
                for slot in range(slots)
            ),
        )
        copy_to_servers(connection, "samples", names[0], names[1:])
        connection.execute("VACUUM ANALYZE")
    return slots * SERVERS * STREAMS


def discard_all(url: str) -> float:
    """Run one round of retention, and return the seconds that it took."""
    now_ms = time.time_ns() // 1_000_000
    store = open_store(url, now_ms)
    began = time.monotonic()
    asyncio.run(discard_rows(PlainStoreAccess(store), Retention(), now_ms))
    took = time.monotonic() - began
    store.close()
    return took


async def measure_discarding(folder: Path, url: str, count: int, seconds: float) -> DiscardedSamples:
    """Discard samples while agents report; before that measure their reports for some seconds."""
    samples = await asyncio.to_thread(fill_samples, url, count)
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        process.submit(time.monotonic).result()
        async with _agents(folder, url) as report_during:
            await report_during(asyncio.sleep(1))  # the first reports are not measured
            before_ms, _ = await report_during(asyncio.sleep(seconds))
            discarding = asyncio.wrap_future(process.submit(discard_all, url))
            beside_ms, took = await report_during(discarding)
    with psycopg.connect(url) as connection:
        left = connection.execute("SELECT count(*) FROM samples WHERE server = ANY(%s)",
                                  ([server_name(number) for number in range(SERVERS)],)).fetchone()  # fmt: skip
    assert left == (0,), left
    return DiscardedSamples(samples, took, before_ms, beside_ms)


@asynccontextmanager
async def _agents(
    folder: Path, url: str
) -> AsyncIterator[Callable[[Awaitable[Any]], Awaitable[tuple[list[float], Any]]]]:
    """Run a service, and yield a function that lets agents report while something is awaited."""
    reporters = [Reporter(f"s{number}", ROWS, time.time_ns() // 1_000_000) for number in range(AGENTS)]
    tokens = f'[[token]]\nvalue = "{ADMIN}"\nrole = "admin"\n{tokens_for(reporters)}'
    await asyncio.to_thread((folder / "tokens.toml").write_text, tokens)
    node = Node(folder, url)
    await node.start()
    try:
        port = Served(node.url, node.pid).port
        for reporter in reporters:
            await reporter.begin(port)

        async def report_during(awaited: Awaitable[Any]) -> tuple[list[float], Any]:
            over, took_ms = asyncio.Event(), []

            async def report(number: int, reporter: Reporter) -> None:
                async with post(port) as send:
                    due = time.monotonic() + number / AGENTS * REPORT_SECONDS
                    while not over.is_set():
                        await asyncio.sleep(max(0.0, due - time.monotonic()))
                        send_up_to_now(reporter)
                        began = time.monotonic()
                        await reporter.send(send)
                        took_ms.append((time.monotonic() - began) * 1000)
                        due = max(due + REPORT_SECONDS, time.monotonic())

            reporting = [asyncio.create_task(report(*item)) for item in enumerate(reporters)]
            result = await awaited
            over.set()
            await asyncio.gather(*reporting)
            return took_ms, result

        yield report_during
    finally:
        await node.kill()
