"""Closing, signing off and monitoring from the command line: wrong use, refusals, and statements that were changed."""

import json
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from streamusage.api.daily import BackfilledPart, Closed, CoveredTime, DailyStatistics, Percentile
from tests.support.program import Program
from tui.model.daily.days import join_names, why_not_final
from tui.model.daily.statement import NotSignedOffError, statement, verified

UTC = ZoneInfo("UTC")
NOW = 1_795_305_600_000
"""2026-11-22T00:00Z."""


def a_day(server: str = "edge-1", rule: str = "watermark", **more: object) -> DailyStatistics:
    values: dict[str, object] = {
        "server": server, "day": "2026-11-20", "tz": "UTC", "state": "final", "connections": 3,
        "connections_by_protocol": {"hls": 1, "rtmp": 2}, "bytes_in": 10, "bytes_out": 20, "peak_in_bps": 1,
        "peak_in_at": 2, "peak_out_bps": 3, "peak_out_at": 4, "view_time_ms": 9, "average_view_time_ms": 3,
        "coverage": CoveredTime(live_ms=86_400_000), "backfilled": BackfilledPart(),
        "percentile_95": Percentile(in_bps=1, out_bps=2, samples=288, expected_samples=288),
        "closed": Closed(at=5, rule=rule, revision=7, watermark=6),  # type: ignore[arg-type]
    }  # fmt: skip
    return DailyStatistics(**values | more)  # type: ignore[arg-type]


def signed(*days: DailyStatistics) -> bytes:
    return statement(days, date(2026, 11, 20), date(2026, 11, 20), UTC, None)


def test_a_statement_is_the_same_whatever_came_later_and_in_whatever_order() -> None:
    before = signed(a_day("edge-1"), a_day("edge-2"))
    late = a_day("edge-3", rule="late", connections=0)
    assert signed(late, a_day("edge-2", state="adjusted"), a_day("edge-1")) == before
    document = verified(before)
    assert document["rests_on"]["servers"] == ["edge-1", "edge-2"]
    assert document["totals"]["connections_by_protocol"] == {"hls": 2, "rtmp": 4}


@pytest.mark.parametrize(
    "content",
    [signed(a_day()).replace(b'"bytes_out": 20', b'"bytes_out": 21'), b"[]", b"{}", b"\xff", b'{"kind": 1}'],
)
def test_changed_statement_is_refused_with_reason(content: bytes) -> None:
    with pytest.raises(NotSignedOffError):
        verified(content)


def test_why_a_day_is_not_final() -> None:
    def why(day: str, zones: list[str], *waiting: str) -> str | None:
        return why_not_final(a_day(day=day, state="provisional", waiting_for=list(waiting)), NOW, zones)

    assert why("2026-11-22", ["UTC"], "edge-1") == "the day is not over yet"
    assert why("2026-11-20", ["UTC"], "edge-1") == "edge-1 still owes figures of it"
    assert why("2026-11-20", ["UTC"], "edge-1", "edge-2") == "edge-1 and edge-2 still owe figures of it"
    assert why("2026-11-20", ["UTC"]) == "all figures are reported and the day closes shortly; try again in a moment"
    assert why_not_final(a_day(state="adjusted"), NOW, ["UTC"]) is None
    assert join_names([f"e{number}" for number in range(9)]) == "e0, e1, e2 and 6 more"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("serve", "--account-zone", "Mars/Base"), "unknown time zone"),
        (("serve", "--close-grace", "soon"), "is not a duration"),
        (("serve", "--close-settle", "2"), "is not a duration"),
        (("daily", "close"), "--day"),
        (("daily", "close", "--day", "2026-11-20"), "give --yes"),
        (("daily", "export", "--from", "2026-11-20"), "--to"),
        (("daily", "export", "--from", "2026-11-20", "--to", "2026-11-19"), "is after"),
        (("daily", "--by", "week"), "--by"),
        (("gaps", "--fail-on", "broken"), "is not a list of gap states"),
        (("gaps", "--fail-on", "live"), "is not a list of gap states"),
        (("gaps", "--max-age", "10m"), "--max-age needs --fail-on"),
        (("gaps", "--fail-on", "lost", "--max-age", "10"), "is not a duration"),
    ],
)
async def test_invalid_arguments_are_refused_and_nothing_is_sent(
    streamtop: Program, words: tuple[str, ...], says: str
) -> None:
    ended = await streamtop(*words)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err


async def test_a_statement_file_is_verified(streamtop: Program, tmp_path: Path) -> None:
    path = tmp_path / "november.json"
    path.write_bytes(signed(a_day()))
    assert (await streamtop("daily", "verify", str(path))).code == 0
    document = json.loads(path.read_bytes())
    document["days"][0]["bytes_out"] += 1
    path.write_text(json.dumps(document))
    ended = await streamtop("daily", "verify", str(path))
    assert ended.code == 4
    assert "the digest does not match" in ended.err
    assert (await streamtop("daily", "verify", str(tmp_path / "none.json"))).code == 1
    assert "streamtop daily close" in (await streamtop("daily", "--help")).out
    assert "--with-adjustments" in (await streamtop("daily", "export", "--help")).out
