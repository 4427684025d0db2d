"""Shared parts of the service benchmarks: the service as a process on one core, and reporters that load it."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec

from streamusage.api.report import Based, Baseline, PeakWindow, Report, SampleRow, SessionRow, SlotRow, SpanRow
from streamusage.core.coverage import slot_of
from streamusage.service.store.engines.sqlite import sqlite_url

SYNC_MS = 10_000
NOW = 1_795_000_020_000
ADMIN = "bench-admin"
REPOSITORY = Path(__file__).parent.parent

Send = Callable[[str, str, bytes], Awaitable[tuple[int, bytes]]]


class Reporter:
    """Agent of one server whose reports change `rows` rows each: one slot if possible, the rest streams.

    Its accounting begins at `begins_ms`.
    """

    def __init__(self, server: str, rows: int, begins_ms: int = NOW, step_ms: int = SYNC_MS) -> None:
        self.server = server
        self.rows = rows
        self.step_ms = step_ms
        self.begins_ms = self.now_ms = begins_ms
        self.epoch = 1
        self.revision = self.acknowledged = 0
        self.based_on: Based | None = Based(0, 0)
        self.token = f"token-{server}"

    def next_report(self) -> Report:
        """Return the next report, which starts at the last `acknowledged_all`."""
        before, self.now_ms = self.now_ms, self.now_ms + self.step_ms
        slot, sent = slot_of(before), max(1, self.rows - 2)
        self.revision += self.rows
        figures = {"revision": self.revision, "scope": "live"}
        streams = range(0 if self.rows == 1 else (sent + 1) // 2)
        return Report(
            server=self.server, role="origin", life="j.1", epoch=self.epoch, since=self.acknowledged,
            upto=self.revision, sent_at=self.now_ms, sync_interval_ms=SYNC_MS, based_on=self.based_on,
            baseline=Baseline(
                at=self.now_ms, boot="b", started_at=self.begins_ms, since=self.begins_ms, bytes_in=0,
                bytes_out=self.revision,
                window=PeakWindow(self.now_ms, 0, 0),
            ),
            slots=() if self.rows == 1 else (
                SlotRow(slot=slot, revision=self.revision, bytes_out=self.revision, connections={"rtmp": self.revision}),  # noqa: E501
            ),
            spans=(SpanRow(from_ms=before, to_ms=self.now_ms, revision=self.revision, state="counted"),),
            sessions=tuple(
                SessionRow(
                    publish_id=f"p{n}", name=f"{self.server}-{n}", start_time=self.begins_ms, end_time=self.now_ms,
                    live=True, active=3, highest=4, total=self.revision, **figures,
                )
                for n in streams
            ),
            samples=tuple(
                SampleRow(slot=slot, name=f"{self.server}-{n}", active=3, highest=4, **figures)
                for n in streams[: sent // 2]
            ),
        )  # fmt: skip

    def acknowledged_all(self) -> None:
        self.acknowledged, self.based_on = self.revision, None

    async def begin(self, port: int) -> None:
        async with post(port) as send:
            status, body = await send(f"/api/v1/agents/{self.server}/epochs", self.token, b'{"journal": "j"}')
            assert status == 200, body
            self.epoch = msgspec.json.decode(body)["epoch"]

    async def send(self, send: Send) -> None:
        body = msgspec.json.encode(self.next_report())
        status, answer = await send(f"/api/v1/agents/{self.server}/reports", self.token, body)
        assert status == 200, answer
        self.acknowledged_all()


class Served:
    """A service process on the first core."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.port = int(url.rsplit(":", 1)[1])
        self.pid = pid

    async def commits(self) -> int:
        async with httpx.AsyncClient() as http:
            text = (
                await http.get(f"{self.url}/metrics", headers={"Authorization": f"Bearer {ADMIN}"}, timeout=60)
            ).text
        found = re.search(r"streamtop_commit_seconds_count ([\d.e+]+)", text)
        assert found
        return int(float(found[1]))

    def cpu_seconds(self) -> float:
        """Return the processor time used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100


@asynccontextmanager
async def served(
    store: Path, tokens: str, module: Sequence[str] = ("streamusage.service",), checkout: Path = REPOSITORY
) -> AsyncIterator[Served]:
    """Run `streamtop serve` in a process on the first core, with the real clock and a file with full sync as store.

    `module` with its arguments replaces the command, `checkout` the version of the project.
    """
    tokens_file = store.with_suffix(".toml")
    tokens_file.write_text(f'[[token]]\nvalue = "{ADMIN}"\nrole = "admin"\n{tokens}')
    command = ["taskset", "-c", "0", sys.executable, "-m", *module, "--listen", "127.0.0.1:0"]
    path = os.pathsep.join(filter(None, (str(checkout), os.environ.get("PYTHONPATH"))))
    process = await asyncio.create_subprocess_exec(
        *command, "--store", sqlite_url(store), "--tokens", str(tokens_file), stderr=asyncio.subprocess.PIPE,
        cwd=checkout, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert process.stderr is not None
    found = re.search(r"http://127\.0\.0\.1:\d+", (await process.stderr.readline()).decode())
    assert found
    try:
        yield Served(found[0], process.pid)
    finally:
        process.kill()
        await process.wait()


def tokens_for(reporters: Sequence[Reporter]) -> str:
    return "".join(
        f'[[token]]\nvalue = "{reporter.token}"\nrole = "agent"\nserver = "{reporter.server}"\n'
        for reporter in reporters
    )


@asynccontextmanager
async def post(port: int) -> AsyncIterator[Send]:
    """Yield a function that posts on one persistent connection, with a minimal client so that the load costs little."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def send(path: str, token: str, body: bytes) -> tuple[int, bytes]:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
        return int(answer[9:12]), await reader.readexactly(int(length[1]) if length else 0)

    try:
        yield send
    finally:
        writer.close()
