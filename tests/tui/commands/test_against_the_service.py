"""The whole command line against the real service: `streamtop serve` and the client commands, each its own process."""

import asyncio
import csv
import io
import json
import re
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import msgspec
import pytest

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
from tests.support.plain_manager import wire
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


@dataclass
class Service:
    """A service of its own, and the command line of its admin."""

    url: str
    streamtop: Program

    async def __call__(self, *arguments: str, stdin: bytes = b"", token: str = "admin-secret") -> Ended:
        command, *more = arguments
        return await self.streamtop(command, "--url", self.url, *more, stdin=stdin, STREAMTOP_TOKEN=token)

    async def keeps(self) -> list[dict[str, object]]:
        ended = await self("ls", "--format", "json")
        assert ended.code == 0, ended.err
        records: list[dict[str, object]] = json.loads(ended.out)
        return records


@pytest.fixture
async def service(streamtop: Program) -> AsyncIterator[Service]:
    (streamtop.home / "tokens.toml").write_text(TOKENS)
    process = await streamtop.start(
        "serve", "--listen", "127.0.0.1:0", "--tokens", "tokens.toml", "--store", "sqlite:///usage.db", stdin=-3
    )
    assert process.stderr is not None
    said = await asyncio.wait_for(process.stderr.readuntil(b", store"), LONGEST_WAIT_S)
    found = re.search(rb"http://\S+(?=,)", said)
    assert found is not None, said
    yield Service(found[0].decode(), streamtop)
    process.send_signal(signal.SIGTERM)
    _, words = await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
    assert process.returncode == 0
    assert b"secret" not in said + words


async def report_what_came_late(url: str, from_ms: int) -> None:
    """An agent's first report: a minute counted long ago, and one before it declared lost."""
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


async def test_records_go_in_out_and_away(service: Service) -> None:
    records = [wire("keynote", start=3000), wire("keynote", start=2000), wire("a/b", "live/room1", start=1000)]
    ended = await service("import", "-", stdin=json.dumps(records).encode())
    assert (ended.code, ended.out) == (0, "3 imported, 0 kept as they were\n"), ended.err
    assert sorted(map(str, await service.keeps())) == sorted(map(str, records))

    again = await service("import", "-", stdin="\n".join(map(json.dumps, records)).encode())
    assert again.out == "0 imported, 3 kept as they were\n"

    table = await service("ls", "room1")
    assert "live/room1/a%2Fb" in table.out
    assert "ended" in table.out
    assert "1 session of 3" in table.err

    assert (await service("rm", "live/keynote", "--start-time", "2000")).code == 0
    assert (await service("rm", "live/room1/a%2Fb", "--yes")).code == 0
    assert await service.keeps() == [wire("keynote", start=3000)]

    undone = await service("import", str(service.streamtop.journal))
    assert undone.out == "2 imported, 0 kept as they were\n"
    assert len(await service.keeps()) == 3

    assert (await service("rm", "--all", "--yes")).code == 0
    assert await service.keeps() == []
    assert (await service("rm", "live/keynote", "--yes")).code == 5


async def test_five_thousand_records(service: Service) -> None:
    records = [wire(f"s{at}", start=at + 1) for at in range(5000)]
    path = service.streamtop.home / "records.json"
    path.write_text(json.dumps(records))
    ended = await service("import", str(path))
    assert ended.out == "5,000 imported, 0 kept as they were\n"
    assert len(await service.keeps()) == 5000


@pytest.mark.parametrize("arguments", [("rm", "live/keynote", "--yes"), ("rm", "--all", "--yes"), ("import", "-")])
async def test_a_viewer_changes_nothing(service: Service, arguments: tuple[str, ...]) -> None:
    record = json.dumps([wire()]).encode()
    await service("import", "-", stdin=record)
    ended = await service(*arguments, stdin=record, token="viewer-secret")
    assert ended.code == 4, ended.err
    assert "viewer-secret" not in ended.err
    assert await service.keeps() == [wire()]


@pytest.mark.parametrize("command", ["ls", "gaps", "daily"])
async def test_a_wrong_token_is_refused(service: Service, command: str) -> None:
    ended = await service(command, token="wrong-secret")
    assert (ended.code, ended.out) == (4, ""), ended.err
    assert "wrong-secret" not in ended.err


async def test_gaps_and_days_tell_what_came_late(service: Service) -> None:
    now_ms = time.time_ns() // 1_000_000
    from_ms = (now_ms // MINUTE - 20) * MINUTE
    await report_what_came_late(service.url, from_ms)

    ended = await service("gaps", "--from", "1h", "--format", "json")
    assert ended.code == 0, ended.err
    lost, backfilled, missing = json.loads(ended.out)
    assert list(lost) == [*("server", "from", "to", "state", "detected_at", "filled_at", "reason", "delta", "outages")]
    assert (lost["state"], lost["from"], lost["to"]) == ("lost", from_ms, from_ms + MINUTE)
    assert lost["reason"] == "journal destroyed"
    assert (backfilled["state"], backfilled["server"]) == ("backfilled", "edge-1")
    assert backfilled["filled_at"] >= now_ms
    assert backfilled["delta"] == {
        "connections": 4,
        "connections_by_protocol": {"hls": 1, "rtmp": 3},
        "bytes_in": 1000,
        "bytes_out": 90_000,
        "peak_in_bps": backfilled["delta"]["peak_in_bps"],
        "peak_out_bps": 12_000,
        "view_time_ms": 120_000,
    }
    assert (missing["state"], missing["delta"], missing["outages"]) == ("missing", None, [])
    (outage,) = backfilled["outages"]
    assert (outage["failed_attempts"], outage["error"]) == (17, "cannot be reached")
    assert [phase["phase"] for phase in outage["phases"]] == ["retrying", "accumulating", "recovering"]

    table = (await service("gaps", "--from", "1h")).out
    assert "backfilled" in table
    assert "90.0 kB" in table

    rows = list(csv.DictReader(io.StringIO((await service("gaps", "--from", "1h", "--format", "csv")).out)))
    assert rows[1]["delta_connections_by_protocol_rtmp"] == "3"
    assert (rows[1]["failed_attempts"], rows[1]["retrying_at"]) == ("17", str(from_ms + MINUTE + 10_000))
    assert (rows[2]["failed_attempts"], rows[2]["retrying_at"]) == ("", ""), "not told yet is not zero"

    days = json.loads((await service("daily", "--format", "json")).out)  # a week: today's, or around midnight two
    assert sum(day["connections"] for day in days) == 4
    assert sum(day["bytes_out"] for day in days) == 90_000
    assert sum(day["coverage"]["backfilled_ms"] for day in days) == MINUTE
    assert list(days[0]) == [
        *("server", "day", "tz", "state", "connections", "connections_by_protocol", "bytes_in", "bytes_out"),
        *("peak_in_bps", "peak_in_at", "peak_out_bps", "peak_out_at", "view_time_ms", "average_view_time_ms"),
        *("backfilled", "coverage", "percentile_95", "closed", "adjustment", "waiting_for"),
    ]
    assert "edge-1" in (await service("daily", "--tz", "Europe/Berlin")).out


async def test_first_start_creates_a_token_and_prints_its_path(streamtop: Program) -> None:
    process = await streamtop.start("serve", "--listen", "127.0.0.1:0", stdin=-3)
    assert process.stderr is not None
    said = (await asyncio.wait_for(process.stderr.readuntil(b", store"), LONGEST_WAIT_S)).decode()
    url, token_file = re.findall(r"http://\S+(?=,)", said)[0], re.findall(r"admin token in (.+);", said)[0]
    ended = await streamtop("ls", "--url", url, "--token-file", token_file)
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
    assert (ended.code, ended.err) == (0, f"0 sessions at {url.removeprefix('http://')}\n")
