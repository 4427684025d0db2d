"""Instants, windows, and ranges of days and months."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from streamusage import InvalidArgumentError
from streamusage.library.instants import (
    datetime_of,
    day_ranges,
    milliseconds_of,
    month_ranges,
    optional_datetime,
    window_ms,
    year_ranges,
)


@pytest.mark.parametrize("at_ms", [0, 1, 1_525_079_735_738, 253_402_300_799_999])
def test_milliseconds_read_back_exactly(at_ms: int) -> None:
    assert milliseconds_of(datetime_of(at_ms)) == at_ms


def test_zone_of_a_time_counts() -> None:
    assert milliseconds_of(datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))) == 0
    assert optional_datetime(None) is None


def test_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="has no zone"):
        milliseconds_of(datetime(2026, 11, 20))  # noqa: DTZ001


def test_empty_window_is_refused() -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    with pytest.raises(InvalidArgumentError, match="the window is empty"):
        window_ms(noon, noon)


@pytest.mark.parametrize("ranges", [day_ranges, month_ranges, year_ranges])
@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2026, 11, 20), date(2026, 11, 20)),
        (date(2023, 12, 31), date(2024, 3, 1)),
        (date(2020, 1, 15), date(2026, 11, 30)),
    ],
)
def test_ranges_cover_each_day_once_and_fit_a_request(ranges: object, first: date, last: date) -> None:
    found = list(ranges(first, last))  # type: ignore[operator]
    days = [begin + timedelta(n) for begin, end in found for n in range((end - begin).days + 1)]
    assert days == [first + timedelta(n) for n in range((last - first).days + 1)]
    assert all((end - begin).days < 366 for begin, end in found)


def test_ranges_of_sums_by_month_never_divide_a_month() -> None:
    ends = [end for _, end in year_ranges(date(2020, 1, 15), date(2026, 11, 30))]
    assert len(ends) == 7
    assert all((end + timedelta(1)).day == 1 for end in ends)


@pytest.mark.parametrize("ranges", [day_ranges, month_ranges, year_ranges])
def test_reversed_range_is_refused(ranges: object) -> None:
    with pytest.raises(InvalidArgumentError, match="the range has no day"):
        list(ranges(date(2026, 11, 21), date(2026, 11, 20)))  # type: ignore[operator]
