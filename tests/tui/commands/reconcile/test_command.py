"""`streamtop reconcile`: against a running service, against saved answers, and its refusals."""

import csv
import gzip
import io
import json
import shutil
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from streamusage.api.report import SlotRow
from tests.streamusage.service.conftest import NOW, OwnedClock, an_estate
from tests.support.commands.run_command import run_command
from tests.support.outside_accounts import (
    CLOUDFRONT_HEADER,
    HOUR_MS,
    Hit,
    bytes_by_day,
    cloudfront_line,
    combined_line,
    make_traffic,
    service_days,
    shifted,
    with_heads,
    write_lines,
)
from tests.support.program import Program
from tests.support.service.parties.reporting import ReportingAgent, a_session

HITS = make_traffic(hits_a_day=300)
TRUTH = service_days(bytes_by_day(HITS))


@pytest.fixture
def daily(tmp_path: Path) -> str:
    """What `streamtop daily --format json` printed of the truth."""
    path = tmp_path / "daily.json"
    path.write_bytes(msgspec.json.encode(TRUTH))
    return str(path)


def log_file(tmp_path: Path, hits: list[Hit], name: str = "access.log") -> str:
    path = tmp_path / name
    content = write_lines(hits, combined_line)
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return str(path)


async def test_log_of_the_truth_is_within_the_tolerance(streamtop: Program, tmp_path: Path, daily: str) -> None:
    half = len(HITS) // 2
    files = log_file(tmp_path, HITS[:half], "access.log.1.gz"), log_file(tmp_path, HITS[half:])
    ended = await streamtop("reconcile", *files, "--against", daily)
    assert ended.code == 0, ended.err
    assert [line.split()[0] for line in ended.out.splitlines()[1:]] == [day.day for day in TRUTH]
    assert "5 rows of all servers, UTC: all within 1 %" in ended.err


async def test_output_repeats_to_the_byte(streamtop: Program, tmp_path: Path, daily: str) -> None:
    file = log_file(tmp_path, with_heads(HITS, 0.05))
    for output_format in ("table", "json", "csv"):
        arguments = ("reconcile", file, "--against", daily, "--format", output_format)
        first, second = await streamtop(*arguments), await streamtop(*arguments)
        assert (first.code, first.out, first.err) == (second.code, second.out, second.err)


async def test_unexplained_difference_exits_with_1_and_is_marked(
    streamtop: Program, tmp_path: Path, daily: str
) -> None:
    file = log_file(tmp_path, [hit for hit in HITS if hit.stream != "news"])
    ended = await streamtop("reconcile", file, "--against", daily, "--format", "csv")
    assert ended.code == 1
    assert "5 rows of all servers, UTC: 5 with more than 1 % unexplained" in ended.err
    for row in csv.DictReader(io.StringIO(ended.out)):
        assert (row["within_tolerance"], row["figure"]) == ("false", "bytes_out")
        assert int(row["difference"]) == int(row["account"]) - int(row["service"]) < 0
        assert int(row["unexplained"]) == int(row["difference"]) - int(row["explained"])
    assert (await streamtop("reconcile", file, "--against", daily, "--tolerance", "100%")).code == 0


async def test_json_has_causes_with_their_bounds(streamtop: Program, tmp_path: Path, daily: str) -> None:
    log = with_heads(HITS, 0.05)
    ended = await streamtop("reconcile", log_file(tmp_path, log), "--against", daily, "--format", "json")
    rows = json.loads(ended.out)
    heads = [cause for row in rows for cause in row["causes"] if cause["cause"] == "HEAD requests"]
    assert sum(cause["amount"] for cause in heads) == sum(hit.size for hit in log if hit.method == "HEAD")
    assert list(heads[0]) == ["cause", "amount", "low", "high", "note"]
    assert [row["suspected"] for row in rows] == [[]] * 5


async def test_suspicion_names_the_option_and_amounts(streamtop: Program, tmp_path: Path, daily: str) -> None:
    week = make_traffic(hits_a_day=300, days=7)
    days = tmp_path / "week.json"
    days.write_bytes(msgspec.json.encode(service_days(bytes_by_day(week))))
    path = tmp_path / "cdn.gz"
    path.write_bytes(gzip.compress(write_lines(shifted(week, HOUR_MS), cloudfront_line, CLOUDFRONT_HEADER)))
    period = ("--from", "2026-11-17", "--to", "2026-11-21")
    arguments = ("reconcile", str(path), *period, "--against", str(days))
    ended = await streamtop(*arguments, "--format", "json")
    assert "suspected: shifted clock" in ended.err
    assert "confirm with --log-shift -1h" in ended.err
    assert all(row["suspected"][0]["cause"] == "shifted clock" for row in json.loads(ended.out))
    assert (await streamtop(*arguments, "--log-shift", "-1h")).code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--tolerance", "1"), "is no percentage"),
        (("--tolerance", "101%"), "is no percentage"),
        (("--sampling", "100"), "an example is 1/100"),
        (("--sampling", "1/0"), "an example is 1/100"),
        (("--overhead", "3"), "examples are 2% and 0%..3%"),
        (("--log-zone", "Mars/Base"), "unknown time zone"),
        (("--log-shift", "an hour"), "with a sign in front"),
        (("--column", "bytes"), "is not FIELD=NAME"),
        (("--column", "colour=x"), "is not FIELD=NAME"),
        (("--gaps", "gaps.json"), "--gaps needs --against"),
        (("--log-format", "mine"), "unknown log format 'mine'; expected one of auto, "),
        (("--against", "daily.json", "--tz", "Europe/Berlin"), "has days of UTC, not of Europe/Berlin; give --tz"),
        (("--against", "access.log"), "is not what `streamtop daily --format json` prints"),
        (("--against", "none.json"), "cannot read none.json"),
        (("--unit", "GB"), "its form is combined, whose bytes are bytes; leave out --unit"),
    ],
)
async def test_invalid_arguments_are_refused(
    streamtop: Program, tmp_path: Path, daily: str, arguments: tuple[str, ...], message: str
) -> None:
    log_file(streamtop.home, HITS)
    shutil.copy(daily, streamtop.home / "daily.json")
    given = arguments if "--against" in arguments or "--gaps" in arguments else (*arguments, "--against", "daily.json")
    ended = await streamtop("reconcile", "access.log", *given)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


async def test_unknown_server_and_answer_of_servers_are_refused(streamtop: Program, tmp_path: Path, daily: str) -> None:
    file = log_file(tmp_path, HITS)
    ended = await streamtop("reconcile", file, "--against", daily, "--server", "edge-9")
    assert ended.code == 5
    assert "no figures of the server 'edge-9' in 2026-11-16 to 2026-11-20; it has 'edge-1'" in ended.err
    ended = await streamtop("reconcile", file, "--against", daily, "--by", "stream")
    assert ended.code == 2
    assert "is not what `streamtop daily --group stream --format json` prints" in ended.err


async def test_saved_gaps_explain_lost_time_exactly(streamtop: Program, tmp_path: Path) -> None:
    lost_from, lost_to = HITS[0].at // HOUR_MS * HOUR_MS + 2 * HOUR_MS, HITS[0].at // HOUR_MS * HOUR_MS + 4 * HOUR_MS
    counted = [hit for hit in HITS if not lost_from <= hit.at < lost_to]
    covered = {"coverage": {"live_ms": 22 * HOUR_MS, "lost_ms": 2 * HOUR_MS}}
    days = tmp_path / "daily.json"
    days.write_bytes(msgspec.json.encode(service_days(bytes_by_day(counted), d2026_11_16=covered)))
    gaps = tmp_path / "gaps.json"
    gap = {
        "server": "edge-1", "from": lost_from, "to": lost_to, "state": "lost", "detected_at": None, "filled_at": None,
        "reason": "journal destroyed", "delta": None, "outages": [],
    }  # fmt: skip
    gaps.write_text(json.dumps([gap]))
    file = log_file(tmp_path, HITS)
    ended = await streamtop("reconcile", file, "--against", str(days), "--gaps", str(gaps), "--format", "json")
    (coverage,) = [cause for cause in json.loads(ended.out)[0]["causes"] if cause["cause"] == "coverage"]
    planted = sum(hit.size for hit in HITS) - sum(hit.size for hit in counted)
    assert (coverage["amount"], coverage["low"], coverage["high"]) == (planted, planted, planted)
    assert ended.code == 0


async def test_servers_of_a_csv_are_compared_one_by_one(streamtop: Program, tmp_path: Path) -> None:
    sums = Counter({"2026-11-16": 4_000_000_000})
    days = [*service_days(sums, "edge-1"), *service_days(sums, "edge-2")]
    (tmp_path / "daily.json").write_bytes(msgspec.json.encode(days))
    invoice = tmp_path / "invoice.csv"
    invoice.write_text("day,server,GB\n2026-11-16,edge-1,4.0\n2026-11-16,edge-2,3.0\n2026-11-16,edge-3,1.0\n")
    ended = await streamtop(
        "reconcile", str(invoice), "--against", str(tmp_path / "daily.json"), "--by", "server", "--format", "json"
    )
    assert ended.code == 1
    assert [(row["group"], row["within_tolerance"], row["service"]) for row in json.loads(ended.out)] == [
        ("edge-1", True, 4_000_000_000),
        ("edge-2", False, 4_000_000_000),
        ("edge-3", False, None),
    ]
    assert "3 rows of all servers, UTC: 2 with more than 1 % unexplained, 1 of them with figures on one side" in (
        ended.err
    )


async def test_log_is_compared_with_the_figures_of_a_running_service(streamtop: Program, tmp_path: Path) -> None:
    slot = NOW // 60_000 * 60_000 + 60_000
    hits = [Hit(slot + second * 1000, "news", second, 30_000) for second in range(30)]
    log = tmp_path / "access.log"
    log.write_bytes(write_lines(hits, combined_line))
    async with an_estate(tmp_path, OwnedClock()) as estate:
        estate.clock.now = slot + 120_000
        counted = SlotRow(slot=slot, revision=0, connections={}, bytes_in=0, bytes_out=900_000, view_time_ms=0)
        await ReportingAgent(estate).sync_up(counted, a_session())
        arguments = ("reconcile", str(log), "--format", "json")
        ended = await run_command(estate, streamtop, *arguments, "--server", "edge-1", token="viewer-token")
        less = tmp_path / "less.log"
        less.write_bytes(write_lines(hits[:20], combined_line))
        above = await run_command(estate, streamtop, "reconcile", str(less), token="viewer-token")
        other = await run_command(estate, streamtop, *arguments, "--server", "edge-9", token="viewer-token")
    (row,) = json.loads(ended.out)
    assert (ended.code, row["account"], row["service"], row["service_final"]) == (0, 900_000, 900_000, False)
    assert "1 row of days that are provisional at the service" in ended.err
    assert (above.code, other.code) == (1, 5)
    assert "missing hours 0 B (23 hours without a line" in above.out
    assert "1 row of all servers, UTC: 1 with more than 1 % unexplained" in above.err
