"""The chart of a session: its window, the time of the peak, and no line across time without a publish."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.api.extension import History, HistoryPoint
from streamusage.core.coverage import Provenance
from tests.support.console.records import session
from tui.model.sessions.chart import LEAST_MS, MOST_STEPS, ChartStep, from_history, look_at
from tui.model.sessions.sparkline import Scale, sparkline
from tui.widgets.plot import BACKFILLED_MARK, SEEN_MARK, plot

MINUTE = 60_000
NOON = 1_795_000_000_000 // MINUTE * MINUTE
LIVE, FILLED, MISSING = Provenance.LIVE, Provenance.BACKFILLED, Provenance.MISSING


def history(*points: tuple[int | None, Provenance | None]) -> History:
    points_of_minutes = [
        HistoryPoint(at=NOON + number * MINUTE, active=active, highest=active, state=state)
        for number, (active, state) in enumerate(points)
    ]
    return History(now=NOON + len(points) * MINUTE, step_ms=MINUTE, points=points_of_minutes)


def minutes(first: int, last: int) -> tuple[int, int]:
    return NOON + first * MINUTE, NOON + last * MINUTE


@pytest.mark.parametrize("between", [LIVE, FILLED])
def test_chart_is_empty_between_two_sessions(between: Provenance) -> None:
    stored = history(*[(40, LIVE)] * 6, *[(0, between)] * 8, *[(30, LIVE)] * 6)
    chart = from_history(stored, *minutes(0, 20), on_air=[minutes(0, 6), minutes(14, 20)])
    assert [step.figure for step in chart.steps] == [40] * 6 + [None] * 8 + [30] * 6
    assert list(chart.runs()) == [(0, 5, True), (14, 19, True)]
    assert sparkline(chart.points(), Scale(0, 40))[6:14] == " " * 8
    drawn = plot(chart, 60, 12)
    assert not any(BACKFILLED_MARK in line for line in drawn)
    assert all(line[21:39].strip("\u2800 ") == "" for line in drawn), "the time between the sessions is empty"


def test_zero_viewers_of_a_live_stream_are_a_figure() -> None:
    stored = history((4, LIVE), (0, LIVE), (0, FILLED), (4, LIVE))
    chart = from_history(stored, *minutes(0, 4), on_air=[minutes(0, 4)])
    assert [step.figure for step in chart.steps] == [4, 0, 0, 4]
    assert chart.steps[2].state is FILLED


def test_figures_of_a_deleted_session_are_kept() -> None:
    chart = from_history(history((4, LIVE), (0, LIVE), (9, LIVE)), *minutes(0, 3), on_air=[])
    assert [step.figure for step in chart.steps] == [4, None, 9]


def test_peak_has_the_time_at_which_it_was_reached() -> None:
    stored = history((9, LIVE), (3, LIVE), (5, LIVE), (8, FILLED), (8, LIVE), (2, LIVE))
    chart = from_history(stored, *minutes(0, 6))
    assert chart.reached(8, *minutes(1, 6)) == NOON + 3 * MINUTE
    assert chart.reached(8, *minutes(4, 6)) == NOON + 4 * MINUTE
    assert chart.reached(3, NOON + MINUTE + 20_000, NOON + 6 * MINUTE) == NOON + MINUTE + 20_000
    assert chart.reached(9, *minutes(1, 6)) is None, "the peak of another session"
    assert from_history(history((None, MISSING)), *minutes(0, 1)).reached(1, *minutes(0, 1)) is None


@given(st.integers(0, 40 * 86_400_000), st.booleans())
def test_chart_covers_the_session_in_a_bounded_number_of_steps(length_ms: int, live: bool) -> None:
    shown_session = session("a", NOON - length_ms, live=live, end_time=NOON)
    window = look_at(shown_session, NOON if live else NOON + 5 * MINUTE)
    to_ms = NOON if window.to_ms is None else window.to_ms
    assert (window.to_ms is None) is live
    assert window.from_ms <= shown_session.start_time
    assert to_ms >= NOON
    assert to_ms - window.from_ms >= LEAST_MS
    assert (to_ms - window.from_ms) // window.step_ms <= MOST_STEPS + 1
    assert window.step_ms % MINUTE == window.from_ms % window.step_ms == 0


def test_chart_window_of_a_shown_session_is_stable_within_a_step() -> None:
    live_session = session("a", NOON - 600_000)
    assert look_at(live_session, NOON + 1000) == look_at(live_session, NOON + 59_000)


def test_steps_without_history_stay_empty() -> None:
    assert from_history(history((4, LIVE)), *minutes(0, 3)).steps[1:] == (ChartStep(None, None), ChartStep(None, None))


def test_figures_of_the_servers_that_were_seen_are_drawn_as_dots() -> None:
    stored = history((9, LIVE), (9, LIVE), (3, MISSING), (3, MISSING), (0, MISSING), (8, FILLED), (8, FILLED))
    chart = from_history(stored, *minutes(0, 7))
    assert [step.figure for step in chart.steps] == [9, 9, 3, 3, None, 8, 8]
    assert list(chart.runs()) == [(0, 1, True), (5, 6, False)]
    assert list(chart.seen_runs()) == [(2, 3)]
    drawn = plot(chart, 60, 12)
    assert any(SEEN_MARK * 5 in line for line in drawn)
    assert not any(SEEN_MARK in line for line in plot(from_history(history((9, LIVE)), *minutes(0, 1)), 60, 12))
