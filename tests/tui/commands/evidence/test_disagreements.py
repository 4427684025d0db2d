"""`streamtop disagreements`: both figures of hours that disagree, and its exit codes."""

import csv
import io
import json

from streamusage.core.usage import StreamId
from streamusage.service.accounting.disagreements import save_findings
from streamusage.service.rules.cross_checks import HourFinding
from tests.streamusage.service.conftest import NOW, Estate
from tests.support.commands.run_command import run_command
from tests.support.program import Program

HOUR = 3_600_000
THEN = NOW - NOW % HOUR - HOUR


async def find_some(estate: Estate) -> None:
    stream = StreamId("live", "key\x1b[2J/note")
    findings = [
        HourFinding("origin-edges", "origin-1", "bytes", 720_000_000, 612_000_000, stream, ("edge-1", "edge-3")),
        HourFinding("sessions-slots", "edge-1", "view_time_ms", 7_200_000, 14_400_000),
    ]
    kinds = ("origin-edges", "sessions-slots")
    await estate.running.service.write(lambda connection: save_findings(connection, THEN, kinds, None, findings, NOW))


async def test_table_has_both_figures_and_their_difference(estate: Estate, streamtop: Program) -> None:
    await find_some(estate)
    listed = await run_command(estate, streamtop, "disagreements", token="viewer-token")
    assert listed.code == 0, listed.err
    heading, relay, view_time = (line for line in listed.out.splitlines() if line.strip())
    assert heading.split()[2:5] == ["SERVER", "STREAM", "COMPARED"]
    for text in ("origin-1", "the origin sent, edges received", "720 MB", "612 MB", "15.0 %", "edge-1, edge-3"):
        assert text in relay
    for text in ("edge-1", "view time by sessions, by slots", "2h00", "4h00", "50.0 %"):
        assert text in view_time
    assert "\x1b" not in listed.out
    assert "2 disagreements above 2 %" in listed.err


async def test_json_and_csv_have_the_figures(estate: Estate, streamtop: Program) -> None:
    await find_some(estate)
    listed = await run_command(estate, streamtop, "disagreements", "--format", "json", "--server", "edge-3")
    (row,) = json.loads(listed.out)
    assert (row["hour"], row["kind"], row["edges"]) == (THEN, "origin-edges", ["edge-1", "edge-3"])
    listed = await run_command(estate, streamtop, "disagreements", "--format", "csv")
    first, second = csv.DictReader(io.StringIO(listed.out))
    assert (first["first"], first["second"], first["edges"]) == ("720000000", "612000000", "edge-1 edge-3")
    assert (second["kind"], second["name"], second["figure"]) == ("sessions-slots", "", "view_time_ms")


async def test_fail_ends_with_1_only_if_there_is_a_disagreement(estate: Estate, streamtop: Program) -> None:
    assert (await run_command(estate, streamtop, "disagreements", "--fail")).code == 0
    await find_some(estate)
    failed = await run_command(estate, streamtop, "disagreements", "--fail")
    assert failed.code == 1
    assert "2 disagreements found; the newest" in failed.err
    assert "edge-1: view time by sessions 7,200,000 ms, by slots 14,400,000 ms" in failed.err
    assert (await run_command(estate, streamtop, "disagreements", "--fail", "--from", "1m")).code == 0


async def test_days_of_daily_are_marked(estate: Estate, streamtop: Program) -> None:
    days = ("daily", "--from", "2026-11-18", "--to", "2026-11-18")
    assert "DISAGREEMENTS" not in (await run_command(estate, streamtop, *days)).out
    await find_some(estate)
    listed = await run_command(estate, streamtop, *days)
    heading, edge, origin = (line.split() for line in listed.out.splitlines() if line.strip())
    assert (heading[-1], edge[0], edge[-1], origin[0], origin[-1]) == ("DISAGREEMENTS", "edge-1", "2", "origin-1", "1")
    assert "2 days with figures that disagree, see streamtop disagreements" in listed.err
    rows = csv.DictReader(io.StringIO((await run_command(estate, streamtop, *days, "--format", "csv")).out))
    assert [row["disagreements"] for row in rows] == ["2", "1"]
    (edge_json, _) = json.loads((await run_command(estate, streamtop, *days, "--format", "json")).out)
    assert [one["second"] for one in edge_json["disagreements"]] == [612_000_000, 14_400_000]
