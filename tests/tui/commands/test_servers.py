"""`streamtop servers`, `server rm`, `orphans` and `audit` against a real service in this process."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.streamusage.service.conftest import Estate, OwnedClock, an_estate
from tests.support.program import Ended, Program
from tests.support.service.reporting import ReportingAgent, a_session


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    async with an_estate(tmp_path, OwnedClock()) as estate:
        estate.clock.now += 10_000
        await ReportingAgent(estate, "origin-1", "origin", life="o.1").sync_up(a_session("o", active=1, total=2))
        await ReportingAgent(estate, "edge-1", "edge", life="e.1").sync_up(a_session("e", active=2, total=3))
        yield estate


async def run(estate: Estate, streamtop: Program, *arguments: str, token: str = "admin-token") -> Ended:
    return await streamtop(*arguments, STREAMTOP_URL=estate.running.url, STREAMTOP_TOKEN=token)


async def test_servers_are_listed_with_state_and_watermark(estate: Estate, streamtop: Program) -> None:
    listed = await run(estate, streamtop, "servers", "--format", "json", token="viewer-token")
    assert [(row["server"], row["state"], row["watermark"]) for row in json.loads(listed.out)] == [
        ("edge-1", "live", estate.clock.now),
        ("origin-1", "live", estate.clock.now),
    ]
    table = await run(estate, streamtop, "servers")
    assert "WATERMARK (UTC)" in table.out
    assert "2 servers: 2 live, 0 unreachable" in table.err


async def test_removed_server_is_written_to_the_audit_log(estate: Estate, streamtop: Program) -> None:
    reports = await run(estate, streamtop, "server", "rm", "edge-1")
    assert (reports.code, "stop its agent first" in reports.err) == (4, True)
    silent = await run(estate, streamtop, "server", "rm", "edge-1", "--force")
    assert (silent.code, "give --yes" in silent.err) == (2, True)
    forced = await run(estate, streamtop, "server", "rm", "edge-1", "--force", "--yes")
    assert (forced.code, "removed edge-1 by force" in forced.err) == (0, True), forced.err
    assert (await estate.records())[0]["totalSubscribers"] == 2
    assert (await run(estate, streamtop, "server", "rm", "edge-1")).code == 5
    assert (await run(estate, streamtop, "server", "rm", "nobody")).code == 5
    estate.clock.now += 31_000
    ordered = await run(estate, streamtop, "server", "rm", "origin-1")
    assert (ordered.code, "1 session changed" in ordered.err) == (0, True), ordered.err

    audit = await run(estate, streamtop, "audit", "--format", "ndjson")
    entries = [json.loads(line) for line in audit.out.splitlines()]
    assert [(entry["who"], entry["operation"], entry["name"]) for entry in entries] == [
        ("boss", "remove server in order", "origin-1"),
        ("boss", "remove server by force", "edge-1"),
    ]
    refused = await run(estate, streamtop, "audit", token="viewer-token")
    assert refused.code == 4
    assert "viewer-token" not in refused.err


async def test_orphans_are_shown(estate: Estate, streamtop: Program) -> None:
    agent = ReportingAgent(estate, "edge-1", "edge", life="e.2")
    await estate.usage("DELETE", "/live/stream1")
    await agent.sync_up(a_session("e", active=2, total=8))
    shown = await run(estate, streamtop, "orphans", "--format", "csv", token="viewer-token")
    assert shown.out.splitlines()[1].startswith("live,stream1,")
    assert ",edge-1," in shown.out
    assert "1 orphan" in shown.err
