"""A shift is found only if it leaves little of the differences, and every day agrees."""

from fractions import Fraction

from streamusage.core.coverage import Interval
from tests.support.outside_accounts import DAY_MS, FIRST_MS, HOUR_MS, UTC_ZONE
from tui.reconcile.compared_rows import AmountBounds, ComparedRow
from tui.reconcile.hour_profiles import LONGEST_SHIFT_MS, QUARTER_MS
from tui.reconcile.shifts import FoundShift, Moved, find_shift

SHIFTS = range(-LONGEST_SHIFT_MS, LONGEST_SHIFT_MS + 1, QUARTER_MS)
SPAN = Interval(FIRST_MS - DAY_MS, FIRST_MS + 5 * DAY_MS)
SERVICE = 1_000_000


def row(day: int, difference: int) -> ComparedRow:
    return ComparedRow(
        day=f"2026-11-{16 + day}", group="", account=SERVICE + difference, service=SERVICE, causes=(),
        bounds=AmountBounds(0, 0), is_within=abs(difference) <= SERVICE // 100, lines=5, is_final=True,
    )  # fmt: skip


def moved(rows: list[ComparedRow], by_shift: dict[int, list[int]]) -> Moved:
    """What shifts move in each row; other shifts double the difference."""
    return {
        each.key: {shift: by_shift[shift][number] if shift in by_shift else each.difference or 0 for shift in SHIFTS}
        for number, each in enumerate(rows)
    }


def test_shift_that_removes_the_differences_is_found() -> None:
    rows = [row(0, 50_000), row(1, -40_000)]
    found = find_shift(rows, moved(rows, {HOUR_MS: [-50_000, 40_000]}), SPAN, UTC_ZONE)
    assert found == FoundShift(HOUR_MS, Fraction(1))


def test_shift_that_leaves_more_than_a_quarter_is_none() -> None:
    rows = [row(0, 12_000), row(1, -12_000)]
    assert find_shift(rows, moved(rows, {HOUR_MS: [-4_000, 4_000]}), SPAN, UTC_ZONE) is None


def test_shift_after_which_a_day_disagrees_is_none() -> None:
    rows = [row(0, 90_000), row(1, -40_000)]
    assert find_shift(rows, moved(rows, {HOUR_MS: [-75_000, 40_000]}), SPAN, UTC_ZONE) is None


def test_days_that_the_shifted_log_lacks_do_not_count() -> None:
    rows = [row(0, 50_000), row(1, -40_000)]
    span = Interval(FIRST_MS, FIRST_MS + 2 * DAY_MS)
    assert find_shift(rows, moved(rows, {HOUR_MS: [-50_000, 40_000]}), span, UTC_ZONE) is None
    earlier = span._replace(from_ms=FIRST_MS - HOUR_MS)
    assert find_shift(rows, moved(rows, {HOUR_MS: [-50_000, 40_000]}), earlier, UTC_ZONE) is not None


def test_ratio_is_fitted_with_a_shift_on_four_days_only() -> None:
    differences, removed = (50_000, -140_000, 10_000, -120_000), [-100_000, 90_000, -60_000, 70_000]
    rows = [row(day, difference) for day, difference in enumerate(differences)]
    found = find_shift(rows, moved(rows, {-HOUR_MS: removed}), SPAN, UTC_ZONE)
    assert found == FoundShift(-HOUR_MS, Fraction(95, 100))
    assert find_shift(rows[:3], moved(rows[:3], {-HOUR_MS: removed}), SPAN, UTC_ZONE) is None
