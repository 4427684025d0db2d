"""Coverage merged from several responses, of servers and of streams."""

from hypothesis import given
from hypothesis import strategies as st

from streamusage.api.extension import Coverage, CoverageSpan, Placement, ServerCoverage
from streamusage.core.coverage import Provenance
from tests.support.console.gap_grids import MINUTE, NOON, SERVER_TIMELINES, make_grid, row_glyphs, timelines
from tui.model.gaps.accounts import CoverageTimeline
from tui.model.gaps.coverage_book import CoverageBook


@given(timelines(), st.integers(0, 900))
def test_response_of_the_changed_part_gives_the_same_book_as_a_full_one(spans: list[CoverageSpan], tail: int) -> None:
    def response(from_ms: int, upto_ms: int) -> Coverage:
        cut = [
            CoverageSpan(from_ms=piece.from_ms, to_ms=piece.to_ms, state=span.state)
            for span in spans
            if (piece := span.interval.clip(from_ms, upto_ms)).length_ms
        ]
        server = ServerCoverage(server="a", spans=cut)
        return Coverage(now=upto_ms, from_ms=from_ms, to_ms=upto_ms, servers=[server])

    end = NOON + 4_000_000
    book, whole = CoverageBook(), CoverageBook()
    book.apply(response(NOON - 400_000, NOON + tail * 1000))
    book.apply(response(min(book.changes_from(), NOON + tail * 1000), end))
    whole.apply(response(NOON - 400_000, end))

    def merge_equal(timeline: CoverageTimeline) -> list[tuple[int, int, Provenance]]:
        pieces: list[tuple[int, int, Provenance]] = []
        for span in timeline.spans:
            if pieces and pieces[-1][1] == span.from_ms and pieces[-1][2] is span.state:
                pieces[-1] = (pieces[-1][0], span.to_ms, span.state)
            else:
                pieces.append((span.from_ms, span.to_ms, span.state))
        return pieces

    assert merge_equal(book.servers["a"]) == merge_equal(whole.servers["a"])


@given(timelines(), timelines(), st.lists(st.integers(0, 2_000), min_size=1, max_size=4).map(sorted))
def test_responses_of_changed_parts_keep_every_gap_of_every_server_whole(
    first: list[CoverageSpan], second: list[CoverageSpan], ends: list[int]
) -> None:
    def response(from_ms: int, upto_ms: int) -> Coverage:
        servers = [
            ServerCoverage(server=name, spans=[
                CoverageSpan(from_ms=piece.from_ms, to_ms=piece.to_ms, state=span.state)
                for span in spans
                if (piece := span.interval.clip(from_ms, upto_ms)).length_ms
            ])
            for name, spans in (("a", first), ("b", second))
        ]  # fmt: skip
        return Coverage(now=upto_ms, from_ms=from_ms, to_ms=upto_ms, servers=servers)

    begin, book, whole = NOON - 400_000, CoverageBook(), CoverageBook()
    book.apply(response(begin, NOON + ends[0] * 1000))
    for end in ends:
        book.apply(response(min(book.changes_from(), book.now_ms), NOON + end * 1000))
    whole.apply(response(begin, NOON + ends[-1] * 1000))
    for name, timeline in whole.servers.items():
        known = book.servers[name]
        assert [span for span in known.spans if span.state is not Provenance.LIVE] == [
            span for span in timeline.spans if span.state is not Provenance.LIVE
        ]
        fresh = CoverageTimeline(known.spans)
        assert vars(fresh) == vars(known), "an index that was extended is that of a new timeline"
        for at_ms in (begin, NOON, NOON + 500_000):
            assert known.totals(begin, at_ms) == timeline.totals(begin, at_ms)


def test_stream_has_the_coverage_of_the_servers_that_carried_it() -> None:
    book = CoverageBook()
    servers = [ServerCoverage(server=name, spans=list(timeline.spans)) for name, timeline in SERVER_TIMELINES.items()]
    book.apply(Coverage(now=NOON + 10 * MINUTE, from_ms=NOON, to_ms=NOON + 10 * MINUTE, servers=servers))
    book.apply_placements(
        [
            Placement(scope="live", name="one", server="edge3", from_ms=NOON, to_ms=NOON + 4 * MINUTE),
            Placement(scope="live", name="two", server="edge3", from_ms=NOON + 3 * MINUTE, to_ms=NOON + 8 * MINUTE),
            Placement(scope="live", name="two", server="edge4", from_ms=NOON + 6 * MINUTE, to_ms=None),
            Placement(scope="live", name="gone", server="edge9", from_ms=NOON, to_ms=None),
        ]
    )
    grid = make_grid(book.streams)
    assert [row.name for row in grid.rows] == ["live/one", "live/two"]
    assert [row_glyphs(grid, 0), row_glyphs(grid, 1)] == ["██▒▒      ", "   ▒▒█×···"]
