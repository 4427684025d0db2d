"""A usage service in a process of its own, and the command line against it."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import msgspec

from streamusage.api.report import (
    Acknowledgement,
    Baseline,
    EpochIssued,
    EpochRequest,
    OutageRow,
    Peak,
    PeakWindow,
    PhaseChange,
    Report,
    SlotRow,
    SpanRow,
)
from tests.support.program import Ended, Program
from tests.support.waiting import LONGEST_WAIT_S

MINUTE = 60_000
TOKENS = """
[[token]]
value = "admin-secret"
role = "admin"
[[token]]
value = "viewer-secret"
role = "viewer"
[[token]]
value = "agent-secret"
role = "agent"
server = "edge-1"
"""


OWN_FIELDS = ("live", "provenance", "lowerBound")


@dataclass
class ServiceProcess:
    """A running `streamtop serve`, and the command line of its admin."""

    url: str
    streamtop: Program

    async def __call__(self, *arguments: str, stdin: bytes = b"", token: str = "admin-secret") -> Ended:
        """Run a client command against the service."""
        command, *more = arguments
        return await self.streamtop(command, "--url", self.url, *more, stdin=stdin, STREAMTOP_TOKEN=token)

    async def records(self) -> list[dict[str, object]]:
        """Return the records of the service, without ISO times and what only our own service knows of them."""
        ended = await self("ls", "--format", "json")
        assert ended.code == 0, ended.err
        records: list[dict[str, object]] = json.loads(ended.out)
        return [
            {name: value for name, value in record.items() if name not in OWN_FIELDS and not name.endswith("_iso")}
            for record in records
        ]


@asynccontextmanager
async def run_service_process(streamtop: Program) -> AsyncIterator[ServiceProcess]:
    """Run `streamtop serve` on a free port; its output must never contain a token."""
    (streamtop.home / "tokens.toml").write_text(TOKENS)
    process = await streamtop.start(
        "serve", "--listen", "127.0.0.1:0", "--tokens", "tokens.toml", "--store", "sqlite:///usage.db", stdin=-3
    )
    assert process.stderr is not None
    first_lines = await asyncio.wait_for(process.stderr.readuntil(b", store"), LONGEST_WAIT_S)
    found = re.search(rb"http://\S+(?=,)", first_lines)
    assert found is not None, first_lines
    yield ServiceProcess(found[0].decode(), streamtop)
    process.send_signal(signal.SIGTERM)
    _, last_lines = await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
    assert process.returncode == 0
    assert b"secret" not in first_lines + last_lines


async def report_backfill(url: str, from_ms: int) -> None:
    """Send an agent's first report: a lost minute, and after it a minute that is backfilled with its outage."""
    headers = {"Authorization": "Bearer agent-secret"}
    async with httpx.AsyncClient(
        base_url=f"{url}/api/v1/agents/edge-1/", headers=headers, timeout=LONGEST_WAIT_S
    ) as http:
        reply = await http.post("epochs", content=msgspec.json.encode(EpochRequest(journal="journal-1")))
        assert reply.status_code == 200, reply.text
        issued = msgspec.json.decode(reply.content, type=EpochIssued)
        counted_from, to_ms = from_ms + MINUTE, from_ms + 2 * MINUTE
        report = Report(
            server="edge-1",
            role="edge",
            life="journal-1.1",
            epoch=issued.epoch,
            since=0,
            upto=4,
            sent_at=to_ms,
            sync_interval_ms=10_000,
            based_on=issued.based_on,
            baseline=Baseline(
                at=to_ms,
                boot="boot-1",
                started_at=from_ms,
                since=from_ms,
                bytes_in=1000,
                bytes_out=90_000,
                window=PeakWindow(at=to_ms, bytes_in=1000, bytes_out=90_000),
            ),
            spans=(
                SpanRow(from_ms=from_ms, to_ms=counted_from, revision=1, state="lost", reason="journal destroyed"),
                SpanRow(from_ms=counted_from, to_ms=to_ms, revision=2, state="counted"),
            ),
            slots=(
                SlotRow(
                    slot=counted_from,
                    revision=3,
                    connections={"rtmp": 3, "hls": 1},
                    bytes_in=1000,
                    bytes_out=90_000,
                    view_time_ms=120_000,
                    peak_out=Peak(bps=12_000, at=to_ms, window_ms=10_000),
                ),
            ),
            outages=(
                OutageRow(
                    began_at=counted_from + 10_000,
                    revision=4,
                    phases=(
                        PhaseChange("retrying", counted_from + 10_000),
                        PhaseChange("accumulating", counted_from + 40_000),
                        PhaseChange("recovering", to_ms),
                    ),
                    failed_attempts=17,
                    error="cannot be reached",
                ),
            ),
        )
        reply = await http.post("reports", content=msgspec.json.encode(report))
        assert msgspec.json.decode(reply.content, type=Acknowledgement).acknowledged == 4, reply.text
