"""Bounds of causes that no planted fault in a log shows: overhead, rounding, midnight, sums of servers."""

from fractions import Fraction
from pathlib import Path

import pytest

from streamusage.api.daily import CoveredTime
from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import Interval, Provenance
from streamusage.core.windows import Days
from tests.support.outside_accounts import (
    CLOUDFRONT_HEADER,
    DAY_MS,
    FIRST_DAY,
    FIRST_MS,
    HOUR_MS,
    UTC_ZONE,
    Hit,
    bytes_by_day,
    cloudfront_line,
    combined_line,
    service_days,
    write_lines,
)
from tests.support.reconciled import Reconciled, reconciled
from tui.reconcile.account import OutsideAccount
from tui.reconcile.causes import Cause, CauseFinder, CauseSettings, OverheadRange
from tui.reconcile.compared_rows import Explained
from tui.reconcile.comparison import explain
from tui.reconcile.entries import Entry, Grouping, Measure
from tui.reconcile.readers.detect import ReaderSettings
from tui.reconcile.service_figures import ServiceFigures, ServiceSide

HITS = [
    Hit(FIRST_MS + hour * HOUR_MS + minute * 60_000, "news", hour * 60 + minute, 50_000)
    for hour in range(24)
    for minute in range(60)
]
TRUTH = bytes_by_day(HITS)
ONE_DAY = Days(FIRST_DAY, FIRST_DAY)


def one_cause(found: Reconciled, name: str, row: int = 0) -> Explained:
    (cause,) = [cause for cause in found.rows[row].causes if cause.cause == name]
    return cause


def test_body_of_responses_may_lack_headers_and_whole_responses_may_have_them(tmp_path: Path) -> None:
    with_headers = service_days(bytes_by_day([Hit(h.at, h.stream, h.number, h.size + 400) for h in HITS]))
    found = reconciled(tmp_path, [write_lines(HITS, combined_line)], with_headers, period=ONE_DAY)
    cause = one_cause(found, "overhead")
    assert (cause.amount, cause.low, cause.high) == (-400 * len(HITS), -600 * len(HITS), 0)
    assert found.unexplained == [0]
    responses = reconciled(
        tmp_path, [write_lines(HITS, cloudfront_line, CLOUDFRONT_HEADER)], service_days(TRUTH), period=ONE_DAY
    )
    assert (one_cause(responses, "overhead").low, one_cause(responses, "overhead").high) == (0, 600 * len(HITS))


def test_responses_without_a_body_show_the_size_of_headers(tmp_path: Path) -> None:
    unmodified = [Hit(hit.at, hit.stream, hit.number, 310, status=304) for hit in HITS[::50]]
    log = write_lines([*HITS, *unmodified], cloudfront_line, CLOUDFRONT_HEADER)
    cause = one_cause(reconciled(tmp_path, [log], service_days(TRUTH), period=ONE_DAY), "overhead")
    assert (cause.high, cause.note) == (
        310 * (len(HITS) + len(unmodified)), "headers of responses, 310 bytes each by those without a body"
    )  # fmt: skip


def test_stated_overhead_replaces_the_usual_one(tmp_path: Path) -> None:
    settings = CauseSettings(overhead=OverheadRange(10_000, 30_000))
    sums = bytes_by_day(HITS)
    sums[FIRST_DAY.isoformat()] = round(TRUTH[FIRST_DAY.isoformat()] / 1.02)
    found = reconciled(
        tmp_path, [write_lines(HITS, combined_line)], service_days(sums), causes=settings, period=ONE_DAY
    )
    (cause,) = found.rows[0].causes
    assert cause.amount == pytest.approx(0.02 * sums[FIRST_DAY.isoformat()], rel=0.01)
    assert found.unexplained == [0]


@pytest.mark.parametrize(("text", "step"), [("1.2", 10**8), ("1.19", 10**7)])
def test_rounding_of_an_invoice_is_half_a_step_a_line(tmp_path: Path, text: str, step: int) -> None:
    invoice = f"day,GB\n{FIRST_DAY},{text}\n{FIRST_DAY},{text}\n".encode()
    sums = bytes_by_day([])
    sums[FIRST_DAY.isoformat()] = 2 * 1_190_000_000
    cause = one_cause(reconciled(tmp_path, [invoice], service_days(sums), period=ONE_DAY), "rounding")
    assert (cause.low, cause.high) == (-step, step)
    assert cause.amount == (20_000_000 if text == "1.2" else 0)


def test_wrong_unit_of_an_invoice_is_suspected(tmp_path: Path) -> None:
    days = [f"2026-11-{day}" for day in range(16, 21)]
    sums = bytes_by_day([])
    sums.update({day: 10**12 + number * 10**11 for number, day in enumerate(days)})
    invoice = "day,GB\n" + "".join(f"{day},{sums[day] / 2**30:.3f}\n" for day in days)
    found = reconciled(tmp_path, [invoice.encode()], service_days(sums))
    assert [row.is_within for row in found.rows] == [False] * 5
    (suspicion,) = found.suspicions
    assert suspicion.cause == "unit"
    assert "--unit GiB in place of GB" in suspicion.text
    confirmed = reconciled(tmp_path, [invoice.encode()], service_days(sums), reader=ReaderSettings(unit="GiB"))
    assert confirmed.is_within


def rtmp_line(ended_ms: int, sent: int, seconds: int) -> str:
    return f'{ended_ms // 1000}.000 7 203.0.113.9 rx=3400 tx={sent} t={seconds} "PLAY" "live" "news" "" "WIN 1"\n'


def test_connection_across_midnight_explains_what_moved(tmp_path: Path) -> None:
    log = "".join(rtmp_line(FIRST_MS + HOUR_MS * hour, 1_000_000, 600) for hour in range(1, 40))
    log += rtmp_line(FIRST_MS + DAY_MS + HOUR_MS, 9_000_000, 3 * 3600)
    sums = bytes_by_day([])
    sums.update({"2026-11-16": 24_000_000 + 8_000_000, "2026-11-17": 15_000_000 + 1_000_000})
    found = reconciled(tmp_path, [log.encode()], service_days(sums), period=Days(FIRST_DAY, FIRST_DAY.replace(day=17)))
    assert found.notes[0].form == "nginx-rtmp"
    assert [one_cause(found, "connections across midnight", row).amount for row in (0, 1)] == [-2_000_000, 2_000_000]
    assert found.unexplained == [0, 0]


def test_view_time_of_a_log_is_cut_to_seconds(tmp_path: Path) -> None:
    log = "".join(rtmp_line(FIRST_MS + HOUR_MS * hour, 1_000_000, 600) for hour in range(1, 24))
    sums = bytes_by_day([])
    sums[FIRST_DAY.isoformat()] = 0
    days = service_days(sums, d2026_11_16={"view_time_ms": 23 * 600_700})
    found = reconciled(tmp_path, [log.encode()], days, measure=Measure.VIEW_TIME, period=ONE_DAY)
    cause = one_cause(found, "rounding")
    assert (cause.amount, cause.low, cause.high) == (-23 * 700, -23_000, 23_000)
    of_bytes = reconciled(tmp_path, [log.encode()], days, period=ONE_DAY)
    assert "rounding" not in [other.cause for other in of_bytes.rows[0].causes]


def test_time_that_one_of_several_servers_lost_has_no_lower_bound(tmp_path: Path) -> None:
    covered = CoveredTime(live_ms=DAY_MS - HOUR_MS, lost_ms=HOUR_MS)
    first = service_days(TRUTH, "edge-1", d2026_11_16={"coverage": covered, "bytes_out": 1})
    second = service_days(TRUTH, "edge-2")
    span = CoverageSpan(from_ms=FIRST_MS, to_ms=FIRST_MS + HOUR_MS, state=Provenance.LOST)
    log = write_lines(HITS, combined_line)
    found = reconciled(tmp_path, [log], [*first, *second], spans={"edge-1": [span], "edge-2": []}, period=ONE_DAY)
    cause = one_cause(found, "coverage")
    assert (cause.low, cause.high, cause.note) == (0, 60 * 50_000, "1 h lost")


def test_partial_time_explains_at_most_what_the_log_has_in_it(tmp_path: Path) -> None:
    covered = CoveredTime(live_ms=DAY_MS - HOUR_MS, partial_ms=HOUR_MS)
    span = CoverageSpan(from_ms=FIRST_MS, to_ms=FIRST_MS + HOUR_MS, state=Provenance.PARTIAL)
    sums = bytes_by_day(HITS[10:])
    days = service_days(sums, d2026_11_16={"coverage": covered})
    found = reconciled(tmp_path, [write_lines(HITS, combined_line)], days, spans={"edge-1": [span]}, period=ONE_DAY)
    cause = one_cause(found, "coverage")
    assert (cause.amount, cause.low, cause.high) == (500_000, 0, 60 * 50_000)


def test_invoice_of_lost_time_is_estimated_in_proportion(tmp_path: Path) -> None:
    covered = CoveredTime(live_ms=DAY_MS // 2, lost_ms=DAY_MS // 2)
    sums = bytes_by_day([])
    sums[FIRST_DAY.isoformat()] = 10**9
    days = service_days(sums, d2026_11_16={"coverage": covered})
    found = reconciled(tmp_path, [f"day,bytes\n{FIRST_DAY},2000000000\n".encode()], days, period=ONE_DAY)
    cause = one_cause(found, "coverage")
    assert (cause.amount, cause.low, cause.high) == (10**9, 0, 10**9)
    assert cause.note == "12 h lost, in proportion to time"


def test_hours_of_an_invoice_are_compared_with_view_time(tmp_path: Path) -> None:
    sums = bytes_by_day([])
    sums[FIRST_DAY.isoformat()] = 0
    days = service_days(sums, d2026_11_16={"view_time_ms": 5 * HOUR_MS})
    invoice = f"day,customer,hours\n{FIRST_DAY},tv,5.0\n".encode()
    found = reconciled(tmp_path, [invoice], days, measure=Measure.VIEW_TIME, period=ONE_DAY)
    assert (found.rows[0].account, found.rows[0].service, found.is_within) == (5 * HOUR_MS, 5 * HOUR_MS, True)


def test_day_without_figures_on_one_side_is_not_within(tmp_path: Path) -> None:
    log = write_lines(HITS, combined_line)
    sums = bytes_by_day([])
    sums["2026-11-17"] = 5
    found = reconciled(tmp_path, [log], service_days(sums), tolerance=Fraction(1))
    assert [(row.account is None, row.service is None, row.is_within) for row in found.rows] == [
        (False, True, False),
        (True, False, False),
    ]


def test_amounts_stay_within_their_bounds() -> None:
    causes = [Cause("a", 5, 5), Cause("b", 0, 10), Cause("c", -3, 3), Cause("d", 2, 4)]
    assert [found.amount for found in explain(30, causes)] == [5, 10, 3, 4]
    assert [found.amount for found in explain(9, causes)] == [5, 4, 0, 2]
    assert [found.amount for found in explain(-30, causes)] == [5, 0, -3, 2]


def test_missing_hour_is_at_most_as_busy_as_on_other_days(tmp_path: Path) -> None:
    quiet = [Hit(FIRST_MS + DAY_MS + at % DAY_MS, "news", at, 10_000) for at in range(0, DAY_MS, 60_000)]
    busy = [Hit(hit.at, hit.stream, hit.number, 90_000 if hit.at % DAY_MS < HOUR_MS else 20_000) for hit in HITS]
    log = [*busy, *(hit for hit in quiet if not 5 * HOUR_MS <= hit.at % DAY_MS < 7 * HOUR_MS)]
    truth = service_days(bytes_by_day([*busy, *quiet]))
    period = Days(FIRST_DAY, FIRST_DAY.replace(day=17))
    found = reconciled(tmp_path, [write_lines(log, combined_line)], truth, period=period)
    assert one_cause(found, "missing hours", 1).low == -2 * 60 * 20_000
    assert found.unexplained == [0, 0]


def test_missing_hours_explain_no_longer_time_than_the_service_has_accounted_for(tmp_path: Path) -> None:
    second = [Hit(hit.at + DAY_MS, hit.stream, hit.number, hit.size) for hit in HITS if hit.at < FIRST_MS + HOUR_MS]
    days = service_days(
        bytes_by_day([*HITS, *second]), d2026_11_17={"coverage": CoveredTime(live_ms=HOUR_MS // 2), "bytes_out": 10**7}
    )
    period = Days(FIRST_DAY, FIRST_DAY.replace(day=17))
    found = reconciled(tmp_path, [write_lines([*HITS, *second], combined_line)], days, period=period)
    assert one_cause(found, "missing hours", 1).low == -60 * 50_000 // 2


def test_missing_hours_that_no_other_day_has_are_named_and_explain_nothing(tmp_path: Path) -> None:
    found = reconciled(tmp_path, [write_lines(HITS[:120], combined_line)], service_days(TRUTH), period=ONE_DAY)
    cause = one_cause(found, "missing hours")
    assert (cause.amount, cause.low, cause.high) == (0, 0, 0)
    assert cause.note.startswith("22 hours without a line")
    assert not found.is_within


def stream_rows(covered: CoveredTime, spans: dict[str, list[CoverageSpan]] | None, *servers: str) -> tuple[Cause, ...]:
    """Return the causes of coverage of a stream."""
    account = OutsideAccount(Measure.BYTES_OUT, Grouping.STREAM, UTC_ZONE)
    for number, hit in enumerate(HITS):
        account.add(Entry(hit.at, "request", stream=f"live/{hit.stream}", bytes_out=hit.size), number)
    row = ServiceFigures(FIRST_DAY, "live/news", {"bytes_out": 1}, {}, covered, servers or ("edge-1", "edge-2"))
    key, day = (FIRST_DAY, "live/news"), Interval(FIRST_MS, FIRST_MS + DAY_MS)
    side = ServiceSide({key: row}, spans, is_of_streams=True)
    found = CauseFinder(account, side, CauseSettings()).causes(key, day, account.by_day()[key], row)
    return tuple(cause for cause in found if cause.name == "coverage")


def test_stream_may_have_been_on_a_server_that_was_away_unseen() -> None:
    hour = CoverageSpan(from_ms=FIRST_MS + HOUR_MS, to_ms=FIRST_MS + 2 * HOUR_MS, state=Provenance.LOST)
    all_day = CoveredTime(live_ms=DAY_MS)
    (cause,) = stream_rows(all_day, {"edge-1": [], "edge-2": [hour]})
    assert (cause.low, cause.high, cause.note) == (
        0, 60 * 50_000, "time that is not live of servers that may have carried it",
    )  # fmt: skip
    assert stream_rows(all_day, {"edge-1": [], "edge-2": []}) == ()
    assert stream_rows(all_day, None) == ()
    (known,) = stream_rows(CoveredTime(live_ms=DAY_MS - HOUR_MS, lost_ms=HOUR_MS), {"edge-1": [hour], "edge-2": []})
    assert (known.low, known.high, known.note) == (0, 60 * 50_000, "1 h lost")
    (alone,) = stream_rows(CoveredTime(live_ms=DAY_MS - HOUR_MS, lost_ms=HOUR_MS), {"edge-1": [hour]}, "edge-1")
    assert alone.low == 0, "the gaps that a file names need not be of all servers"
