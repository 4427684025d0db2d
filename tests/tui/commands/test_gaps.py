"""`streamtop gaps`: spans of a real service, and invalid arguments."""

import csv
import io
import json
import time

import pytest

from tests.support.commands.service_process import MINUTE, ServiceProcess, report_backfill
from tests.support.program import Program


async def test_gaps_lists_lost_backfilled_and_missing_spans(service: ServiceProcess) -> None:
    now_ms = time.time_ns() // 1_000_000
    from_ms = (now_ms // MINUTE - 20) * MINUTE
    await report_backfill(service.url, from_ms)

    ended = await service("gaps", "--from", "1h", "--format", "json")
    assert ended.code == 0, ended.err
    lost, backfilled, missing = json.loads(ended.out)
    names = [name for name in lost if not name.endswith("_iso")]
    assert names == [*("server", "from", "to", "state", "detected_at", "filled_at", "reason", "delta", "outages")]
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
    assert (rows[2]["failed_attempts"], rows[2]["retrying_at"]) == ("", ""), "unreported figures are empty, not zero"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--fail-on", "broken"), "is not a list of gap states"),
        (("--fail-on", "live"), "is not a list of gap states"),
        (("--max-age", "10m"), "--max-age needs --fail-on"),
        (("--fail-on", "lost", "--max-age", "10"), "is not a duration"),
    ],
)
async def test_invalid_arguments_of_gaps_are_refused(
    streamtop: Program, arguments: tuple[str, ...], message: str
) -> None:
    ended = await streamtop("gaps", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
