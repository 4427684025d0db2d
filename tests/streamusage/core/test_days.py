"""Accounting days, including days of 23 and 25 hours."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.core.days import UnknownZoneError, day_interval, day_of, days_between, zone

HOUR = 3_600_000
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Asuncion")


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        ("UTC", date(2026, 3, 29), 24),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
    ],
)
def test_day_length_follows_daylight_saving(name: str, day: date, hours: float) -> None:
    assert day_interval(day, zone(name)).length_ms == hours * HOUR


@given(st.sampled_from(ZONES), st.dates(date(2000, 1, 1), date(2037, 12, 30)))
def test_days_are_contiguous_and_contain_their_instants(name: str, day: date) -> None:
    tz = zone(name)
    interval = day_interval(day, tz)
    assert interval.to_ms == day_interval(day + timedelta(days=1), tz).from_ms
    assert day_of(interval.from_ms, tz) == day
    assert day_of(interval.to_ms - 1, tz) == day
    assert interval.from_ms % 60_000 == 0, "a slot belongs to one day only"


def test_days_between_includes_both_ends() -> None:
    assert list(days_between(date(2026, 2, 28), date(2026, 3, 1))) == [date(2026, 2, 28), date(2026, 3, 1)]
    assert list(days_between(date(2026, 3, 2), date(2026, 3, 1))) == []


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../etc/passwd", "/etc/passwd", "a\x00b"])
def test_unknown_zone_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnknownZoneError, match="unknown time zone"):
        zone(name)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("America/New York", "America/New_York"),
        ("Kolkata", "Asia/Kolkata"),
        ("utc", "UTC"),
    ],
)
def test_unknown_zone_suggests_the_name_that_was_meant(typed: str, meant: str) -> None:
    with pytest.raises(UnknownZoneError, match=f"unknown time zone '{typed}'; did you mean {meant}\\?$"):
        zone(typed)


@pytest.mark.parametrize("typed", ["Mars/Base", "GMT+2", "CEST", "+02:00", "x" * 10_000])
def test_zone_that_resembles_none_or_another_offset_is_answered_with_an_example(typed: str) -> None:
    with pytest.raises(UnknownZoneError, match=r"use a name of the tz database, such as Europe/Berlin$"):
        zone(typed)
