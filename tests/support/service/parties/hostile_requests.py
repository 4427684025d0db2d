"""A party that tries to harm a service, an honest agent beside it, and the largest report that an honest agent owes."""

import asyncio
import gzip
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec

from streamusage.api.report import Based, Baseline, Peak, PeakWindow, Report, SampleRow, SessionRow, SlotRow, SpanRow
from tests.support.service.nodes import SERVERS, Node
from tests.support.waiting import LONGEST_WAIT_S

HONEST, HOSTILE = SERVERS[:2]
MIB = 1024 * 1024
MINUTE = 60_000
DAY = 1440 * MINUTE
GZIP = {"Content-Encoding": "gzip"}


class HostileRequest(NamedTuple):
    """A request with the token of `HOSTILE`, and how the service answers it."""

    name: str
    body: Callable[[], bytes]
    status: int
    limit: str = ""
    """The limit that the answer names."""
    headers: dict[str, str] | None = None
    path: str = "reports"


def a_report(server: str, now_ms: int, **fields: Any) -> Report:
    """Return a report of the last ten seconds."""
    now = now_ms // 1000 * 1000
    values: dict[str, Any] = {
        "server": server, "role": "standalone", "life": "j1.1", "epoch": 1, "since": 0, "upto": 10, "sent_at": now,
        "sync_interval_ms": 10_000, "based_on": Based(0, 0),
        "baseline": Baseline(at=now, boot="b", started_at=now - DAY, since=now - DAY, bytes_in=0, bytes_out=0,
                             window=PeakWindow(now, 0, 0)),
        "spans": (SpanRow(from_ms=now - 10_000, to_ms=now, revision=1, state="counted"),),
    }  # fmt: skip
    return Report(**values | fields)


def a_stream(number: int, now_ms: int, **fields: Any) -> SessionRow:
    """Return a publish of the stream of that number."""
    values: dict[str, Any] = {
        "publish_id": f"p{number}", "revision": 2, "scope": "live/conference-europe", "name": f"stream-{number:06d}",
        "start_time": now_ms - MINUTE, "end_time": now_ms, "live": True, "active": 1, "highest": 1, "total": 1,
    }  # fmt: skip
    return SessionRow(**values | fields)


def largest_honest_report(server: str, now_ms: int, days: int = 40) -> Report:
    """Return what an agent owes after that many days at the documented maximum (docs/decisions/0009-limits.md): 200
    streams at once, 1,000 different ones a day, 4 protocols.
    """
    now = now_ms // MINUTE * MINUTE
    start = now - days * DAY
    slots = tuple(
        SlotRow(slot=slot, revision=2, connections={"rtmp": 5, "hls": 9, "webrtc": 2, "srt": 1}, bytes_in=123_456_789,
                bytes_out=12_345_678_901, view_time_ms=6_000_123, peak_in=Peak(16_460_905, slot + 20_000, 10_000),
                peak_out=Peak(1_646_090_520, slot + 40_000, 10_000))
        for slot in range(start, now, MINUTE)
    )  # fmt: skip
    samples = tuple(
        SampleRow(slot=slot, scope="live/conference-europe", name=f"stream-{stream % (1000 * days):06d}", revision=2,
                  active=12, highest=15)
        for slot, streams in _folded_slots(start, now, days)
        for stream in streams
    )  # fmt: skip
    sessions = tuple(
        a_stream(number, now, start_time=start + number * DAY // 1000,
                 end_time=min(now, start + (number + 200) * DAY // 1000), live=number >= 1000 * days - 200)
        for number in range(1000 * days)
    )  # fmt: skip
    return a_report(
        server, now, phase="recovering", slots=slots, samples=samples, sessions=sessions,
        spans=(SpanRow(from_ms=start, to_ms=now, revision=1, state="counted"),),
    )  # fmt: skip


def _folded_slots(start: int, now: int, days: int) -> Iterator[tuple[int, range]]:
    """Yield the slots of samples as the agent's journal folds them, with the numbers of their streams."""
    slot = start
    while slot < now:
        age = now - slot
        length = DAY if age > 7 * DAY else 60 * MINUTE if age > DAY else 15 * MINUTE if age > 120 * MINUTE else MINUTE
        first = (slot - start) * 1000 // DAY
        yield slot, range(first, first + (1000 if length == DAY else 200))
        slot += length


def hostile_requests(now_ms: int) -> list[HostileRequest]:
    """Return the corpus. Bodies are made when they are needed."""

    def report(**fields: Any) -> bytes:
        return msgspec.json.encode(a_report(HOSTILE, now_ms, **fields))

    def with_samples(count: int) -> bytes:
        sample = SampleRow(slot=now_ms // MINUTE * MINUTE, scope="s", name="n", revision=2, active=1, highest=1)
        return report(samples=(sample,) * count)

    brackets = b"[" + b"[]," * (20 * MIB) + b"[]]"
    return [
        HostileRequest("60 MiB of []", lambda: gzip.compress(brackets, 9), 413, "compression-ratio", GZIP),
        HostileRequest("38 MiB of [], plain", lambda: brackets[: 38 * MIB], 413, "report-rows"),
        HostileRequest("100,000 gzip members", lambda: gzip.compress(b"") * 100_000, 413, "gzip-members", GZIP),
        HostileRequest("a gigabyte of zeros", lambda: gzip.compress(bytes(256 * MIB)) * 4, 413, "", GZIP),
        HostileRequest("48 MiB of spaces", lambda: b" " * (48 * MIB), 413, "report-bytes"),
        HostileRequest("deep JSON", lambda: b'{"x":' + b"[" * 300_000 + b"]" * 300_000 + b"}", 422, "json-depth"),
        HostileRequest("an open string of brackets", lambda: b'{"x":"' + b"[" * 2_000_000, 422, "json-depth"),
        HostileRequest("20 million numbers", lambda: b'{"slots":[' + b"1," * (19 * MIB) + b"1]}", 422),
        HostileRequest("510,000 rows", lambda: with_samples(510_000), 413, "report-rows"),
        HostileRequest("300,000 rows, cut off", lambda: with_samples(300_000)[:-1], 400),
        HostileRequest("20,000 new names", lambda: report(
            sessions=tuple(a_stream(number, now_ms) for number in range(20_000))), 429, "streams-per-day"),
        HostileRequest("40 protocols", lambda: report(
            slots=(SlotRow(slot=now_ms, revision=2, connections={f"x{n}": 1 for n in range(40)}),)),
            429, "protocols-per-day"),
        HostileRequest("epoch 2^53", lambda: b'{"journal":"j1","epoch":9007199254740992}', 409, path="epochs"),
        HostileRequest("a large epoch request", lambda: b'{"journal":"' + b"x" * MIB + b'"}', 413, path="epochs"),
    ]  # fmt: skip


class HonestAgent:
    """An agent that sends small reports one after another and records how long each takes."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=LONGEST_WAIT_S)
        self._upto = 0
        self._acknowledged_to = 0
        self.seconds: list[float] = []

    async def begin(self) -> None:
        """Get an epoch and send the first report."""
        await post(self._http, HONEST, "epochs", b'{"journal":"j1"}')
        await self.report()

    async def report(self) -> None:
        """Send a report and record its duration."""
        now = time.time_ns() // 1_000_000
        since, self._upto = self._upto, self._upto + 10
        row = SlotRow(slot=now // MINUTE * MINUTE, revision=self._upto, bytes_out=self._upto)
        report = a_report(HONEST, now, since=since, upto=self._upto, slots=(row,),
                          based_on=None if since else Based(0, 0))  # fmt: skip
        began = time.perf_counter()
        answer = await post(self._http, HONEST, "reports", msgspec.json.encode(report))
        self.seconds.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text

    async def report_during(self, work: Awaitable[Any]) -> Any:
        """Report every few milliseconds until the work is done, record the durations, and return its result."""
        self.seconds.clear()
        task = asyncio.ensure_future(work)
        while True:
            await self.report()
            if task.done():
                return task.result()
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Close the connection."""
        await self._http.aclose()


@asynccontextmanager
async def an_honest_agent(node: Node) -> AsyncIterator[HonestAgent]:
    """An agent of a service that has begun to report."""
    agent = HonestAgent(node.url)
    try:
        await agent.begin()
        yield agent
    finally:
        await agent.close()


async def post(
    http: httpx.AsyncClient, server: str, path: str, body: bytes, headers: dict[str, str] | None = None
) -> httpx.Response:
    """Send a request with the token of the server's agent."""
    token = {"Authorization": f"Bearer {server}-s3cret"}
    return await http.post(f"/api/v1/agents/{server}/{path}", content=body, headers=token | (headers or {}))


async def attack(url: str, request: HostileRequest, body: bytes) -> httpx.Response:
    """Send a request from a thread, so that its size does not delay the honest agent of the same process."""
    headers = {"Authorization": f"Bearer {HOSTILE}-s3cret"} | (request.headers or {})
    path = f"{url}/api/v1/agents/{HOSTILE}/{request.path}"
    return await asyncio.to_thread(httpx.post, path, content=body, headers=headers, timeout=LONGEST_WAIT_S)


def reset_peak_memory(pid: int) -> None:
    """Let `VmHWM` of a process begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def memory_bytes(pid: int, line: str) -> int:
    """Return a line of a process's memory statistics: `VmRSS`, or `VmHWM` for the most so far."""
    found = re.search(rf"{line}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024
