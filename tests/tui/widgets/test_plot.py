"""The chart of a session: a filled area with true heights, a hole where there is no figure, marks below it."""

import sys

import pytest

from streamusage.core.coverage import Provenance
from tui.model.sessions.chart import Chart, ChartStep
from tui.widgets import plot as module
from tui.widgets.detail import state_line
from tui.widgets.plot import BACKFILLED_MARK, LINE_MARK, NO_PLOTEXT, SEEN_MARK, bars, plot

LIVE, MISSING, LOST, FILLED = Provenance.LIVE, Provenance.MISSING, Provenance.LOST, Provenance.BACKFILLED
EMPTY = " \u2800"


def chart_of(*steps: tuple[int | None, Provenance | None]) -> Chart:
    return Chart(0, len(steps) * 60_000, tuple(ChartStep(*step) for step in steps), "every minute")


def columns(lines: list[str]) -> list[str]:
    """Return the columns, each from its top."""
    return ["".join(column) for column in zip(*lines, strict=True)]


def heights(lines: list[str]) -> list[int]:
    """Return in how many lines each column is drawn. Raises where a column has a hole."""
    drawn = [column.lstrip(EMPTY) for column in columns(lines)]
    assert not [column for column in drawn if column.strip(EMPTY) != column], "an area has no hole"
    return list(map(len, drawn))


@pytest.mark.parametrize("braille", [True, False])
def test_area_is_filled_from_zero_to_the_figure(braille: bool) -> None:
    found = heights(plot(chart_of(*[(100, LIVE)] * 20, *[(50, LIVE)] * 20), 40, 10, braille=braille))
    assert set(found[:19]) == {10}
    assert set(found[21:]) <= {5, 6}


def test_area_between_two_steps_rises_with_the_line_between_them() -> None:
    found = heights(plot(chart_of((0, LIVE), (100, LIVE)), 40, 10))
    assert found == sorted(found)
    assert (found[0], found[-1]) == (1, 10), "zero is a figure"


def test_time_without_a_figure_is_a_hole() -> None:
    lines = plot(chart_of(*[(10, LIVE)] * 10, *[(None, MISSING)] * 10, *[(10, LIVE)] * 10), 60, 8)
    found = heights(lines)
    assert set(found[1:18] + found[42:59]) == {8}
    assert set(found[21:39]) == {0}


def test_backfilled_figures_and_lower_bounds_are_filled_with_their_marks() -> None:
    lines = plot(chart_of(*[(100, LIVE)] * 20, *[(100, FILLED)] * 20, *[(50, MISSING)] * 20), 60, 10)
    assert set(columns(lines)[22:38]) == {BACKFILLED_MARK * 10}
    assert {column.strip(EMPTY)[:5] for column in columns(lines)[42:58]} == {SEEN_MARK * 5}


def test_single_step_is_one_column() -> None:
    assert sorted(heights(plot(chart_of(*[(None, None)] * 5, (100, LIVE), *[(None, None)] * 5), 30, 6)))[-1] == 6


def test_marks_below_the_area_are_the_provenance_of_each_step() -> None:
    chart = chart_of((4, LIVE), (4, FILLED), (2, MISSING), (None, LOST), (0, LIVE), (None, None))
    assert "".join(glyph for glyph, _ in state_line(chart, 6)) == "▔▒·×▔ "
    assert [ink for _, ink in state_line(chart, 6)] == ["live", "backfilled", "missing", "lost", "live", ""]
    assert "".join(glyph for glyph, _ in state_line(chart, 12)) == "▔▔▒▒··××▔▔  "


@pytest.mark.parametrize(("state", "glyph"), [(MISSING, "·"), (LOST, "×")])
def test_cell_of_several_steps_has_the_mark_of_the_worst(state: Provenance, glyph: str) -> None:
    chart = chart_of((4, LIVE), (None, state), (4, LIVE), (1, LIVE))
    assert "".join(shown for shown, _ in state_line(chart, 2)) == f"{glyph}▔"


@pytest.mark.parametrize("cells", [60, 9])
def test_without_plotext_the_reason_takes_the_place_of_the_chart(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    monkeypatch.setitem(sys.modules, "plotext", None)
    module._plotext.cache_clear()
    try:
        for drawn in (plot(chart_of((5, LIVE), (5, LIVE)), cells, 4), bars([(1, 2, LINE_MARK)], 4, cells, 4)):
            assert [len(line) for line in drawn] == [cells] * 4
            assert drawn[0].rstrip() == NO_PLOTEXT[:cells].rstrip()
            assert not "".join(drawn[1:]).strip()
    finally:
        module._plotext.cache_clear()
