"""Progress of recovery after an outage."""

from streamusage.core.coverage import Interval
from tui.model.gaps.recovery import Recovery

MINUTE = 60_000


def test_recovery_shows_the_share_of_owed_time_that_was_reported() -> None:
    recovery = Recovery()
    recovery.add([], 30 * MINUTE)
    assert not recovery.is_under_way
    recovery.add([Interval(0, 10 * MINUTE)], 30 * MINUTE)
    recovery.add([Interval(0, 10 * MINUTE)], 20 * MINUTE)
    assert recovery.is_under_way
    assert recovery.describe() == "recovering █████░░░░░ 20m of 40m backfilled, 50.0 %"
    recovery.add([Interval(0, 20 * MINUTE)], 0)
    assert not recovery.is_under_way
    recovery.add([], 5 * MINUTE)
    assert not recovery.is_under_way, "another outage counts from its own start"
