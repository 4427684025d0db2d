"""The history of polls: failed polls, missing and backfilled time never look like figures."""

from hypothesis import given
from hypothesis import strategies as st

from streamusage.core.coverage import Provenance
from tests.support.console.records import session
from tui.model.sessions.history import PollHistory
from tui.model.sessions.sparkline import Mark, MarkedFigure, NoFigure, Scale, sparkline_parts
from tui.model.sessions.store import SessionStore

A = session("a")


def poll_history(*polls: tuple[int | None, Provenance] | None, kept: int = 720) -> PollHistory:
    """Return the history of one session; `None` is a failed poll."""
    store, history = SessionStore(), PollHistory(kept)
    for number, poll in enumerate(polls):
        if poll is None:
            history.add_failure()
        else:
            history.add_poll(number * 1000, store.apply([session("a", active=poll[0], provenance=poll[1])]))
    return history


def trend_text(history: PollHistory, width: int = 8, fold: int = 1) -> str:
    points = history.points(A.key, width, fold)
    return "".join(f"({text})" if ink == "quiet" else text for text, ink in sparkline_parts(points, Scale(0, 7)))


LIVE, MISSING, BACKFILLED = Provenance.LIVE, Provenance.MISSING, Provenance.BACKFILLED


def test_unchanged_session_keeps_its_points() -> None:
    assert trend_text(poll_history((7, LIVE), (7, LIVE), (7, LIVE)), 5) == "  ███"


def test_failed_poll_leaves_a_blank() -> None:
    assert trend_text(poll_history((7, LIVE), None, None, (7, LIVE)), 4) == "█  █"


def test_missing_points_become_backfilled_points() -> None:
    during = poll_history((7, LIVE), (0, MISSING), (0, MISSING))
    assert trend_text(during, 3) == "█··"
    after = poll_history((7, LIVE), (0, MISSING), (0, MISSING), (7, BACKFILLED), (7, LIVE))
    assert trend_text(after, 5) == "█▒▒██"


def test_points_of_the_servers_that_were_seen_keep_their_height_and_are_dim() -> None:
    during = poll_history((7, LIVE), (4, MISSING), (4, MISSING))
    assert trend_text(during, 3) == "█(▅▅)"
    after = poll_history((7, LIVE), (4, MISSING), (4, MISSING), (7, BACKFILLED), (7, LIVE))
    assert trend_text(after, 5) == "█(▅▅)██"


def test_growth_is_measured_from_a_figure_of_all_servers() -> None:
    assert poll_history((4, MISSING), (7, LIVE), (8, LIVE)).oldest(A.key, 3) == 7


def test_merged_points_of_past_polls_do_not_change() -> None:
    history = poll_history(*[(n % 8, LIVE) for n in range(12)])
    before = history.points(A.key, 4, 3)
    history.add_poll(99, [])
    assert history.points(A.key, 5, 3)[:4] == before


def test_deleted_session_has_no_history() -> None:
    store, history = SessionStore(), PollHistory()
    history.add_poll(0, store.apply([A]))
    history.add_poll(1, store.apply([], [A.key]))
    assert trend_text(history, 2) == "  "
    assert history.times(A.key) == []


def test_times_of_a_session_start_at_its_first_poll() -> None:
    store, history = SessionStore(), PollHistory()
    history.add_poll(0, [])
    history.add_poll(1000, store.apply([A]))
    history.add_failure()
    history.add_poll(3000, [])
    assert history.times(A.key) == [(1000, 2), (3000, 2)]


@given(st.lists(st.none() | st.tuples(st.integers(0, 9), st.sampled_from([LIVE, MISSING])), min_size=1, max_size=60))
def test_history_is_bounded_and_its_newest_point_is_right(polls: list[tuple[int, Provenance] | None]) -> None:
    history = poll_history(*polls, kept=16)
    newest = history.points(A.key, 1)[0]
    if polls[-1] is None:
        assert newest is NoFigure.NOT_SEEN
    else:
        figure, provenance = polls[-1]
        seen = MarkedFigure(figure, Mark.LOWER_BOUND) if figure else NoFigure.MISSING
        assert newest == (seen if provenance is MISSING else figure)
    assert len(history.points(A.key, 40)) == 40
    assert len(history.times(A.key)) <= 16
    assert all(len(turns) <= 2 * 16 + 1 for turns in history._turns.values())
