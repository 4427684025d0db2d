"""Checks of windows, steps and ranges of days: what is refused, and what the error names."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamusage.core.coverage import SLOT_MS, Interval
from streamusage.core.windows import MOST_DAYS, OPTIONS, WindowError, check_days, check_steps, check_window

CASES = settings(max_examples=500, print_blob=True)
DAY = date(2026, 11, 21)


def test_window_is_returned() -> None:
    assert check_window(0, 60_000) == Interval(0, 60_000)
    assert check_window(5, 5) == Interval(5, 5)
    assert check_window(-1, 5, may_be_negative=True) == Interval(-1, 5)


def test_refused_window_is_named() -> None:
    with pytest.raises(WindowError, match=r"^from 6 is after to 5; expected from not after to$"):
        check_window(6, 5)
    with pytest.raises(
        WindowError, match=r"^from -1 is before 1970; expected UTC milliseconds, such as 1525079735737$"
    ):
        check_window(-1, 5)
    with pytest.raises(WindowError, match=r"^--from <5> is not before --to <5>; expected --from before --to$"):
        check_window(5, 5, names=OPTIONS, show=lambda at_ms: f"<{at_ms}>", may_be_empty=False)


def test_refused_steps_are_named() -> None:
    assert check_steps(Interval(61_000, 180_000), 60_000, 2) == Interval(60_000, 180_000)
    for step_ms in (0, -60_000, 61_000):
        with pytest.raises(WindowError, match=f"^step {step_ms} is not whole minutes .* such as 60000$"):
            check_steps(Interval(0, 60_000), step_ms, 10)
    with pytest.raises(
        WindowError, match=r"^from 0 to 180000 is 3 steps of 60000; a query covers at most 2: make step"
    ):
        check_steps(Interval(0, 180_000), 60_000, 2)


def test_refused_days_are_named() -> None:
    assert check_days(DAY, DAY) == (DAY, DAY)
    assert check_days(DAY, DAY + timedelta(days=MOST_DAYS - 1)).last == DAY + timedelta(days=MOST_DAYS - 1)
    with pytest.raises(WindowError, match=r"^from 2026-11-21 is after to 2026-11-20; expected from not after to$"):
        check_days(DAY, DAY - timedelta(days=1))
    with pytest.raises(
        WindowError, match=r"^--from 2026-11-21 to --to 2027-11-22 is 367 days; expected at most 366: give"
    ):
        check_days(DAY, DAY + timedelta(days=MOST_DAYS), names=OPTIONS)


numbers = st.integers(-(2**53), 2**53)


@CASES
@given(from_ms=numbers, to_ms=numbers, may_be_empty=st.booleans(), may_be_negative=st.booleans())
def test_window_is_accepted_exactly_if_it_is_in_order(
    from_ms: int, to_ms: int, may_be_empty: bool, may_be_negative: bool
) -> None:
    in_order = from_ms < to_ms or (from_ms == to_ms and may_be_empty)
    try:
        window = check_window(from_ms, to_ms, may_be_empty=may_be_empty, may_be_negative=may_be_negative)
    except WindowError:
        window = None
    assert window == (Interval(from_ms, to_ms) if in_order and (from_ms >= 0 or may_be_negative) else None)


@CASES
@given(from_ms=st.integers(0, 2**53), length_ms=st.integers(0, 2**40), steps=st.integers(1, 5000))
def test_steps_cover_the_window(from_ms: int, length_ms: int, steps: int) -> None:
    step_ms = steps * SLOT_MS
    window = Interval(from_ms, from_ms + length_ms)
    try:
        cut = check_steps(window, step_ms, 1440)
    except WindowError:
        assert length_ms // step_ms > 1440
    else:
        assert cut.from_ms % step_ms == 0
        assert cut.from_ms <= from_ms < cut.from_ms + step_ms
        assert cut.to_ms == window.to_ms
