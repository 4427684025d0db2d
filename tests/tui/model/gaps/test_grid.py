"""The gap view's grid: cells, totals, rows and descriptions."""

from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.api.daily import GapDelta
from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import WORST_FIRST, Interval, Provenance
from streamusage.core.days import day_interval
from tests.support.console.gap_grids import MINUTE, NOON, SERVER_TIMELINES, make_grid, row_glyphs, span, timelines
from tui.model.gaps.accounts import CoverageTimeline
from tui.model.gaps.grid import (
    CELL_LENGTHS_MS,
    GapGrid,
    describe_cell,
    describe_delta,
    grid,
    newly_backfilled,
    period,
    window,
    window_edges,
)

NOW = NOON + 30 * MINUTE


CALM = {"a": CoverageTimeline([span(0, 10, Provenance.LIVE)])}


def cell_description(shown: GapGrid, row: int, cell: int) -> list[str]:
    return [text for text, _ in describe_cell(shown, row, cell, UTC, NOW)]


def test_cell_shows_its_worst_state_and_is_empty_while_the_server_is_not_running() -> None:
    fine, coarse = make_grid(SERVER_TIMELINES), make_grid(SERVER_TIMELINES, 5, 2 * MINUTE)
    assert [row_glyphs(fine, 0), row_glyphs(fine, 1)] == ["██▒▒▒█████", "   ███×···"]
    assert [row_glyphs(coarse, 0), row_glyphs(coarse, 1)] == ["█▒▒██", " ██×·"]
    cell = coarse.cells_of(1)[3]
    assert cell is not None
    assert (cell.in_state_ms, cell.due_ms) == (30_000, 2 * MINUTE)


def test_header_shows_complete_share_and_owing_server() -> None:
    assert make_grid(SERVER_TIMELINES).complete() == "79.4 %"
    assert make_grid(SERVER_TIMELINES).owed() == "owed 3m by edge4"
    assert make_grid(CALM).owed() == ""


def test_cell_description_lists_state_and_recovered_figures() -> None:
    fine = make_grid(SERVER_TIMELINES)
    assert cell_description(fine, 0, 3) == [
        "edge3 · 12:02–12:05 · backfilled, 3m, filled 12:06 (after 1m) · "
        "+312 connections (RTMP 290, HLS 22) · 4.21 GB out · peak 88.1 Mbit/s at 12:04"
    ]
    assert cell_description(fine, 1, 6) == [
        "edge4 · 12:06:30–12:07:00 · lost, 30s · journal destroyed",
        "also 12:03:00–12:06:30 · live, 3m",
    ]
    assert cell_description(fine, 1, 9) == ["edge4 · 12:07–12:10 · missing, 3m, still owed"]
    assert cell_description(fine, 1, 0) == ["edge4 · 12:00–12:01 · not running"]
    coarse = make_grid(SERVER_TIMELINES, 2, 5 * MINUTE)
    assert cell_description(coarse, 1, 1)[0] == "edge4 · 12:05–12:10 · lost 30s, missing 3m, live 1m"


def test_next_gap_follows_time_in_both_directions() -> None:
    shown_grid = make_grid(SERVER_TIMELINES)
    visited = [(0, NOON)]
    for _ in range(4):
        found = shown_grid.next_gap(visited[-1][0], shown_grid.cell_at(visited[-1][1]), forward=True)
        assert found is not None
        visited.append(found)
    gaps = [(0, NOON + 2 * MINUTE), (1, NOON + 390_000), (1, NOON + 7 * MINUTE)]
    assert visited[1:] == [*gaps, gaps[0]]
    assert shown_grid.next_gap(1, 6, forward=False) == gaps[0]
    assert shown_grid.next_gap(0, 2, forward=False) == gaps[-1]
    assert make_grid(CALM).next_gap(0, 0, forward=True) is None


def test_next_gap_can_be_outside_the_window() -> None:
    edges = [NOON + (60 + number) * MINUTE for number in range(11)]
    later = grid(SERVER_TIMELINES, edges, MINUTE)
    assert later.next_gap(0, 5, forward=False) == (1, NOON + 7 * MINUTE)


def test_rows_are_filtered_by_name_and_ordered_by_missing_time() -> None:
    assert [row.name for row in make_grid(SERVER_TIMELINES, most_lacking_first=True).rows] == ["edge4", "edge3"]
    found = make_grid(SERVER_TIMELINES, wanted="GE3")
    assert ([row.name for row in found.rows], found.hidden) == (["edge3"], 1)


def test_window_ends_with_the_current_cell() -> None:
    assert window(NOON + 30_000, 60) == NOON - 59 * MINUTE
    assert window_edges(NOON + 30_000, 60, MINUTE, 5, UTC)[0] == NOON - 64 * MINUTE


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"])
def test_day_cells_are_days_of_the_zone_across_clock_changes(name: str) -> None:
    tz = ZoneInfo(name)
    now_ms = int(datetime(2026, 11, 2, 12, tzinfo=tz).timestamp()) * 1000
    edges = window_edges(now_ms, 60, CELL_LENGTHS_MS[-1], 0, tz)
    days = [day_interval(date.fromordinal(date(2026, 11, 2).toordinal() - 59 + number), tz) for number in range(60)]
    assert list(pairwise(edges)) == [(day.from_ms, day.to_ms) for day in days]
    for cell_ms in CELL_LENGTHS_MS[:-1]:
        edges = window_edges(now_ms, 60, cell_ms, 0, tz)
        assert edges[-2] <= now_ms < edges[-1]


def test_period_in_a_repeated_hour_has_offsets() -> None:
    london = ZoneInfo("Europe/London")
    set_back = 1792890000000  # Sun 25 Oct 2026 01:00 UTC: from 02:00 to 01:00
    ends = set_back + 61 * MINUTE
    assert period(set_back - 7 * MINUTE, ends, london, ends) == "01:53+01–02:01+00"
    assert period(set_back - 7 * MINUTE, set_back + MINUTE, london, ends + 86_400_000) == "25 Oct 01:53+01–01:01+00"
    noon = set_back + 11 * 60 * MINUTE
    assert period(noon, noon + 19 * MINUTE, london, noon) == "12:00–12:19"


def test_empty_delta_has_a_description() -> None:
    assert describe_delta(GapDelta(), UTC) == "+0 connections · 0 B out"


def test_newly_backfilled_intervals_are_returned_once() -> None:
    before = CoverageTimeline([span(0, 2, Provenance.LIVE), span(2, 5, Provenance.MISSING)])
    after = CoverageTimeline(
        [span(0, 2, Provenance.LIVE), span(2, 6, Provenance.BACKFILLED), span(6, 7, Provenance.LIVE)]
    )
    assert newly_backfilled(before, after) == [Interval(NOON + 2 * MINUTE, NOON + 6 * MINUTE)]
    assert newly_backfilled(after, after) == []
    assert newly_backfilled(None, after) == []


@given(timelines(), st.integers(1, 20), st.sampled_from([MINUTE, 5 * MINUTE]))
def test_cell_state_is_its_worst_span_and_totals_are_the_sums(
    spans: list[CoverageSpan], cells: int, cell_ms: int
) -> None:
    shown_grid = make_grid({"a": CoverageTimeline(spans)}, cells, cell_ms)
    due = whole = owed = 0
    for cell, shown in enumerate(shown_grid.cells_of(0)):
        lengths: dict[Provenance, int] = {}
        for piece in spans:
            inside = piece.interval.clip(shown_grid.edges[cell], shown_grid.edges[cell + 1]).length_ms
            lengths[piece.state] = lengths.get(piece.state, 0) + inside
        present = [state for state in WORST_FIRST if lengths.get(state)]
        assert (shown.state if shown else None) == (present[0] if present else None)
        if shown:
            assert (shown.in_state_ms, shown.due_ms) == (lengths[present[0]], sum(lengths.values()))
        due += sum(lengths.values())
        whole += lengths.get(Provenance.LIVE, 0) + lengths.get(Provenance.BACKFILLED, 0)
        owed += lengths.get(Provenance.MISSING, 0)
        assert cell_description(shown_grid, 0, cell)
    assert shown_grid.totals() == (due, whole, owed)


@given(st.integers(-400, 2_800), st.integers(1, 900), st.integers(1, 20))
def test_cells_of_an_interval_are_those_that_have_time_of_it(second: int, length: int, cells: int) -> None:
    shown_grid = make_grid(SERVER_TIMELINES, cells)
    interval = Interval(NOON + second * 1000, NOON + (second + length) * 1000)
    expected = [
        cell
        for cell in range(shown_grid.cells)
        if interval.clip(shown_grid.edges[cell], shown_grid.edges[cell + 1]).length_ms
    ]
    assert list(range(*shown_grid.cell_range(interval))) == expected
