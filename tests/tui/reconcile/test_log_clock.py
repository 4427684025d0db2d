"""Times of a log become instants: zones, repeated and skipped hours, shifts."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tui.reconcile.log_clock import LogClock

BERLIN = ZoneInfo("Europe/Berlin")


def wall(text: str) -> int:
    """Return a time without a zone as readers return it: as if it were UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def instants(clock: LogClock, *texts: str) -> list[str]:
    return [f"{datetime.fromtimestamp(clock.instant(wall(text)) / 1000, UTC):%H:%M}" for text in texts]


def test_times_with_a_zone_are_instants() -> None:
    assert LogClock(None).instant(5) == 5
    assert LogClock(None, -3_600_000).instant(7_200_000) == 3_600_000


def test_times_without_a_zone_are_read_in_the_given_one() -> None:
    assert instants(LogClock(BERLIN), "2026-11-20T01:30", "2026-07-20T01:30") == ["00:30", "23:30"]
    assert instants(LogClock(BERLIN, 3_600_000), "2026-11-20T01:30") == ["01:30"]


def test_order_of_lines_decides_in_the_repeated_hour() -> None:
    clock = LogClock(BERLIN)
    texts = [f"2026-10-25T{time}" for time in ("01:59", "02:10", "02:59", "02:01", "02:50", "03:05")]
    assert instants(clock, *texts) == ["23:59", "00:10", "00:59", "01:01", "01:50", "02:05"]
    assert not clock.skipped


def test_times_that_the_zone_skips_are_counted_by_day() -> None:
    clock = LogClock(BERLIN)
    instants(clock, "2026-03-29T01:59", "2026-03-29T02:10", "2026-03-29T02:50", "2026-03-29T03:01")
    assert clock.skipped == {"2026-03-29": 2}
