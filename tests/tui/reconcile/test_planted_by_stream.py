"""Faults that are planted in the log of one stream are found and quantified in its rows, and in no others."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from streamusage.api.daily import BackfilledPart, CoveredTime, Percentile, SummedStatistics
from tests.support.outside_accounts import (
    CLOUDFRONT_HEADER,
    DAY_MS,
    FIRST_MS,
    HOUR_MS,
    Hit,
    cloudfront_line,
    make_traffic,
    with_doubled_hour,
    with_heads,
    without_lines,
    write_lines,
)
from tests.support.reconciled import ALL_DAYS, MEASURED, ONE_PERCENT, UTC_ZONE
from tui.commands.reconcile.files import FileSettings, read_account
from tui.reconcile.account import OutsideAccount
from tui.reconcile.compared_rows import ComparedRow
from tui.reconcile.comparison import ComparisonSettings, compare
from tui.reconcile.entries import Grouping, Measure
from tui.reconcile.readers.detect import ReaderSettings
from tui.reconcile.service_figures import ServiceSide, figures_of_streams

HITS = make_traffic()


def summed(group: str, day: str, bytes_out: int, *, is_stream: bool = True) -> SummedStatistics:
    """Return a row of the service's sums by stream."""
    values: dict[str, object] = {} if not is_stream else {"traffic": "measured"}
    return SummedStatistics(
        group=group, period=day, first_day=day, last_day=day, tz="UTC", state="final", days=1, servers=1,
        connections=0, connections_by_protocol={}, bytes_in=0, bytes_out=bytes_out, peak_in_bps=0, peak_in_at=None,
        peak_out_bps=0, peak_out_at=None, view_time_ms=0, average_view_time_ms=None, percentile_95=Percentile(),
        coverage=CoveredTime(live_ms=DAY_MS), backfilled=BackfilledPart(), **values,
    )  # fmt: skip


def compared(folder: Path, log: list[Hit], left_over: int = 0) -> list[ComparedRow]:
    """Compare a log with the truth by stream, of which so much a day is not by stream, out of the figures of news."""
    path = folder / "cdn.log"
    path.write_bytes(write_lines(log, cloudfront_line, CLOUDFRONT_HEADER))
    account = OutsideAccount(Measure.BYTES_OUT, Grouping.STREAM, UTC_ZONE)
    read_account([path], account, FileSettings(ReaderSettings()))
    truth: Counter[tuple[str, str]] = Counter()
    for hit in HITS:
        day = ALL_DAYS.first.replace(day=ALL_DAYS.first.day + (hit.at - FIRST_MS) // DAY_MS).isoformat()
        truth[f"live/{hit.stream}", day] += hit.size
    rows = [
        summed(stream, day, size - (left_over if stream == "live/news" else 0)) for (stream, day), size in truth.items()
    ]
    if left_over:
        days = sorted({day for _, day in truth})
        rows += [summed("not by stream", day, left_over, is_stream=False) for day in days]
    side = ServiceSide(figures_of_streams(rows, Grouping.STREAM, ["edge-1"]), None, is_of_streams=True)
    return compare(account, side, ComparisonSettings(ALL_DAYS, UTC_ZONE, ONE_PERCENT, MEASURED))


def explained(rows: list[ComparedRow], cause: str) -> dict[str, int]:
    """Return what a cause explains, by stream."""
    sums: Counter[str] = Counter()
    for row in rows:
        for found in row.causes:
            sums[row.group] += found.amount if found.cause == cause else 0
    return {group: amount for group, amount in sums.items() if amount}


def split(stream: str) -> tuple[list[Hit], list[Hit]]:
    return [hit for hit in HITS if hit.stream == stream], [hit for hit in HITS if hit.stream != stream]


def join(*parts: list[Hit]) -> list[Hit]:
    return sorted((hit for part in parts for hit in part), key=lambda hit: hit.at)


def test_log_of_the_truth_agrees_by_stream(tmp_path: Path) -> None:
    rows = compared(tmp_path, HITS)
    assert {row.group for row in rows} == {"live/news", "live/sport", "live/music"}
    assert all(row.difference == 0 and row.is_within for row in rows)


def test_head_requests_of_a_stream_explain_its_rows(tmp_path: Path) -> None:
    own, others = split("sport")
    log = with_heads(own, 0.05)
    rows = compared(tmp_path, join(log, others))
    planted = sum(hit.size for hit in log) - sum(hit.size for hit in own)
    assert explained(rows, "HEAD requests") == {"live/sport": planted}
    assert all(row.is_within for row in rows)


def test_doubled_hour_explains_the_rows_of_each_stream(tmp_path: Path) -> None:
    hour = FIRST_MS + DAY_MS + 9 * HOUR_MS
    rows = compared(tmp_path, with_doubled_hour(HITS, hour))
    planted: Counter[str] = Counter()
    for hit in HITS:
        planted[f"live/{hit.stream}"] += hit.size if hour <= hit.at < hour + HOUR_MS else 0
    assert explained(rows, "repeated lines") == planted
    assert all(row.is_within for row in rows)


def test_missing_lines_of_a_stream_are_unexplained_in_its_rows(tmp_path: Path) -> None:
    own, others = split("news")
    log = without_lines(own, 0.05)
    rows = compared(tmp_path, join(log, others))
    missing = sum(hit.size for hit in own) - sum(hit.size for hit in log)
    found = -sum(row.unexplained or 0 for row in rows if row.group == "live/news")
    assert abs(found - missing) <= missing / 100
    assert {row.group for row in rows if not row.is_within} == {"live/news"}


def test_bytes_that_are_not_by_stream_explain_the_stream_that_lacks_them(tmp_path: Path) -> None:
    left_over = 20_000_000
    rows = compared(tmp_path, HITS, left_over)
    days = len({row.day for row in rows})
    headers, found = explained(rows, "overhead"), explained(rows, "not by stream")
    assert (headers.keys(), found.keys()) == ({"live/news"}, {"live/news"})
    assert headers["live/news"] + found["live/news"] == days * left_over
    assert explained(rows, "rows of the day") == {"not by stream": -found["live/news"]}
    assert all(row.is_within for row in rows)


def test_renamed_stream_is_on_one_side_only(tmp_path: Path) -> None:
    own, others = split("news")
    rows = compared(tmp_path, join([replace(hit, stream="newz") for hit in own], others))
    one_sided = {(row.group, row.account is None, row.service is None) for row in rows if not row.is_within}
    assert one_sided == {("live/news", True, False), ("live/newz", False, True)}
