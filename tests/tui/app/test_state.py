"""Stepping through the polls: the table and its time belong together."""

import pytest

from tests.support.console.records import session
from tests.support.console.scripted_service import SettableClock
from tui.app.messages import SessionsPolled
from tui.app.state import ConsoleState
from tui.config.settings import ConnectionSettings

MINUTE = 60_000


def test_every_step_back_shows_figures_with_their_own_time() -> None:
    clock = SettableClock(100 * MINUTE)
    state = ConsoleState(clock=clock, host="sm", settings=ConnectionSettings(poll_interval_s=MINUTE / 1000))
    for active in range(5):
        clock.at_ms += MINUTE
        state.apply_poll(SessionsPolled([session("a", MINUTE, active=active)], [], not active, clock.at_ms, [], ""))
    newest = clock.at_ms

    def active_and_age() -> tuple[int | None, int]:
        (session_,) = state.store
        return session_.active, (newest - state.now_ms()) // MINUTE

    state.pause()
    shown = []
    for polls in (-1, -1, 1, -2, 1, 1, 1, 1):
        state.step(polls)
        shown.append(active_and_age())
    assert shown == [(3, 1), (2, 2), (3, 1), (1, 3), (2, 2), (3, 1), (4, 0), (4, 0)]
    clock.at_ms += MINUTE
    state.resume()
    assert active_and_age() == (4, -1), "after resuming, the time advances"


def test_paused_table_keeps_the_time_of_the_pause() -> None:
    clock = SettableClock(100 * MINUTE)
    state = ConsoleState(clock=clock, host="sm", settings=ConnectionSettings(poll_interval_s=MINUTE / 1000))
    state.apply_poll(SessionsPolled([session("a", MINUTE)], [], True, clock.at_ms, [], ""))
    clock.at_ms += 20_000
    state.pause()
    state.step(1)
    assert state.now_ms() == clock.at_ms


def test_first_poll_of_many_sessions_is_applied_as_columns_in_steps() -> None:
    clock = SettableClock(100 * MINUTE)
    state = ConsoleState(clock=clock, host="sm", settings=ConnectionSettings())
    sessions = [session(f"cam-{number}", MINUTE, active=number, live=number % 3 == 0) for number in range(2_500)]
    steps = list(state.apply_steps(SessionsPolled(sessions, [], True, clock.at_ms, [], "")))
    assert len(steps) > 10
    assert list(state.store) == sessions
    assert len(state.timeline) == 1
    assert [row.name for row in state.view.rows(0, 2)] == ["cam-2499", "cam-2496"]
    clock.at_ms += MINUTE
    changed = session("cam-2496", MINUTE, active=9_999)
    state.apply_poll(SessionsPolled([changed], [sessions[0].key], False, clock.at_ms, [], ""))
    assert [row.name for row in state.view.rows(0, 2)] == ["cam-2496", "cam-2499"]
    assert state.history.points(changed.key, 3)[1:] == [2_496, 9_999]
    assert state.history.points(sessions[3].key, 3)[1:] == [3, 3], "unchanged since the first poll"
    state.step(-1)
    assert state.store.get(changed.key) == sessions[2_496]
    assert state.store.get(sessions[0].key) == sessions[0]


def test_table_that_is_paused_within_a_poll_shows_that_poll() -> None:
    clock = SettableClock(100 * MINUTE)
    state = ConsoleState(clock=clock, host="sm", settings=ConnectionSettings())
    first = [session(f"cam-{number}", MINUTE, active=1) for number in range(1_500)]
    second = [session(f"cam-{number}", MINUTE, active=2) for number in range(1_500)]
    state.apply_poll(SessionsPolled(first, [], True, clock.at_ms, [], ""))
    steps = state.apply_steps(SessionsPolled(second, [], False, clock.at_ms, [], ""))
    next(steps)
    state.pause()
    assert {known.active for known in state.store} == {2}
    state.step(-1)
    assert {known.active for known in state.store} == {1}
    assert list(steps) == []
    assert {known.active for known in state.store} == {1}


@pytest.mark.parametrize("sessions", [1_500, 2_500], ids=["applied in steps", "adopted as columns"])
def test_poll_is_kept_with_its_own_time_however_long_it_is_applied(sessions: int) -> None:
    clock = SettableClock(100 * MINUTE)
    state = ConsoleState(clock=clock, host="sm", settings=ConnectionSettings())
    polled_at_ms = clock.at_ms
    known = [session(f"cam-{number}", MINUTE, active=1) for number in range(sessions)]
    for _ in state.apply_steps(SessionsPolled(known, [], True, polled_at_ms, [], "")):
        clock.at_ms += 300
    assert state.timeline.at_ms == polled_at_ms
    assert state.now_ms() == clock.at_ms > polled_at_ms, "the console's time advances meanwhile"
