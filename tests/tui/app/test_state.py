"""Stepping back in the table and forth again: what is shown and the time that it is shown at belong together."""

from tests.support.console.records import session
from tests.support.console.scripted import TestClock
from tui.app.messages import SessionsPolled
from tui.app.state import ConsoleState

MINUTE = 60_000


def test_every_step_back_shows_figures_with_their_own_time() -> None:
    clock = TestClock(100 * MINUTE)
    state = ConsoleState(clock=clock, host="sm", profile_name="", poll_interval_ms=MINUTE)
    for active in range(5):
        clock.at_ms += MINUTE
        state.apply_poll(SessionsPolled([session("a", MINUTE, active=active)], [], not active, clock.at_ms, [], ""))
    newest = clock.at_ms

    def seen() -> tuple[int | None, int]:
        (one,) = state.store
        return one.active, (newest - state.now_ms()) // MINUTE

    state.pause()
    shown = []
    for polls in (-1, -1, 1, -2, 1, 1, 1, 1):
        state.step(polls)
        shown.append(seen())
    assert shown == [(3, 1), (2, 2), (3, 1), (1, 3), (2, 2), (3, 1), (4, 0), (4, 0)]
    clock.at_ms += MINUTE
    state.resume()
    assert seen() == (4, -1), "live again, and the time runs"


def test_paused_table_keeps_the_time_of_the_pause() -> None:
    clock = TestClock(100 * MINUTE)
    state = ConsoleState(clock=clock, host="sm", profile_name="", poll_interval_ms=MINUTE)
    state.apply_poll(SessionsPolled([session("a", MINUTE)], [], True, clock.at_ms, [], ""))
    clock.at_ms += 20_000
    state.pause()
    state.step(1)
    assert state.now_ms() == clock.at_ms
