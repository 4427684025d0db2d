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
        formats.moment(NOW - 20 * 86_400_000, NOW, UTC, in_cell=True)
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
