"""Sums of an account by day and group; connections that cross midnight."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.outside_accounts import DAY_MS, FIRST_MS, HOUR_MS, UTC_ZONE
from tui.reconcile.account import SLOT_MS, OutsideAccount, spread
from tui.reconcile.entries import Entry, Grouping, Measure
from tui.reconcile.errors import AccountError

DAY_1, DAY_2 = date(2026, 11, 16), date(2026, 11, 17)


def account(
    *entries: Entry, measure: Measure = Measure.BYTES_OUT, by: Grouping = Grouping.TOTAL, tz: ZoneInfo = UTC_ZONE
) -> OutsideAccount:
    added = OutsideAccount(measure, by, tz)
    for number, entry in enumerate(entries):
        added.add(entry, number)
    return added


def values(found: OutsideAccount, shift_ms: int = 0) -> dict[tuple[date, str], int]:
    return {key: total.value for key, total in sorted(found.by_day(shift_ms).items())}


def test_days_are_those_of_the_zone() -> None:
    entry = Entry(FIRST_MS + 23 * HOUR_MS + HOUR_MS // 2, "request", bytes_out=7)
    assert values(account(entry)) == {(DAY_1, ""): 7}
    assert values(account(entry, tz=ZoneInfo("Europe/Berlin"))) == {(DAY_2, ""): 7}
    assert values(account(entry, tz=ZoneInfo("Asia/Kolkata"))) == {(DAY_2, ""): 7}


def test_rows_are_by_group() -> None:
    entries = [
        Entry(FIRST_MS, "request", stream="live/a", customer="x", bytes_out=1),
        Entry(FIRST_MS, "request", stream="live/b", customer="x", bytes_out=2),
        Entry(0, "total", stream="live/b", customer="y", bytes_out=4, day=DAY_1),
    ]
    assert values(account(*entries, by=Grouping.STREAM)) == {(DAY_1, "live/a"): 1, (DAY_1, "live/b"): 6}
    assert values(account(*entries, by=Grouping.CUSTOMER)) == {(DAY_1, "x"): 3, (DAY_1, "y"): 4}


def test_connection_is_spread_over_its_days_and_its_course_has_bounds() -> None:
    play = Entry(
        FIRST_MS + DAY_MS + HOUR_MS, "connection", bytes_out=400, view_time_ms=4 * HOUR_MS, connections=1,
        duration_ms=4 * HOUR_MS,
    )  # fmt: skip
    sums = account(play)
    assert values(sums) == {(DAY_1, ""): 300, (DAY_2, ""): 100}
    assert (sums.bounds(DAY_1, ""), sums.bounds(DAY_2, "")) == ((300, 100), (100, 300))
    view_time = account(play, measure=Measure.VIEW_TIME)
    assert values(view_time) == {(DAY_1, ""): 3 * HOUR_MS, (DAY_2, ""): HOUR_MS}
    assert view_time.bounds(DAY_1, "") == (0, 0)
    assert values(account(play, measure=Measure.CONNECTIONS)) == {(DAY_1, ""): 1}


def test_connection_within_a_day_has_no_bounds() -> None:
    play = Entry(FIRST_MS + 2 * HOUR_MS, "connection", bytes_out=401, duration_ms=HOUR_MS)
    sums = account(play)
    assert values(sums) == {(DAY_1, ""): 401}
    assert sums.bounds(DAY_1, "") == (0, 0)


def test_shift_moves_lines_and_no_sums_of_days() -> None:
    sums = account(
        Entry(FIRST_MS + DAY_MS - SLOT_MS, "request", bytes_out=3), Entry(0, "total", bytes_out=5, day=DAY_1)
    )
    assert values(sums, SLOT_MS) == {(DAY_1, ""): 5, (DAY_2, ""): 3}


def test_account_without_the_figure_is_refused() -> None:
    with pytest.raises(AccountError, match="it has no view_time_ms; give another --figure"):
        account(Entry(FIRST_MS, "request", bytes_out=3), measure=Measure.VIEW_TIME)


def test_bytes_of_whole_connections_are_kept_apart() -> None:
    sums = account(Entry(FIRST_MS, "whole connection", bytes_out=110), Entry(FIRST_MS, "connection", bytes_out=100))
    assert (values(sums), sums.whole_connections, sums.media_value) == ({(DAY_1, ""): 100}, 110, 100)


@given(st.integers(0, 10**15), st.integers(0, 10**7), st.integers(0, 10**8))
def test_spread_loses_nothing(total: int, from_ms: int, length_ms: int) -> None:
    parts = list(spread(total, from_ms, from_ms + length_ms))
    assert sum(share for _, share in parts) == total
    assert all(slot % SLOT_MS == 0 and share >= 0 for slot, share in parts)
    assert parts[0][0] <= from_ms
    assert parts[-1][0] <= from_ms + length_ms
