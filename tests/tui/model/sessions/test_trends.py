"""The trend cells: the service's minutes, and what they never pretend."""

from streamusage.api.extension import Trend, Trends
from streamusage.core.coverage import Provenance
from tests.support.console.records import session
from tests.support.console.scripted import TestClock
from tui.app.messages import SessionsPolled
from tui.app.state import ConsoleState
from tui.model.sessions.sparkline import sparkline
from tui.model.sessions.trends import STEP_MS, TrendBook

LIVE, MISSING, BACKFILLED, LOST = Provenance.LIVE, Provenance.MISSING, Provenance.BACKFILLED, Provenance.LOST


def book(active: list[int | None], state: list[Provenance | None]) -> TrendBook:
    made = TrendBook()
    trend = Trend(scope="live", name="a", active=active, state=state)
    made.replace(Trends(now=0, from_ms=10 * STEP_MS, step_ms=STEP_MS, streams=[trend]))
    return made


def drawn(made: TrendBook, minute: int, cells: int = 6, **figures: object) -> str | None:
    points = made.points(session("a", **{"start": STEP_MS, "active": 7} | figures), cells, minute * STEP_MS)  # type: ignore[arg-type]
    return None if points is None else sparkline(points, 7)


def test_what_the_service_keeps_is_drawn_and_the_newest_is_the_poll_s_own() -> None:
    assert drawn(book([1, 4, None, 4, 7], [LIVE, LIVE, MISSING, BACKFILLED, LIVE]), 15) == "▂▅·▒▇▇"


def test_unfetched_minutes_are_blank() -> None:
    assert drawn(book([7], [LIVE]), 13) == "  ▇  ▇"
    assert drawn(book([7, 7], [LOST, None]), 12) == "   ×▇▇"


def test_a_session_has_no_trend_from_before_it_began() -> None:
    assert drawn(book([7, 7, 7, 7, 7], [LIVE] * 5), 15, start=12 * STEP_MS + 5) == "  ▇▇▇▇"


def test_what_is_owed_now_is_no_figure() -> None:
    assert drawn(book([7], [LIVE]), 11, provenance=MISSING) == "    ▇·"


def test_stream_without_a_trend_has_no_points() -> None:
    assert drawn(TrendBook(), 11) is None


def test_the_oldest_figure_of_the_last_minutes_is_the_session_s_own() -> None:
    made = book([1, 2, 3, 4, 5, 6], [MISSING, LIVE, LIVE, LIVE, LIVE, LIVE])
    assert made.oldest(session("a", STEP_MS), 10, 15 * STEP_MS) == 2
    assert made.oldest(session("a", STEP_MS), 3, 15 * STEP_MS) == 3
    assert made.oldest(session("a", 13 * STEP_MS + 1), 10, 15 * STEP_MS) == 4
    assert made.oldest(session("b", STEP_MS), 10, 15 * STEP_MS) is None


def test_sessions_are_sorted_by_how_much_they_grew() -> None:
    clock = TestClock(100 * STEP_MS)
    state = ConsoleState(clock=clock, host="sm", profile_name="", poll_interval_ms=STEP_MS)

    def poll(**active: int) -> list[str]:
        clock.at_ms += STEP_MS
        sessions = [session(name, STEP_MS, active=figure) for name, figure in active.items()]
        sessions.append(session("over", STEP_MS, live=False))
        state.apply_poll(SessionsPolled(sessions, [], False, clock.at_ms, [], ""))
        return [row.name for row in state.view.all_sessions()]

    poll(up=10, down=900, steady=50)
    state.update_growth()
    state.view.sort("trend", descending=True)
    assert poll(up=30, down=700, steady=50) == ["up", "steady", "down", "over"]
    assert poll(up=30, down=700, steady=95) == ["steady", "up", "down", "over"]
    assert poll(up=30, down=700, steady=95, new=5)[2:] == ["down", "new", "over"], "of a new one nothing is known yet"
    for _ in range(12):
        poll(up=30, down=700, steady=95, new=5)
    assert poll(up=30, down=701, steady=95, new=5)[0] == "down", "what was ten minutes ago is forgotten"
    state.view.sort("trend", descending=False)
    assert poll(up=30, down=701, steady=95, new=1)[0] == "new"


def test_a_poll_within_the_minute_keeps_the_order_by_trend_right() -> None:
    clock = TestClock(100 * STEP_MS)
    state = ConsoleState(clock=clock, host="sm", profile_name="", poll_interval_ms=1000)
    state.view.sort("trend", descending=True)
    for second in range(150):
        clock.at_ms += 1000
        figures = {name: (second * step) % 97 for step, name in enumerate("abcdefgh", 3)}
        changed = [session(name, STEP_MS, active=figure) for name, figure in figures.items()]
        removed = [session("h", STEP_MS).key] if second % 5 == 4 else []
        changed = changed[:-1] if removed else changed
        state.apply_poll(SessionsPolled(changed, removed, False, clock.at_ms, [], ""))
        shown = list(state.view.all_sessions())
        assert len(shown) == len(state.store)
        grown = [state.view.growth(one) for one in shown]
        known = [figure for figure in grown if figure is not None]
        assert known == sorted(known, reverse=True)
        assert grown == known + [None] * (len(grown) - len(known))
