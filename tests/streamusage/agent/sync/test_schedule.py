"""Schedule of syncs: offset in the interval, phases and back-off."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.sync.schedule import LONGEST_BACKOFF_MS, RETRIES, SyncSchedule, phase_offset_ms

INTERVAL = 10_000


def new_schedule() -> SyncSchedule:
    return SyncSchedule("edge-1", INTERVAL, 0, Random(1))


def test_first_sync_is_due_at_once_and_the_next_at_the_servers_offset() -> None:
    schedule = new_schedule()
    assert schedule.due_ms == 0
    schedule.record_success(25)
    assert schedule.due_ms % INTERVAL == phase_offset_ms("edge-1", INTERVAL)
    due = schedule.due_ms
    schedule.record_success(due)
    assert schedule.due_ms == due + INTERVAL


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.text(min_size=1))
def test_next_sync_is_due_within_an_interval_and_in_the_future(began: int, later: int, server: str) -> None:
    schedule = SyncSchedule(server, INTERVAL, began, Random(1))
    now = began + later
    schedule.record_success(now)
    assert now < schedule.due_ms <= now + INTERVAL


def test_offsets_of_servers_are_spread_over_the_interval() -> None:
    tenths = {phase_offset_ms(f"edge-{number}", INTERVAL) * 10 // INTERVAL for number in range(200)}
    assert tenths == set(range(10))


def test_failures_are_retries_first_and_accumulation_afterwards_without_end() -> None:
    schedule = new_schedule()
    phases = []
    for _ in range(RETRIES + 40):
        schedule.record_failure(0, "no route")
        phases.append(schedule.phase)
    assert phases == ["retrying"] * RETRIES + ["accumulating"] * 40
    assert LONGEST_BACKOFF_MS // 2 <= schedule.due_ms <= LONGEST_BACKOFF_MS
    assert schedule.reporting_phase == "recovering"
    schedule.record_reply(7)
    assert (schedule.phase, schedule.due_ms) == ("recovering", 7)
    schedule.record_success(8)
    assert (schedule.phase, schedule.failures, schedule.last_error) == ("online", 0, "")


def test_delay_grows_with_jitter_and_retry_after_is_its_minimum() -> None:
    schedule = new_schedule()
    schedule.record_failure(0, "away")
    assert 500 <= schedule.due_ms <= 1_000
    schedule.record_failure(0, "away")
    assert 1_000 <= schedule.due_ms <= 2_000
    schedule.record_failure(0, "busy", retry_after_ms=90_000)
    assert schedule.due_ms == 90_000
