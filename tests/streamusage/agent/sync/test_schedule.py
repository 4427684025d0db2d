"""When the agent tries again."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.sync.schedule import LONGEST_BACKOFF_MS, RETRIES, SyncSchedule, phase_offset_ms

INTERVAL = 10_000


def schedule() -> SyncSchedule:
    return SyncSchedule("edge-1", INTERVAL, 0, Random(1))


def test_the_first_attempt_is_due_at_once_and_the_next_at_the_servers_place_in_the_interval() -> None:
    sync = schedule()
    assert sync.due_ms == 0
    sync.record_success(25)
    assert sync.due_ms % INTERVAL == phase_offset_ms("edge-1", INTERVAL)
    due = sync.due_ms
    sync.record_success(due)
    assert sync.due_ms == due + INTERVAL


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.text(min_size=1))
def test_the_next_attempt_is_within_an_interval_and_never_past(began: int, later: int, server: str) -> None:
    sync = SyncSchedule(server, INTERVAL, began, Random(1))
    now = began + later
    sync.record_success(now)
    assert now < sync.due_ms <= now + INTERVAL


def test_servers_are_spread_over_the_interval() -> None:
    tenths = {phase_offset_ms(f"edge-{number}", INTERVAL) * 10 // INTERVAL for number in range(200)}
    assert tenths == set(range(10))


def test_failures_are_retries_first_and_then_accumulation_and_never_end() -> None:
    sync = schedule()
    phases = []
    for _ in range(RETRIES + 40):
        sync.record_failure(0, "no route")
        phases.append(sync.phase)
    assert phases == ["retrying"] * RETRIES + ["accumulating"] * 40
    assert LONGEST_BACKOFF_MS // 2 <= sync.due_ms <= LONGEST_BACKOFF_MS
    assert sync.reporting_phase == "recovering"
    sync.record_reply(7)
    assert (sync.phase, sync.due_ms) == ("recovering", 7)
    sync.record_success(8)
    assert (sync.phase, sync.failures, sync.last_error) == ("online", 0, "")


def test_the_wait_grows_with_jitter_and_retry_after_is_a_floor() -> None:
    sync = schedule()
    sync.record_failure(0, "away")
    assert 500 <= sync.due_ms <= 1_000
    sync.record_failure(0, "away")
    assert 1_000 <= sync.due_ms <= 2_000
    sync.record_failure(0, "busy", retry_after_ms=90_000)
    assert sync.due_ms == 90_000
