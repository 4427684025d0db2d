"""Stepping through the polls: the table and its time belong together."""

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
