"""Timelines of coverage, and several of them overlaid."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import WORST_FIRST, Provenance
from tests.support.console.gap_grids import MINUTE, NOON, SERVER_TIMELINES, span, timelines
from tui.model.gaps.accounts import WHOLE, CoverageTimeline, overlaid


@given(timelines(), timelines())
def test_overlaid_timelines_have_the_worst_state_at_each_instant(
    first: list[CoverageSpan], second: list[CoverageSpan]
) -> None:
    both = overlaid([first, second])
    assert all(span.to_ms <= later.from_ms for span, later in pairwise(both))
    for at in range(NOON - 301_000, NOON + 3_000_000, 1_000):
        present = [piece.state for piece in (*first, *second) if piece.from_ms <= at < piece.to_ms]
        shown = [piece.state for piece in both if piece.from_ms <= at < piece.to_ms]
        assert shown == [state for state in WORST_FIRST if state in present][:1]


windows = st.tuples(st.integers(-400, 2_800), st.integers(-400, 2_800)).map(sorted)


@given(timelines(), windows)
def test_totals_of_a_window_are_the_sums_of_its_spans(spans: list[CoverageSpan], seconds: list[int]) -> None:
    from_ms, to_ms = (NOON + second * 1000 for second in seconds)
    pieces = [(span.state, span.interval.clip(from_ms, to_ms).length_ms) for span in spans]
    totals = CoverageTimeline(spans).totals(from_ms, to_ms)
    assert totals.due_ms == sum(length for _, length in pieces)
    assert totals.complete_ms == sum(length for state, length in pieces if state in WHOLE)
    assert totals.owed_ms == sum(length for state, length in pieces if state is Provenance.MISSING)
    assert totals.lacking_ms == totals.due_ms - totals.complete_ms


@given(timelines(), st.integers(-400, 2_800))
def test_neighbouring_gaps_are_found_in_both_directions(spans: list[CoverageSpan], second: int) -> None:
    at_ms, timeline = NOON + second * 1000, CoverageTimeline(spans)
    gaps = [span.from_ms for span in spans if span.state is not Provenance.LIVE]
    assert timeline.next_gap(at_ms) == min((start for start in gaps if start >= at_ms), default=None)
    assert timeline.gap_before(at_ms) == max((start for start in gaps if start < at_ms), default=None)


def test_time_before_the_first_open_gap_is_settled() -> None:
    assert SERVER_TIMELINES["edge3"].settled_before(0) == NOON + 10 * MINUTE, "backfilled time does not change any more"
    assert SERVER_TIMELINES["edge4"].settled_before(0) == NOON + 390_000, "the lost span joins the missing one"
    assert CoverageTimeline([]).settled_before(NOON) == NOON


def test_spliced_timeline_joins_live_time() -> None:
    before = CoverageTimeline([span(0, 5, Provenance.LIVE)])
    assert before.spliced(NOON + 3 * MINUTE, [span(3, 8, Provenance.LIVE)]).spans == [span(0, 8, Provenance.LIVE)]
    assert before.spliced(NOON + 3 * MINUTE, [span(3, 8, Provenance.MISSING)]).spans == [
        span(0, 3, Provenance.LIVE), span(3, 8, Provenance.MISSING),
    ]  # fmt: skip
