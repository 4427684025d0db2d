"""The trend cells: the service's minutes, and what they never pretend."""

from streamusage.answers import Trend, Trends
from streamusage.coverage import Provenance
from tests.tui.test_sessions import session
from tui.model.sparkline import sparkline
from tui.model.trends import STEP_MS, TrendBook

LIVE, MISSING, BACKFILLED, LOST = Provenance.LIVE, Provenance.MISSING, Provenance.BACKFILLED, Provenance.LOST


def book(active: list[int | None], state: list[Provenance | None]) -> TrendBook:
    made = TrendBook()
    trend = Trend(scope="live", name="a", active=active, state=state)
    made.heard(Trends(now=0, from_ms=10 * STEP_MS, step_ms=STEP_MS, streams=[trend]))
    return made


def drawn(made: TrendBook, minute: int, cells: int = 6, **figures: object) -> str | None:
    points = made.points(session("a", **{"start": STEP_MS, "active": 7} | figures), cells, minute * STEP_MS)  # type: ignore[arg-type]
    return None if points is None else sparkline(points, 7)


def test_what_the_service_keeps_is_drawn_and_the_newest_is_the_poll_s_own() -> None:
    assert drawn(book([1, 4, None, 4, 7], [LIVE, LIVE, MISSING, BACKFILLED, LIVE]), 15) == "▂▅·▒▇▇"


def test_minutes_that_were_not_heard_of_are_blank() -> None:
    assert drawn(book([7], [LIVE]), 13) == "  ▇  ▇"
    assert drawn(book([7, 7], [LOST, None]), 12) == "   ×▇▇"


def test_a_session_has_no_trend_from_before_it_began() -> None:
    assert drawn(book([7, 7, 7, 7, 7], [LIVE] * 5), 15, start=12 * STEP_MS + 5) == "  ▇▇▇▇"


def test_what_is_owed_now_is_no_figure() -> None:
    assert drawn(book([7], [LIVE]), 11, provenance=MISSING) == "    ▇·"


def test_a_stream_that_the_service_told_nothing_of_has_none() -> None:
    assert drawn(TrendBook(), 11) is None
