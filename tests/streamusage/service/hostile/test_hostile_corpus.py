"""One hostile party with a valid token against a real service: refused by name, and nobody else is harmed.

`python -m bench.service.hostile` prints the figures of the same corpus as ratios.
"""

import asyncio
import gzip
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import create_engine, func, select

from streamusage.service.store.schema import report_parts, server_sessions, servers, slots
from tests.support.service.nodes import nodes_on
from tests.support.service.parties.hostile_requests import (
    HOSTILE,
    MIB,
    an_honest_agent,
    attack,
    hostile_requests,
    largest_honest_report,
    memory_bytes,
    post,
)
from tests.support.waiting import LONGEST_WAIT_S, wait_until
from tests.support.yardstick import Yardstick

LONGEST_DELAY_S = 2.0
"""On a machine that does nothing else; beside other programs, longer by the factor that `Yardstick` measures."""
IDLE_FACTOR = 20
"""On a busy machine even an idle service takes long: then a report may take this multiple of the idle figure."""

GROWTH_BYTES = 200 * MIB

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")


async def test_hostile_party_is_refused_and_delays_nobody(tmp_path: Path, store_url: str) -> None:
    async with nodes_on(tmp_path, store_url, 1) as (node,), an_honest_agent(node) as honest, Yardstick() as yardstick:
        async with httpx.AsyncClient(base_url=node.url, timeout=LONGEST_WAIT_S) as http:
            await post(http, HOSTILE, "epochs", b'{"journal":"j1"}')
            await honest.report_during(asyncio.sleep(2))
            idle = max(honest.seconds)
            before = memory_bytes(node.pid, "VmRSS")
            delays, growth = {}, {}
            for request in hostile_requests(time.time_ns() // 1_000_000):
                body = await asyncio.to_thread(request.body)
                answer = await honest.report_during(attack(node.url, request, body))
                del body
                delays[request.name] = max(honest.seconds)
                growth[request.name] = memory_bytes(node.pid, "VmHWM") - before
                assert answer.status_code == request.status, (request.name, answer.text[:300])
                document = answer.json()
                assert {"errorMessage", "timestamp"} <= document.keys() <= {
                    "errorMessage", "timestamp", "reason", "epoch", "acknowledged", "received_at",
                }, request.name  # fmt: skip
                assert f"the limit {request.limit}" in document["errorMessage"] or not request.limit
            figures = [f"{name}: {delays[name] * 1000:.0f} ms, {growth[name] / MIB:.0f} MiB" for name in delays]
            print(f"idle {idle * 1000:.0f} ms", *figures, sep="\n")
            assert max(growth.values()) <= GROWTH_BYTES, figures
            allowed = max(LONGEST_DELAY_S * yardstick.slowdown, IDLE_FACTOR * idle)
            slow = {name: seconds for name, seconds in delays.items() if seconds > allowed}
            assert not slow, f"idle {idle:.3f} s, slowdown {yardstick.slowdown:.1f}"
        assert "Traceback" not in "".join(node.log_lines)


async def test_report_of_forty_days_is_applied_in_parts_while_others_are_served(tmp_path: Path, store_url: str) -> None:
    """docs/decisions/0009-limits.md. It is sent as the agent does, compressed. The limits do not depend on the engine:
    PostgreSQL, which takes several times as long, receives a quarter of it.
    """
    days = 40 if store_url.startswith("sqlite") else 10
    report = largest_honest_report(HOSTILE, time.time_ns() // 1_000_000, days)
    body = await asyncio.to_thread(msgspec.json.encode, report)
    packed = await asyncio.to_thread(gzip.compress, body, 6)
    upto, size, rows = report.upto, len(body), len(report.slots) * 5 + len(report.samples) + len(report.sessions)
    expected = sum(slot.bytes_out for slot in report.slots), len(report.sessions), report.baseline.at
    del report, body
    async with (
        nodes_on(tmp_path, store_url, 1) as (node,),
        an_honest_agent(node) as honest,
        httpx.AsyncClient(base_url=node.url, timeout=LONGEST_WAIT_S) as http,
        Yardstick() as yardstick,
    ):
        await post(http, HOSTILE, "epochs", b'{"journal":"j1"}')
        await honest.report_during(asyncio.sleep(2))
        idle = max(honest.seconds)
        before = memory_bytes(node.pid, "VmRSS")
        began = time.perf_counter()

        async def send_and_wait() -> httpx.Response:
            answer = await post(http, HOSTILE, "reports", packed, {"Content-Encoding": "gzip"})
            await wait_until(lambda: asyncio.to_thread(_has_applied_all, store_url), "all parts are applied")
            return answer

        answer = await honest.report_during(send_and_wait())
        took = time.perf_counter() - began
        assert answer.status_code == 200, answer.text[:300]
        assert answer.json()["acknowledged"] == upto
        grown = memory_bytes(node.pid, "VmHWM") - before
        print(f"{rows:,} rows, {size / MIB:.1f} MiB, {len(packed) / MIB:.1f} MiB packed: {took:.1f} s, "
              f"others at most {max(honest.seconds):.2f} s, idle {idle:.2f} s, slowdown {yardstick.slowdown:.1f}, "
              f"memory grew by {grown / MIB:.0f} MiB")  # fmt: skip
        assert await asyncio.to_thread(_stored, store_url) == expected
        assert grown <= GROWTH_BYTES
        assert max(honest.seconds) <= max(LONGEST_DELAY_S * yardstick.slowdown, IDLE_FACTOR * idle)


def _has_applied_all(store_url: str) -> bool:
    return not _select(store_url, select(func.count()).select_from(report_parts))[0]


def _stored(store_url: str) -> tuple[int, int, int]:
    """Return the bytes out, the number of sessions and the watermark of the hostile server."""
    of_server = slots.c.server == HOSTILE
    bytes_out = _select(store_url, select(func.sum(slots.c.bytes_out)).where(of_server))[0]
    sessions = _select(store_url, select(func.count()).select_from(server_sessions))[0]
    watermark = _select(store_url, select(servers.c.watermark).where(servers.c.server == HOSTILE))[0]
    return int(bytes_out), int(sessions), int(watermark)


def _select(store_url: str, query: Any) -> Any:
    engine = create_engine(store_url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            return connection.execute(query).one()
    finally:
        engine.dispose()
