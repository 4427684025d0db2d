"""Codes of the cells of a row, as a plain sum over every span and cell has them."""

from hypothesis import given
from hypothesis import strategies as st

from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import WORST_FIRST, Provenance
from tests.support.console.gap_grids import NOON, timelines
from tui.model.gaps.accounts import CoverageTimeline
from tui.model.gaps.timeline_cells import LOOKS, TimelineCell

lengths = st.lists(st.integers(1, 400), min_size=1, max_size=30)


def summed(spans: list[CoverageSpan], begins: int, ends: int) -> tuple[TimelineCell | None, tuple[object, bool]]:
    """Return a cell and its look."""
    time: dict[Provenance, int] = {}
    for span in spans:
        if span.from_ms < ends and span.to_ms > begins:
            time[span.state] = time.get(span.state, 0) + span.interval.clip(begins, ends).length_ms
    worst = next((state for state in WORST_FIRST if state in time), None)
    if worst is None:
        return None, (None, False)
    cell = TimelineCell(worst, time[worst], sum(time.values()))
    return cell, (worst, 2 * cell.in_state_ms < cell.due_ms)


@given(timelines(), st.integers(-400, 2_800), lengths)
def test_cells_of_any_lengths_are_the_sums_of_their_spans(
    spans: list[CoverageSpan], second: int, lengths: list[int]
) -> None:
    edges = [NOON + second * 1000]
    for length in lengths:
        edges.append(edges[-1] + length * 1000)
    cells = CoverageTimeline(spans).cells(edges)
    for place, (cell, code) in enumerate(zip(cells, cells.codes, strict=True)):
        assert (cell, LOOKS[code]) == summed(spans, edges[place], edges[place + 1])
