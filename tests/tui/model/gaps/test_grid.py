"""The gap view's cells, totals and words."""

from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.api.extension import Coverage, CoverageSpan, GapDelta, Placement, ServerCoverage
from streamusage.core.coverage import WORST_FIRST, Interval, Provenance
from streamusage.core.days import day_interval
from tui.model.gaps.accounts import CoverageTimeline, overlaid
from tui.model.gaps.coverage_book import CoverageBook
from tui.model.gaps.grid import (
    CELL_LENGTHS_MS,
    GLYPHS,
    GapGrid,
    describe_cell,
    describe_delta,
    grid,
    newly_backfilled,
    window,
    window_edges,
)

MINUTE = 60_000
NOON = 1795262400000
NOW = NOON + 30 * MINUTE


def span(first: float, last: float, state: Provenance, **more: int | str | GapDelta) -> CoverageSpan:
    return CoverageSpan(from_ms=NOON + int(first * MINUTE), to_ms=NOON + int(last * MINUTE), state=state, **more)  # type: ignore[arg-type]


DELTA = GapDelta(
    connections=312,
    connections_by_protocol={"hls": 22, "rtmp": 290, "srt": 0},
    bytes_out=4_210_000_000,
    peak_out_bps=88_100_000,
    peak_out_at=NOON + 4 * MINUTE,
)
ESTATE = {
    "edge3": CoverageTimeline(
        [
            span(0, 2, Provenance.LIVE),
            span(2, 5, Provenance.BACKFILLED, detected_at=NOON + 2 * MINUTE, filled_at=NOON + 6 * MINUTE, delta=DELTA),
            span(5, 10, Provenance.LIVE),
        ]
    ),
    "edge4": CoverageTimeline(
        [
            span(3, 6.5, Provenance.LIVE),
            span(6.5, 7, Provenance.LOST, reason="journal destroyed"),
            span(7, 10, Provenance.MISSING),
        ]
    ),
}
CALM = {"a": CoverageTimeline([span(0, 10, Provenance.LIVE)])}


def make_grid(
    timelines: dict[str, CoverageTimeline], cells: int = 10, cell_ms: int = MINUTE, **more: object
) -> GapGrid:
    edges = [NOON + number * cell_ms for number in range(cells + 1)]
    return grid(timelines, edges, cell_ms, **more)  # type: ignore[arg-type]


def row_glyphs(one: GapGrid, row: int) -> str:
    return "".join(GLYPHS[cell.state if cell else None] for cell in one.cells_of(row))


def cell_description(one: GapGrid, row: int, cell: int) -> list[str]:
    return [text for text, _ in describe_cell(one, row, cell, UTC, NOW)]


def test_cell_shows_its_worst_state_and_is_empty_while_the_server_is_not_running() -> None:
    fine, coarse = make_grid(ESTATE), make_grid(ESTATE, 5, 2 * MINUTE)
    assert [row_glyphs(fine, 0), row_glyphs(fine, 1)] == ["██▒▒▒█████", "   ███×···"]
    assert [row_glyphs(coarse, 0), row_glyphs(coarse, 1)] == ["█▒▒██", " ██×·"]
    cell = coarse.cells_of(1)[3]
    assert cell is not None
    assert (cell.in_state_ms, cell.due_ms) == (30_000, 2 * MINUTE)


def test_header_shows_complete_share_and_owing_server() -> None:
    assert make_grid(ESTATE).complete() == "79.4 %"
    assert make_grid(ESTATE).owed() == "owed 3m by edge4"
    assert make_grid(CALM).owed() == ""


def test_cell_description_lists_state_and_recovered_figures() -> None:
    fine = make_grid(ESTATE)
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
    coarse = make_grid(ESTATE, 2, 5 * MINUTE)
    assert cell_description(coarse, 1, 1)[0] == "edge4 · 12:05–12:10 · lost 30s, missing 3m, live 1m"


def test_next_gap_follows_time_in_both_directions() -> None:
    one = make_grid(ESTATE)
    visited = [(0, NOON)]
    for _ in range(4):
        found = one.next_gap(visited[-1][0], one.cell_at(visited[-1][1]), forward=True)
        assert found is not None
        visited.append(found)
    gaps = [(0, NOON + 2 * MINUTE), (1, NOON + 390_000), (1, NOON + 7 * MINUTE)]
    assert visited[1:] == [*gaps, gaps[0]]
    assert one.next_gap(1, 6, forward=False) == gaps[0]
    assert one.next_gap(0, 2, forward=False) == gaps[-1]
    assert make_grid(CALM).next_gap(0, 0, forward=True) is None


def test_next_gap_can_be_outside_the_window() -> None:
    edges = [NOON + (60 + number) * MINUTE for number in range(11)]
    later = grid(ESTATE, edges, MINUTE)
    assert later.next_gap(0, 5, forward=False) == (1, NOON + 7 * MINUTE)


def test_rows_are_filtered_by_name_and_ordered_by_missing_time() -> None:
    assert [row.name for row in make_grid(ESTATE, most_lacking_first=True).rows] == ["edge4", "edge3"]
    found = make_grid(ESTATE, wanted="GE3")
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


seconds = st.integers(0, 900)
states = st.sampled_from(list(Provenance))


@st.composite
def timelines(draw: st.DrawFn) -> list[CoverageSpan]:
    """Spans that follow on each other, with holes between some."""
    spans = []
    at = draw(st.integers(-300, 300))
    for _ in range(draw(st.integers(0, 12))):
        at += draw(st.sampled_from([0, 0, 0, 7, 90]))
        length = draw(st.integers(1, 200))
        spans.append(CoverageSpan(from_ms=NOON + at * 1000, to_ms=NOON + (at + length) * 1000, state=draw(states)))
        at += length
    return spans


@given(timelines(), st.integers(1, 20), st.sampled_from([MINUTE, 5 * MINUTE]))
def test_cell_state_is_its_worst_span_and_totals_are_the_sums(
    spans: list[CoverageSpan], cells: int, cell_ms: int
) -> None:
    one = make_grid({"a": CoverageTimeline(spans)}, cells, cell_ms)
    due = whole = owed = 0
    for cell, shown in enumerate(one.cells_of(0)):
        lengths: dict[Provenance, int] = {}
        for piece in spans:
            inside = piece.interval.clip(one.edges[cell], one.edges[cell + 1]).length_ms
            lengths[piece.state] = lengths.get(piece.state, 0) + inside
        present = [state for state in WORST_FIRST if lengths.get(state)]
        assert (shown.state if shown else None) == (present[0] if present else None)
        if shown:
            assert (shown.in_state_ms, shown.due_ms) == (lengths[present[0]], sum(lengths.values()))
        due += sum(lengths.values())
        whole += lengths.get(Provenance.LIVE, 0) + lengths.get(Provenance.BACKFILLED, 0)
        owed += lengths.get(Provenance.MISSING, 0)
        assert cell_description(one, 0, cell)
    assert one.totals() == (due, whole, owed)


@given(timelines(), timelines())
def test_overlaid_timelines_have_the_worst_state_at_each_instant(
    one: list[CoverageSpan], other: list[CoverageSpan]
) -> None:
    both = overlaid([one, other])
    assert all(first.to_ms <= second.from_ms for first, second in pairwise(both))
    for at in range(NOON - 301_000, NOON + 3_000_000, 1_000):
        there = [piece.state for piece in (*one, *other) if piece.from_ms <= at < piece.to_ms]
        shown = [piece.state for piece in both if piece.from_ms <= at < piece.to_ms]
        assert shown == [state for state in WORST_FIRST if state in there][:1]


@given(timelines(), st.integers(0, 900))
def test_response_of_the_changed_part_gives_the_same_book_as_a_full_one(spans: list[CoverageSpan], tail: int) -> None:
    def answer(from_ms: int, upto_ms: int) -> Coverage:
        cut = [
            CoverageSpan(from_ms=piece.from_ms, to_ms=piece.to_ms, state=one.state)
            for one in spans
            if (piece := one.interval.clip(from_ms, upto_ms)).length_ms
        ]
        server = ServerCoverage(server="a", spans=cut)
        return Coverage(now=upto_ms, from_ms=from_ms, to_ms=upto_ms, servers=[server])

    end = NOON + 4_000_000
    book, whole = CoverageBook(), CoverageBook()
    book.apply(answer(NOON - 400_000, NOON + tail * 1000))
    book.apply(answer(min(book.changes_from(), NOON + tail * 1000), end))
    whole.apply(answer(NOON - 400_000, end))

    def joined(timeline: CoverageTimeline) -> list[tuple[int, int, Provenance]]:
        pieces: list[tuple[int, int, Provenance]] = []
        for one in timeline.spans:
            if pieces and pieces[-1][1] == one.from_ms and pieces[-1][2] is one.state:
                pieces[-1] = (pieces[-1][0], one.to_ms, one.state)
            else:
                pieces.append((one.from_ms, one.to_ms, one.state))
        return pieces

    assert joined(book.servers["a"]) == joined(whole.servers["a"])


def test_stream_has_the_coverage_of_the_servers_that_carried_it() -> None:
    book = CoverageBook()
    servers = [ServerCoverage(server=name, spans=list(one.spans)) for name, one in ESTATE.items()]
    book.apply(Coverage(now=NOON + 10 * MINUTE, from_ms=NOON, to_ms=NOON + 10 * MINUTE, servers=servers))
    book.apply_placements(
        [
            Placement(scope="live", name="one", server="edge3", from_ms=NOON, to_ms=NOON + 4 * MINUTE),
            Placement(scope="live", name="two", server="edge3", from_ms=NOON + 3 * MINUTE, to_ms=NOON + 8 * MINUTE),
            Placement(scope="live", name="two", server="edge4", from_ms=NOON + 6 * MINUTE, to_ms=None),
            Placement(scope="live", name="gone", server="edge9", from_ms=NOON, to_ms=None),
        ]
    )
    one = make_grid(book.streams)
    assert [row.name for row in one.rows] == ["live/one", "live/two"]
    assert [row_glyphs(one, 0), row_glyphs(one, 1)] == ["██▒▒      ", "   ▒▒█×···"]
