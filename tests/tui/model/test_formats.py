"""Formats of figures, durations and moments."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from tui.model import formats

NOW = 1795262400000  # Sat 21 Nov 2026 12:00 UTC
HOUR = formats.HOUR_MS


@pytest.mark.parametrize(
    ("length_ms", "shown"),
    [
        (None, "–"),
        (0, "0s"),
        (999, "<1s"),
        (48_999, "48s"),
        (36 * 60_000, "36m"),
        (64 * 60_000, "1h04"),
        (51 * HOUR, "2d03h"),
        (-5000, "-5s"),
    ],
)
def test_duration_is_formatted(length_ms: int | None, shown: str) -> None:
    assert formats.duration(length_ms) == shown
    assert len(formats.duration(10**17)) < 20


@pytest.mark.parametrize(
    ("at_ms", "shown"),
    [
        (NOW - HOUR, "11:00"),
        (NOW - 18 * HOUR, "Fri 18:00"),
        (NOW - 10 * 24 * HOUR, "11 Nov 12:00"),
        (NOW - 400 * 24 * HOUR, "2025-10-17"),
        (None, "–"),
        (0, "–"),
        (2**60, "?"),
        (-(2**60), "?"),
    ],
)
def test_moment_is_formatted_by_its_distance(at_ms: int | None, shown: str) -> None:
    assert formats.moment(at_ms, NOW, UTC) == shown


def test_moment_is_in_the_given_zone() -> None:
    assert formats.moment(NOW, NOW, ZoneInfo("Asia/Kathmandu")) == "17:45"


BERLIN, ST_JOHNS, LORD_HOWE = (ZoneInfo(name) for name in ("Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"))
CHANGE = 1792890000000  # Sun 25 Oct 2026 01:00 UTC: clocks of Berlin are set from 03:00 to 02:00
MINUTE = formats.MINUTE_MS


def test_times_of_a_repeated_hour_have_their_offset() -> None:
    assert formats.clock_time(CHANGE - 61 * MINUTE, BERLIN) == "01:59"
    assert formats.clock_time(CHANGE - 60 * MINUTE, BERLIN) == "02:00+02"
    assert formats.clock_time(CHANGE - MINUTE, BERLIN, seconds=True) == "02:59:00+02"
    assert formats.clock_time(CHANGE, BERLIN) == "02:00+01"
    assert formats.clock_time(CHANGE + 60 * MINUTE, BERLIN) == "03:00"
    assert formats.clock_time(CHANGE, UTC) == "01:00"
    assert formats.moment(CHANGE - MINUTE, CHANGE, BERLIN) == "02:59+02"
    assert formats.moment(CHANGE, CHANGE + 24 * HOUR, BERLIN) == "Sun 02:00+01"
    assert formats.moment(CHANGE, CHANGE + 24 * 20 * HOUR, BERLIN) == "25 Oct 02:00+01"
    at_st_johns = 1793507400000  # Sun 1 Nov 2026 04:30 UTC: from 02:00 to 01:00
    assert formats.clock_time(at_st_johns - MINUTE, ST_JOHNS) == "01:59-0230"
    assert formats.clock_time(at_st_johns, ST_JOHNS) == "01:00-0330"
    at_lord_howe = 1775314800000 - 20 * MINUTE  # half an hour is repeated: 01:30 to 02:00
    assert formats.clock_time(at_lord_howe, LORD_HOWE) == "01:40+11"
    assert formats.clock_time(at_lord_howe + 30 * MINUTE, LORD_HOWE) == "01:40+1030"


@pytest.mark.parametrize("days", [0, 1, 6, 7, 300])
@pytest.mark.parametrize("zone", [BERLIN, ST_JOHNS, LORD_HOWE])
def test_moments_of_a_repeated_hour_fit_their_cells(days: int, zone: ZoneInfo) -> None:
    for minute in range(-24 * 60, 10 * 24 * 60, 7):
        at_ms = CHANGE + minute * MINUTE
        for cells in (10, 12):
            assert len(formats.moment(at_ms, at_ms + days * 24 * HOUR, zone, cells=cells)) <= cells


def test_times_of_an_interval_have_offsets_where_the_clock_is_set() -> None:
    assert formats.clock_times(CHANGE - 67 * MINUTE, CHANGE + 61 * MINUTE, BERLIN) == ("01:53+02", "03:01+01")
    assert formats.clock_times(CHANGE - 7 * MINUTE, CHANGE + 61 * MINUTE, BERLIN) == ("02:53+02", "03:01+01")
    assert formats.clock_times(CHANGE + HOUR, CHANGE + 2 * HOUR, BERLIN) == ("03:00", "04:00")
    assert formats.clock_times(CHANGE - HOUR, CHANGE + 22 * HOUR, BERLIN) == ("02:00+02", "00:00"), "another day"


def test_traffic_bandwidth_and_percent_are_formatted() -> None:
    assert formats.traffic(4_210_000_000) == "4.21 GB"
    assert formats.traffic(999) == "999 B"
    assert formats.traffic(999_999) == "1.00 MB"
    assert formats.bandwidth(88_123_456) == "88.1 Mbit/s"
    assert formats.percent(99_999_999, 100_000_000) == "99.9 %"
    assert formats.percent(1, 100_000) == "<0.1 %"
    assert formats.percent(0, 0) == "–"
    assert formats.percent(5, 5) == "100 %"


def test_start_time_of_an_older_session_fits_its_column_uncut() -> None:
    assert (
        formats.moment(NOW - 20 * 86_400_000, NOW, UTC, cells=9)
        == formats.moment(NOW - 20 * 86_400_000, NOW, UTC).rsplit(" ", 1)[0]
    )


def test_date_of_another_year_names_the_year() -> None:
    new_year = 1_798_761_600_000  # 1 Jan 2027 00:00 UTC
    assert formats.moment(new_year - 20 * 86_400_000, new_year, UTC) == "2026-12-12"
    assert formats.moment(new_year + 3_600_000, new_year + 30 * 86_400_000, UTC) == "1 Jan 01:00"


@pytest.mark.parametrize(
    ("length_ms", "shown"),
    [(0, "<10s"), (9_999, "<10s"), (10_000, "10s"), (48_000, "40s"), (60_000, "1m"), (3_840_000, "1h04"), (-1, "-<1s")],
)
def test_age_steps_coarsely(length_ms: int, shown: str) -> None:
    assert formats.age(length_ms) == shown


def test_minutes_of_all_sessions_step_together() -> None:
    starts = [NOW - 1, NOW - 30_000, NOW - 59_999, NOW - 90_000, NOW - 3_840_000]
    before, at, later = (
        [formats.minutes_since(start, now_ms) for start in starts]
        for now_ms in (NOW + 59_999, NOW + 60_000, NOW + 119_999)
    )
    assert before == ["<1m", "<1m", "<1m", "1m", "1h04"]
    assert at == later == ["1m", "1m", "1m", "2m", "1h05"]
