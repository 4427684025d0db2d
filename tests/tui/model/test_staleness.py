"""Levels of staleness by age and failures, and their descriptions."""

from tui.model.staleness import StalenessLevel, freshness


def staleness(
    elapsed_ms: int, failures: int = 0, polled_at_ms: int | None = 0, retry_at_ms: int | None = None
) -> tuple[StalenessLevel, bool]:
    found = freshness(
        elapsed_ms=elapsed_ms, polled_at_ms=polled_at_ms, interval_ms=2000, failures=failures, retry_at_ms=retry_at_ms
    )
    return found.step, found.allows_deletes


def test_staleness_rises_by_age_and_failures_and_disables_deletes_when_stale() -> None:
    assert staleness(800) == (StalenessLevel.LIVE, True)
    assert staleness(3000, failures=1) == (StalenessLevel.LATE, True)
    assert staleness(7000) == (StalenessLevel.LATE, True)
    assert staleness(17_000, failures=2) == (StalenessLevel.STALE, False)
    assert staleness(60_000, failures=9) == (StalenessLevel.OFFLINE, False)
    assert staleness(60_000) == (StalenessLevel.STALE, False)
    assert staleness(0, polled_at_ms=None) == (StalenessLevel.WAITING, False)
    assert staleness(0, failures=3, polled_at_ms=None) == (StalenessLevel.OFFLINE, False)


def test_description_has_age_and_next_retry() -> None:
    found = freshness(elapsed_ms=252_000, polled_at_ms=0, interval_ms=2000, failures=7, retry_at_ms=259_500)
    assert found.describe() == "offline 4m, next try in 8s"
    stale = freshness(elapsed_ms=41_000, polled_at_ms=0, interval_ms=2000, failures=2, retry_at_ms=None)
    assert stale.describe() == "STALE 41s, deletes off"
