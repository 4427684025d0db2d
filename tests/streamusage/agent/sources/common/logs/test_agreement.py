"""A log that does not explain the server's own count is recognized; an honest one never is."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.sources.common.logs.agreement import SETTLED_MS, LogAgreement
from streamusage.core.reasons import counter_disagrees

STEP_MS = 5_000


def observe(agreement: LogAgreement, figures: list[tuple[int, int]], boot: str = "b1", at_ms: int = 0) -> list[str]:
    """Return the reasons of one observation for each pair of figures, five seconds apart."""
    return [
        agreement.observe(boot, at_ms + index * STEP_MS, left, explained, explained > 0)
        for index, (left, explained) in enumerate(figures)
    ]


def test_log_without_any_line_is_recognized_with_both_figures() -> None:
    reasons = observe(LogAgreement(0.5), [(0, 0)] * 3 + [(2, 0)] * 60)
    assert (
        reasons[-1]
        == counter_disagrees(2, 0)
        == "counter disagrees with log: by the server's count 2 viewers left, the log has 0 of them"
    )
    first = next(index for index, reason in enumerate(reasons) if reason)
    assert first * STEP_MS >= SETTLED_MS


@pytest.mark.parametrize("late", [0, 3, 12, 17])
def test_honest_log_is_never_marked_however_late_its_lines_are(late: int) -> None:
    left = [index * 3 for index in range(600)]
    assert set(observe(LogAgreement(0.25), [(left[i], left[max(0, i - late)]) for i in range(600)])) == {""}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 17)), min_size=1, max_size=150), st.integers(0, 2))
def test_honest_log_with_lines_of_any_lateness_and_a_few_that_never_come(
    visits: list[tuple[int, int]], lost: int
) -> None:
    length = len(visits) + 40
    left, explained = [0] * length, [0] * length
    for index, (number, late) in enumerate(visits):
        left[index] += number
        explained[index + late] += number
    explained[visits[0][1]] -= min(lost, visits[0][0])
    figures = list(zip(accumulate(left), accumulate(explained), strict=True))
    agreement = LogAgreement(0.25)
    reasons = [agreement.observe("b1", i * STEP_MS, *pair, True) for i, pair in enumerate(figures)]
    assert set(reasons) == {""}


def test_log_that_breaks_after_many_explained_viewers_is_recognized_soon() -> None:
    works = [(index, index) for index in range(2_000)]
    breaks = [(2_000 + index, 1_999) for index in range(60)]
    reasons = observe(LogAgreement(0.25), works + breaks)
    assert set(reasons[:2_000]) == {""}
    assert reasons[2_000 + 18 + 10], "after the longest delay of a line and ten viewers"


def test_log_that_lacks_a_third_of_the_viewers_is_recognized() -> None:
    reasons = observe(LogAgreement(0.25), [(3 * index, 2 * index) for index in range(200)])
    assert reasons[-1]


def test_figures_of_the_reason_change_only_when_they_have_doubled() -> None:
    reasons = observe(LogAgreement(0.25), [(index, 0) for index in range(1_000)])
    assert len(set(reasons)) <= 12
    assert all(reasons[30:]), "without a gap"


def test_mark_ends_when_the_log_explains_viewers_again() -> None:
    broken = [(index, 0) for index in range(60)]
    works = [(60 + index, index) for index in range(120)]
    reasons = observe(LogAgreement(0.25), broken + works)
    assert reasons[59]
    assert set(reasons[-60:]) == {""}


def test_restart_of_the_server_begins_anew() -> None:
    agreement = LogAgreement(0.25)
    assert observe(agreement, [(index, 0) for index in range(60)])[-1]
    assert set(observe(agreement, [(0, 0)] * 60, "b2", 1_000_000)) == {""}
    agreement.forget()
    assert set(observe(agreement, [(500, 0)] * 60, "b2", 2_000_000)) == {""}


@given(st.lists(st.integers(0, 30), min_size=60, max_size=120), st.lists(st.booleans(), min_size=60, max_size=120))
def test_viewers_who_join_while_the_pages_are_read_are_no_disagreement(skews: list[int], leaves: list[bool]) -> None:
    left = list(accumulate(int(leave) for leave in leaves))
    figures = [(count - skew, count) for count, skew in zip(left, skews, strict=False)]
    assert set(observe(LogAgreement(0.25), [(0, 0), (0, 0), *figures])) == {""}
