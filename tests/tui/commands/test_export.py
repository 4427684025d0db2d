"""`streamtop export`: Parquet files that DuckDB reads, equal for equal figures; none is replaced without a word."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from streamusage.api.report import SampleRow, SlotRow, StreamSlotRow
from streamusage.core.coverage import SLOT_MS
from streamusage.service.rules.customers import CustomerRules, DatedRule
from tests.streamusage.service.conftest import NOW, Estate, OwnedClock, an_estate
from tests.support.commands.run_command import run_command
from tests.support.program import Program
from tests.support.service.parties.reporting import ReportingAgent, a_session

DAY = "2026-11-18"
DAY_MS = 86_400_000
MIDNIGHT = NOW // DAY_MS * DAY_MS + DAY_MS
_TABLES = ("customers", "days", "samples", "sessions", "streams")
WINDOW = ("--from", DAY, "--to", DAY, "--tz", "UTC")


@pytest.fixture
async def closed(tmp_path: Path) -> AsyncIterator[Estate]:
    """A service with one closed day: an ended session of ten minutes, of which three have samples, and one on air."""
    rules = CustomerRules([DatedRule(name="Acme", streams=("live/a*",))])
    async with an_estate(tmp_path, OwnedClock(), customers=rules) as estate:
        agent = ReportingAgent(estate, "edge-1", "edge")
        samples = [
            SampleRow(
                slot=NOW + minute * SLOT_MS, scope="live", name="a", revision=0, active=minute, highest=minute + 1
            )
            for minute in range(3)
        ]
        slot = SlotRow(slot=NOW, revision=0, bytes_out=4_000, connections={"hls": 3, "rtmp": 1})
        parts = [
            StreamSlotRow(slot=NOW, scope="live", name=name, revision=0, bytes_out=sent, connections=1)
            for name, sent in (("a/b", 1_000), ("c", 500))
        ]
        estate.clock.now = NOW + 600_000
        ended = a_session(name="a", live=False, active=0, highest=3, total=4, end_time=NOW + 600_000)
        await agent.sync_up(slot, *parts, *samples, ended, a_session("p2", name="on-air"))
        estate.clock.now = MIDNIGHT + 3 * 3_600_000
        await agent.sync_up()
        answer = await estate.request("POST", "/api/v1/days/close", json={"day": DAY, "tz": "UTC"})
        assert answer.status_code == 200, answer.text
        yield estate


def query(directory: Path, table: str, columns: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        files = directory / table / "*" / "*.parquet"
        return connection.execute(f"SELECT {columns} FROM read_parquet('{files}') ORDER BY ALL").fetchall()


def digests(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


async def test_files_have_the_figures_of_the_day(closed: Estate, streamtop: Program, tmp_path: Path) -> None:
    target = tmp_path / "usage"
    ended = await run_command(closed, streamtop, "export", str(target), *WINDOW, token="viewer-token")
    assert ended.code == 0, ended.err
    assert list(digests(target)) == [f"{name}/day={DAY}/{name}.parquet" for name in _TABLES]
    days = "day::VARCHAR, server, tz, state, revision, connections, connections_by_protocol, bytes_out, adjusted_at"
    assert query(target, "days", days) == [(DAY, "edge-1", "UTC", "final", 1, 4, {"hls": 3, "rtmp": 1}, 4_000, None)]
    streams = query(target, "streams", "scope, name, traffic, bytes_out, connections, state, servers")
    assert streams == [
        ("live", "a/b", "measured", 1_000, 1, "final", 1),
        ("live", "c", "measured", 500, 1, "final", 1),
        (None, None, None, 2_500, 2, "final", 1),
    ]
    assert query(target, "customers", "customer, part, bytes_out, percentile_95_out_bps") == [
        ("Acme", "customer", 1_000, 0), (None, "no customer", 500, 0), (None, "not by stream", 2_500, 0),
    ]  # fmt: skip
    sessions = "scope, name, epoch_ms(start_time), duration_ms, total_subscribers, provenance, imported, lower_bound"
    assert query(target, "sessions", sessions) == [("live", "a", NOW, 600_000, 4, "live", False, False)]
    minutes = query(target, "samples", "name, epoch_ms(minute), active, highest, state")
    assert len(minutes) == (MIDNIGHT - NOW) // SLOT_MS
    assert minutes[:4] == [
        *(("a", NOW + minute * SLOT_MS, minute, minute + 1, "backfilled") for minute in range(3)),
        ("a", NOW + 3 * SLOT_MS, 0, 0, "backfilled"),
    ]


async def test_same_figures_are_the_same_bytes_and_other_ones_replace_nothing(
    closed: Estate, streamtop: Program, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for target in (first, first, second):
        assert (await run_command(closed, streamtop, "export", str(target), *WINDOW)).code == 0
    before = digests(first)
    assert digests(second) == before
    assert (await closed.usage("DELETE", "/live/a")).status_code == 200
    refused = await run_command(closed, streamtop, "export", str(first), *WINDOW)
    assert refused.code == 1
    assert "sessions.parquet was written before with other rows, and was kept" in refused.err
    assert digests(first) == before
    replaced = await run_command(closed, streamtop, "export", str(first), *WINDOW, "--only", "sessions", "--replace")
    assert replaced.code == 0
    assert query(first, "sessions", "name") == []
    assert {name for name, digest in digests(first).items() if digest != before[name]} == {
        f"sessions/day={DAY}/sessions.parquet"
    }


async def test_day_that_is_not_final_is_refused(closed: Estate, streamtop: Program, tmp_path: Path) -> None:
    target = tmp_path / "usage"
    ended = await run_command(
        closed, streamtop, "export", str(target), "--from", DAY, "--to", "2026-11-19", "--tz", "UTC"
    )
    assert ended.code == 4
    assert "2026-11-19 of edge-1" in ended.err
    assert not target.exists()


async def test_missing_library_is_named_with_its_extra(closed: Estate, streamtop: Program, tmp_path: Path) -> None:
    (tmp_path / "pyarrow.py").write_text("raise ImportError")
    streamtop.environment["PYTHONPATH"] = f"{tmp_path}:{streamtop.environment['PYTHONPATH']}"
    ended = await run_command(closed, streamtop, "export", str(tmp_path / "usage"), *WINDOW)
    assert ended.code == 2
    assert "pip install 'streamtop[parquet]'" in ended.err
