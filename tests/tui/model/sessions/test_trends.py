"""The trend cells: the service's minutes and the newest poll, without invented figures."""

from streamusage.api.extension import Trend, Trends
from streamusage.core.coverage import Provenance
from tests.support.console.records import session
from tests.support.console.scripted_service import SettableClock
from tui.app.messages import SessionsPolled
from tui.app.state import ConsoleState
from tui.config.settings import ConnectionSettings
from tui.model.sessions.sparkline import Scale, sparkline_parts
from tui.model.sessions.trends import STEP_MS, TrendBook

LIVE, MISSING, BACKFILLED, LOST = Provenance.LIVE, Provenance.MISSING, Provenance.BACKFILLED, Provenance.LOST
PARTIAL = Provenance.PARTIAL


def trend_book(active: list[int | None], state: list[Provenance | None]) -> TrendBook:
    trends = TrendBook()
    trend = Trend(scope="live", name="a", active=active, state=state)
    trends.replace(Trends(now=0, from_ms=10 * STEP_MS, step_ms=STEP_MS, streams=[trend]))
    return trends


def trend_text(
    trends: TrendBook, minute: int, cells: int = 6, *, counts_unseen: bool = False, **figures: object
) -> str | None:
    shown = session("a", **{"start": STEP_MS, "active": 7} | figures)  # type: ignore[arg-type]
    points = trends.points(shown, cells, minute * STEP_MS, counts_unseen=counts_unseen)
    if points is None:
        return None
    marks = {"quiet": "({})", "refilled": "[{}]"}
    return "".join(marks.get(ink, "{}").format(text) for text, ink in sparkline_parts(points, Scale(0, 7)))


def test_trend_shows_the_stored_minutes_and_the_newest_poll() -> None:
    assert trend_text(trend_book([1, 4, None, 4, 7], [LIVE, LIVE, MISSING, BACKFILLED, LIVE]), 15) == "▂▅·[▅]██"


def test_unfetched_minutes_are_blank() -> None:
    assert trend_text(trend_book([7], [LIVE]), 13) == "  █  █"
    assert trend_text(trend_book([None, 7], [LOST, None]), 12) == "   ×██"


def test_trend_starts_with_the_session() -> None:
    assert trend_text(trend_book([7, 7, 7, 7, 7], [LIVE] * 5), 15, start=12 * STEP_MS + 5) == "  ████"


def test_figures_of_the_servers_that_were_seen_are_lower_bounds() -> None:
    book = trend_book([7, 3, 4, 0, 7], [LIVE, MISSING, LOST, MISSING, PARTIAL])
    assert trend_text(book, 15) == "█(▄▅)·(█)█"


def test_current_figure_of_an_outage_is_what_the_last_poll_saw() -> None:
    book = trend_book([7, None], [LIVE, MISSING])
    assert trend_text(book, 11, provenance=MISSING, active=3) == "    █(▄)", "the minute began after the trends"
    assert trend_text(book, 12, provenance=MISSING, active=3) == "   █·(▄)"
    assert trend_text(trend_book([7, 6], [LIVE, MISSING]), 11, provenance=MISSING, active=3) == "    █(▄)"
    assert trend_text(trend_book([7], [LIVE]), 11, provenance=MISSING, active=0) == "    █·"


def test_current_figure_that_counts_a_silent_server_is_not_drawn() -> None:
    def newest(book: TrendBook, minute: int) -> str | None:
        return trend_text(book, minute, provenance=MISSING, counts_unseen=True)

    assert newest(trend_book([7, 3], [LIVE, MISSING]), 11) == "    █(▄)", "7 includes that of the silent server"
    assert newest(trend_book([7, 3], [LIVE, MISSING]), 12) == "   █(▄█)", "not fetched yet"
    assert newest(trend_book([7, None], [LIVE, MISSING]), 11) == "    █·"


def test_stream_without_a_trend_has_no_points() -> None:
    assert trend_text(TrendBook(), 11) is None


def test_oldest_figure_is_within_the_session() -> None:
    trends = trend_book([1, 2, 3, 4, 5, 6], [MISSING, LIVE, LIVE, LIVE, LIVE, LIVE])
    assert trends.oldest(session("a", STEP_MS), 10, 15 * STEP_MS) == 2
    assert trends.oldest(session("a", STEP_MS), 3, 15 * STEP_MS) == 3
    assert trends.oldest(session("a", 13 * STEP_MS + 1), 10, 15 * STEP_MS) == 4
    assert trends.oldest(session("b", STEP_MS), 10, 15 * STEP_MS) is None


def test_sessions_are_sorted_by_growth() -> None:
    clock = SettableClock(100 * STEP_MS)
    state = ConsoleState(clock=clock, host="sm", settings=ConnectionSettings(poll_interval_s=STEP_MS / 1000))

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
    assert poll(up=30, down=700, steady=95, new=5)[2:] == ["down", "new", "over"], "a new session has no growth yet"
    for _ in range(12):
        poll(up=30, down=700, steady=95, new=5)
    assert poll(up=30, down=701, steady=95, new=5)[0] == "down", "older figures do not count"
    state.view.sort("trend", descending=False)
    assert poll(up=30, down=701, steady=95, new=1)[0] == "new"


def test_poll_within_a_minute_keeps_the_order_by_trend() -> None:
    clock = SettableClock(100 * STEP_MS)
    state = ConsoleState(clock=clock, host="sm", settings=ConnectionSettings(poll_interval_s=1))
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
        grown = [state.view.growth(row) for row in shown]
        known = [figure for figure in grown if figure is not None]
        assert known == sorted(known, reverse=True)
        assert grown == known + [None] * (len(grown) - len(known))
