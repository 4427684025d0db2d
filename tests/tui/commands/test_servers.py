"""`streamtop servers` and `servers rm` against a real service in this process."""

import json
from pathlib import Path

from streamusage.service.store.engines.sqlite import sqlite_url
from tests.streamusage.service.conftest import Estate
from tests.support.commands.run_command import run_command
from tests.support.program import Program
from tests.support.service.wrong_clock import jumped_store, serving


async def test_servers_are_listed_with_state_and_watermark(estate: Estate, streamtop: Program) -> None:
    listed = await run_command(estate, streamtop, "servers", "--format", "json", token="viewer-token")
    assert [(row["server"], row["state"], row["watermark"]) for row in json.loads(listed.out)] == [
        ("edge-1", "live", estate.clock.now),
        ("origin-1", "live", estate.clock.now),
    ]
    table = await run_command(estate, streamtop, "servers")
    assert "WATERMARK (UTC)" in table.out
    assert "2 servers: 2 live, 0 unreachable" in table.err


async def test_server_without_a_reading_is_listed_with_the_agents_words(estate: Estate, streamtop: Program) -> None:
    question = {"source": {"error": "connection refused; start nginx", "failing_ms": 300_000, "role": "edge"}}
    answer = await estate.request("POST", "/api/v1/agents/edge-1/clock", "edge-1-token", json=question)
    assert answer.status_code == 200
    listed = await run_command(estate, streamtop, "servers", token="viewer-token")
    assert "no reading" in listed.out
    assert "edge-1: no reading for 5m: connection refused; start nginx" in listed.err
    found = json.loads((await run_command(estate, streamtop, "servers", "--format", "json")).out)
    assert found[0]["source_error"] == "connection refused; start nginx"
    assert "source_error" not in found[1]
    header, first = (await run_command(estate, streamtop, "servers", "--format", "csv")).out.splitlines()[:2]
    times = ("since", "last_sync_at", "watermark", "removed_at", "source_error_since", "source_error_at")
    assert header.endswith(",source_error,source_error_since,source_error_at," + ",".join(f"{at}_iso" for at in times))
    assert f",connection refused; start nginx,{estate.clock.now - 300_000},{estate.clock.now}" in first


async def test_removed_server_is_written_to_the_audit_log(estate: Estate, streamtop: Program) -> None:
    reports = await run_command(estate, streamtop, "servers", "rm", "edge-1")
    assert (reports.code, "stop its agent first" in reports.err) == (4, True)
    silent = await run_command(estate, streamtop, "servers", "rm", "edge-1", "--force")
    assert (silent.code, "give --yes" in silent.err) == (2, True)
    forced = await run_command(estate, streamtop, "servers", "rm", "edge-1", "--force", "--yes")
    assert (forced.code, "removed edge-1 by force" in forced.err) == (0, True), forced.err
    assert (await estate.records())[0]["totalSubscribers"] == 2
    assert (await run_command(estate, streamtop, "servers", "rm", "edge-1")).code == 5
    assert (await run_command(estate, streamtop, "servers", "rm", "nobody")).code == 5
    estate.clock.now += 31_000
    ordered = await run_command(estate, streamtop, "servers", "rm", "origin-1")
    assert (ordered.code, "1 session changed" in ordered.err) == (0, True), ordered.err

    audit = await run_command(estate, streamtop, "audit", "--format", "ndjson")
    entries = [json.loads(line) for line in audit.out.splitlines()]
    assert [(entry["who"], entry["operation"], entry["name"]) for entry in entries] == [
        ("boss", "remove server in order", "origin-1"),
        ("boss", "remove server by force", "edge-1"),
    ]
    refused = await run_command(estate, streamtop, "audit", token="viewer-token")
    assert refused.code == 4
    assert "viewer-token" not in refused.err


async def test_old_spelling_server_rm_still_removes_a_server(estate: Estate, streamtop: Program) -> None:
    removed = await run_command(estate, streamtop, "server", "rm", "edge-1", "--force", "--yes")
    assert (removed.code, "removed edge-1 by force" in removed.err) == (0, True), removed.err
    assert (await run_command(estate, streamtop, "server", "rm", "edge-1")).code == 5


async def test_removing_a_server_does_not_list_the_servers(estate: Estate, streamtop: Program) -> None:
    removed = await run_command(estate, streamtop, "servers", "rm", "edge-1", "--force", "--yes")
    assert removed.out == ""


async def test_repair_lists_the_changes_and_asks_before_it_moves_figures(tmp_path: Path, streamtop: Program) -> None:
    counted = jumped_store(tmp_path, sqlite_url(tmp_path / "usage.db"))
    async with serving(counted, tmp_path) as estate:
        listed = await run_command(estate, streamtop, "servers")
        assert "NEEDS REPAIR" in listed.out
        assert "filed in the future" in listed.out
        assert "run: streamtop servers repair edge-1" in listed.err
        table = await run_command(estate, streamtop, "servers", "--format", "csv")
        times = ("since", "last_sync_at", "watermark", "removed_at")
        assert table.out.splitlines()[0].endswith(",repair," + ",".join(f"{at}_iso" for at in times))
        gaps = await run_command(estate, streamtop, "gaps", "--fail-on", "missing,lost", "--max-age", "10m")
        assert (gaps.code, "streamtop servers repair edge-1" in gaps.err) == (1, True)

        silent = await run_command(estate, streamtop, "servers", "repair", "edge-1")
        assert (silent.code, "give --yes" in silent.err) == (2, True)
        removed = await run_command(estate, streamtop, "servers", "rm", "edge-1", "--force", "--yes")
        assert (removed.code, "servers repair" in removed.err) == (4, True)
        planned = await run_command(estate, streamtop, "servers", "repair", "edge-1", "--dry-run")
        assert planned.code == 0
        for words in (
            "2026-12-19",
            "connections",
            "which becomes partial",
            "2026-11-18 of Europe/Berlin",
            "nothing was",
        ):
            assert words in planned.err, words
        assert "filed in the future" in (await run_command(estate, streamtop, "servers")).out

        done = await run_command(estate, streamtop, "server", "repair", "edge-1", "--yes")
        assert (done.code, "repaired edge-1" in done.err) == (0, True), done.err
        assert "NEEDS REPAIR" not in (await run_command(estate, streamtop, "servers")).out
        again = await run_command(estate, streamtop, "servers", "repair", "edge-1", "--yes")
        assert (again.code, "nothing was repaired" in again.err) == (0, True)
        assert (await run_command(estate, streamtop, "servers", "repair", "nobody", "--yes")).code == 5
        (entry,) = json.loads((await run_command(estate, streamtop, "audit", "--format", "json")).out)
        assert (entry["who"], entry["operation"], entry["name"]) == ("boss", "repair server", "edge-1")
        healthy = await run_command(estate, streamtop, "gaps", "--fail-on", "missing,lost")
        assert healthy.code == 0, healthy.err
