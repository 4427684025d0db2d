"""Logs of a known truth with planted faults: each cause is found, and its amount is within 1 % of what was planted."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from streamusage.api.daily import CoveredTime, DayDifference
from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import Provenance
from streamusage.core.windows import Days
from tests.support.outside_accounts import (
    CLOUDFRONT_HEADER,
    CSV_HEADER,
    DAY_MS,
    FIRST_MS,
    HOUR_MS,
    Hit,
    bytes_by_day,
    cloudfront_line,
    combined_line,
    csv_line,
    fastly_line,
    make_traffic,
    service_days,
    shifted,
    with_doubled_hour,
    with_heads,
    without_lines,
    write_lines,
)
from tests.support.reconciled import Reconciled, reconciled
from tui.reconcile.causes import CauseSettings

TRAFFIC = make_traffic()
TRUTH = service_days(bytes_by_day(TRAFFIC))

FORMS: dict[str, tuple[Callable[[Hit], str], str]] = {
    "cloudfront": (cloudfront_line, CLOUDFRONT_HEADER),
    "json": (fastly_line, ""),
    "combined": (combined_line, ""),
    "CSV": (csv_line, CSV_HEADER),
}


def compare_log(folder: Path, hits: list[Hit], form: str = "cloudfront", **more: object) -> Reconciled:
    line, header = FORMS[form]
    if form == "CSV":
        more.setdefault("zone", ZoneInfo("UTC"))
    days = more.pop("days", TRUTH)
    return reconciled(folder, [write_lines(hits, line, header)], days, **more)  # type: ignore[arg-type]


def size(hits: list[Hit]) -> int:
    return sum(hit.size for hit in hits)


@pytest.mark.parametrize("form", FORMS)
def test_log_of_the_truth_agrees_to_the_byte_in_every_form(tmp_path: Path, form: str) -> None:
    found = compare_log(tmp_path, TRAFFIC, form)
    assert found.notes[0].form == form
    assert [row.difference for row in found.rows] == [0] * 5
    assert (found.is_within, found.suspicions) == (True, ())


def test_lines_missing_evenly_are_quantified(tmp_path: Path) -> None:
    kept = without_lines(TRAFFIC, 0.05)
    found = compare_log(tmp_path, kept)
    assert not any(row.is_within for row in found.rows)
    (suspicion,) = found.suspicions
    assert suspicion.cause == "missing lines"
    assert sum(suspicion.amounts.values()) == pytest.approx(size(kept) - size(TRAFFIC), rel=0.01)
    assert f"{100 * (1 - size(kept) / size(TRAFFIC)):.2f} % of it is missing" in suspicion.text
    shares = [row.account / row.service for row in found.rows if row.account and row.service]
    assert f"in 5 rows from {100 * min(shares):.2f} % to {100 * max(shares):.2f} %" in suspicion.text


@pytest.mark.parametrize("shift_ms", [HOUR_MS, -2 * HOUR_MS, 19_800_000])
def test_shifted_clock_is_quantified_and_explains_all_once_confirmed(tmp_path: Path, shift_ms: int) -> None:
    week = make_traffic(days=7)
    days = service_days(bytes_by_day(week))[1:-1]  # the log covers a day more at each end
    log = shifted(week, shift_ms)
    period = {"period": Days(date(2026, 11, 17), date(2026, 11, 21))}
    found = compare_log(tmp_path, log, days=days, **period)
    (suspicion,) = found.suspicions
    planted = bytes_by_day(log)
    truth = bytes_by_day(week)
    assert suspicion.cause == "shifted clock"
    for (day, _), amount in suspicion.amounts.items():
        assert amount == pytest.approx(planted[str(day)] - truth[str(day)], rel=0.01)
    confirmed = compare_log(tmp_path, log, days=days, shift_ms=-shift_ms, **period)
    assert confirmed.unexplained == [0] * 5
    assert confirmed.suspicions == ()


def test_shift_and_missing_lines_are_found_together(tmp_path: Path) -> None:
    week = make_traffic(days=7, hits_a_day=4000)
    days = service_days(bytes_by_day(week))[1:-1]
    kept = without_lines(week, 0.05)
    found = compare_log(
        tmp_path, shifted(kept, 3 * HOUR_MS), days=days, period=Days(date(2026, 11, 17), date(2026, 11, 21))
    )
    shift, ratio = found.suspicions
    assert (shift.cause, ratio.cause) == ("shifted clock", "missing lines")
    assert "confirm with --log-shift -3h" in shift.text
    lost, moved = bytes_by_day(kept), bytes_by_day(shifted(kept, 3 * HOUR_MS))
    for day in ("2026-11-18", "2026-11-19", "2026-11-20"):
        assert shift.amounts[date.fromisoformat(day), ""] == pytest.approx(moved[day] - lost[day], rel=0.01)
    planted = sum(lost[day.day] - day.bytes_out for day in days)
    assert sum(ratio.amounts.values()) == pytest.approx(planted, rel=0.01)


def test_shift_names_the_option_that_confirms_it(tmp_path: Path) -> None:
    week = make_traffic(days=7)
    days = service_days(bytes_by_day(week))[1:-1]
    found = compare_log(tmp_path, shifted(week, HOUR_MS), days=days)
    assert "the log's times are 1h ahead" in found.suspicions[0].text
    assert "--log-shift -1h" in found.suspicions[0].text


@pytest.mark.parametrize("form", FORMS)
def test_doubled_hour_is_explained_to_the_byte(tmp_path: Path, form: str) -> None:
    from_ms = FIRST_MS + DAY_MS + 3 * HOUR_MS
    log = with_doubled_hour(TRAFFIC, from_ms)
    found = compare_log(tmp_path, log, form)
    assert found.explained("repeated lines") == size(log) - size(TRAFFIC) > 0
    assert "in the hours from 03:00 UTC" in str(found.rows[1].causes)
    assert found.unexplained == [0] * 5


def test_overlapping_files_are_explained_to_the_byte(tmp_path: Path) -> None:
    middle = len(TRAFFIC) // 2
    first = write_lines(TRAFFIC[: middle + 600], combined_line)
    second = write_lines(TRAFFIC[middle - 600 :], combined_line)
    found = reconciled(tmp_path, [first, second], TRUTH)
    overlap = size(TRAFFIC[middle - 600 : middle + 600])
    assert found.explained("repeated lines") + found.explained("equal lines") == overlap
    assert found.explained("repeated lines") >= 0.99 * overlap
    assert found.unexplained == [0] * 5


def test_head_requests_are_quantified(tmp_path: Path) -> None:
    log = with_heads(TRAFFIC, 0.03)
    found = compare_log(tmp_path, log)
    assert found.explained("HEAD requests") == pytest.approx(size(log) - size(TRAFFIC), rel=0.01)
    assert found.is_within
    assert found.notes[0].heads == len(log) - len(TRAFFIC)


def test_error_responses_are_quantified(tmp_path: Path) -> None:
    errors = [replace(hit, status=404, number=hit.number + 10**6) for hit in TRAFFIC[::20]]
    log = sorted([*TRAFFIC, *errors], key=lambda hit: hit.at)
    found = compare_log(tmp_path, log)
    assert found.explained("error responses") == pytest.approx(size(errors), rel=0.01)
    assert (found.is_within, found.notes[0].errors) == (True, len(errors))


def test_sample_of_lines_is_found_and_confirmed(tmp_path: Path) -> None:
    log = without_lines(TRAFFIC, 0.9)
    (suspicion,) = compare_log(tmp_path, log).suspicions
    assert suspicion.cause == "sampling"
    assert "--sampling 1/10" in suspicion.text
    assert sum(suspicion.amounts.values()) == pytest.approx(size(log) - size(TRAFFIC), rel=0.01)
    confirmed = compare_log(tmp_path, log, causes=CauseSettings(sampled=10))
    assert confirmed.is_within
    assert confirmed.suspicions == ()


def test_missing_hours_are_named_with_their_bound(tmp_path: Path) -> None:
    from_ms = FIRST_MS + 2 * DAY_MS + 5 * HOUR_MS
    log = [hit for hit in TRAFFIC if not from_ms <= hit.at < from_ms + 2 * HOUR_MS]
    found = compare_log(tmp_path, log)
    row = found.rows[2]
    (cause,) = [cause for cause in row.causes if cause.cause == "missing hours"]
    assert cause.note.startswith("2 hours")
    assert cause.amount == size(log) - size(TRAFFIC) >= cause.low
    assert [other.causes for other in found.rows if other is not row and "missing" in str(other.causes)] == []


def test_time_that_the_service_lost_is_quantified(tmp_path: Path) -> None:
    from_ms, to_ms = FIRST_MS + DAY_MS + 7 * HOUR_MS, FIRST_MS + DAY_MS + 10 * HOUR_MS
    counted = [hit for hit in TRAFFIC if not from_ms <= hit.at < to_ms]
    covered = CoveredTime(live_ms=DAY_MS - 3 * HOUR_MS, lost_ms=3 * HOUR_MS)
    days = service_days(bytes_by_day(counted), d2026_11_17={"coverage": covered})
    span = CoverageSpan(from_ms=from_ms, to_ms=to_ms, state=Provenance.LOST)
    found = compare_log(tmp_path, TRAFFIC, days=days, spans={"edge-1": [span]})
    assert found.explained("coverage") == size(TRAFFIC) - size(counted)
    assert found.unexplained == [0] * 5
    (cause,) = [cause for cause in found.rows[1].causes if cause.amount]
    assert (cause.low, cause.high, cause.note) == (cause.amount, cause.amount, "3 h lost")


def test_lost_time_of_unknown_position_explains_at_most_the_busiest_time(tmp_path: Path) -> None:
    covered = CoveredTime(live_ms=DAY_MS - HOUR_MS, missing_ms=HOUR_MS)
    days = service_days(bytes_by_day(TRAFFIC), d2026_11_17={"coverage": covered, "bytes_out": 0})
    found = compare_log(tmp_path, TRAFFIC, days=days)
    (cause,) = [cause for cause in found.rows[1].causes if cause.cause == "coverage"]
    assert 0 < cause.amount == cause.high < size(TRAFFIC) / 10
    assert not found.rows[1].is_within


def test_later_figures_are_explained(tmp_path: Path) -> None:
    day = "2026-11-18"
    sums = bytes_by_day(TRAFFIC)
    sums[day] -= 5_000_000
    later = DayDifference(bytes_out=5_000_000)
    found = compare_log(tmp_path, TRAFFIC, days=service_days(sums, d2026_11_18={"adjustment": later}))
    assert found.explained("later figures") == 5_000_000
    assert found.unexplained == [0] * 5


def test_difference_without_a_cause_is_marked(tmp_path: Path) -> None:
    sums = bytes_by_day(TRAFFIC)
    sums["2026-11-19"] = round(sums["2026-11-19"] * 1.2)
    found = compare_log(tmp_path, TRAFFIC, days=service_days(sums))
    assert [row.is_within for row in found.rows] == [True, True, True, False, True]
    assert found.suspicions == ()
    assert found.rows[3].unexplained == bytes_by_day(TRAFFIC)["2026-11-19"] - sums["2026-11-19"]
