"""Timelines of coverage, and several of them overlaid."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import WORST_FIRST, Provenance
from tests.support.console.gap_grids import MINUTE, NOON, SERVER_TIMELINES, span, timelines
from tui.model.gaps.accounts import WHOLE, CoverageTimeline, overlaid
from tui.model.gaps.timeline_cells import LOOKS


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


@given(timelines(), st.lists(windows, max_size=4))
def test_totals_and_cells_that_are_kept_are_those_of_a_new_timeline(
    spans: list[CoverageSpan], asked: list[list[int]]
) -> None:
    kept = CoverageTimeline(spans)
    for first, last in [*asked, *asked]:
        edges = [NOON + second * 1000 for second in range(first, last + 2, 37)]
        for cells in (edges, list(edges), edges[:-1]):
            if len(cells) > 1:
                fresh = CoverageTimeline(spans)
                assert kept.totals(cells[0], cells[-1]) == fresh.totals(cells[0], cells[-1])
                assert list(kept.cells(cells)) == list(fresh.cells(cells))


@given(timelines(), windows)
def test_look_of_a_cell_is_its_worst_state_and_whether_most_of_it_is_another(
    spans: list[CoverageSpan], seconds: list[int]
) -> None:
    cells = CoverageTimeline(spans).cells([NOON + second * 1000 for second in range(seconds[0], seconds[1] + 120, 60)])
    assert len(cells) == len(list(cells))
    assert cells[:2] == list(cells)[:2]
    for cell, (state, mostly_other) in zip(cells, (LOOKS[code] for code in cells.codes), strict=True):
        assert state == (None if cell is None else cell.state)
        assert mostly_other == (cell is not None and 2 * cell.in_state_ms < cell.due_ms)


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
