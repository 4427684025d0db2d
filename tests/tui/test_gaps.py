"""The gap view's cells and words."""

from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from streamusage.answers import Coverage, Delta, ServerCoverage, Span
from streamusage.coverage import WORST_FIRST, Provenance
from tui.model.gaps import GLYPHS, delta_in_words, grid, in_words, window

MINUTE = 60_000
NOON = 1795262400000


def span(first: float, last: float, state: Provenance, **more: int | str | Delta) -> Span:
    return Span(from_ms=NOON + int(first * MINUTE), to_ms=NOON + int(last * MINUTE), state=state, **more)  # type: ignore[arg-type]


def coverage(**servers: list[Span]) -> Coverage:
    covered = [ServerCoverage(server=name, spans=spans) for name, spans in servers.items()]
    return Coverage(now=NOON, from_ms=NOON, to_ms=NOON + 10 * MINUTE, servers=covered)


DELTA = Delta(
    connections=312,
    connections_by_protocol={"hls": 22, "rtmp": 290, "srt": 0},
    bytes_out=4_210_000_000,
    peak_out_bps=88_100_000,
)
ESTATE = coverage(
    edge3=[
        span(0, 2, Provenance.LIVE),
        span(2, 5, Provenance.BACKFILLED, detected_at=NOON + 2 * MINUTE, filled_at=NOON + 6 * MINUTE, delta=DELTA),
        span(5, 10, Provenance.LIVE),
    ],
    edge4=[
        span(3, 6.5, Provenance.LIVE),
        span(6.5, 7, Provenance.LOST, reason="journal destroyed"),
        span(7, 10, Provenance.MISSING),
    ],
)


def drawn(made_row: list[Provenance | None]) -> str:
    return "".join(GLYPHS[cell] for cell in made_row)


def test_a_cell_shows_its_worst_state_and_a_server_out_of_service_nothing() -> None:
    made = grid(ESTATE, NOON, 10)
    assert [drawn(row.cells) for row in made.rows] == ["██▒▒▒█████", "   ███×···"]
    coarse = grid(ESTATE, NOON, 5, 2 * MINUTE)
    assert [drawn(row.cells) for row in coarse.rows] == ["█▒▒██", " ██×·"]


def test_the_header_says_how_complete_it_is_and_who_owes() -> None:
    made = grid(ESTATE, NOON, 10)
    assert made.complete() == "79.4 %"
    assert made.owed() == "owed 3 min by edge4"
    assert grid(coverage(a=[span(0, 10, Provenance.LIVE)]), NOON, 10).owed() == ""


def test_a_cell_is_told_in_words() -> None:
    made = grid(ESTATE, NOON, 10)
    assert in_words(made, made.rows[0], 3, UTC) == [
        "edge3 · 12:02–12:05 · backfilled, 3 min, filled 12:06:00 (1 min after) · "
        "+312 connections (RTMP 290, HLS 22) · 4.21 GB out · peak 88.1 Mbit/s out"
    ]
    assert in_words(made, made.rows[1], 6, UTC) == [
        "edge4 · 12:06:30–12:07:00 · lost, 30 s · journal destroyed",
        "also 12:03:00–12:06:30 · live, 3 min",
    ]
    assert in_words(made, made.rows[1], 9, UTC) == ["edge4 · 12:07–12:10 · missing, 3 min, still owed"]
    assert in_words(made, made.rows[1], 0, UTC) == ["edge4 · 12:00 · not running"]


def test_gaps_are_visited_in_time_and_both_ways() -> None:
    made = grid(ESTATE, NOON, 10)
    visited = [(0, 0)]
    for _ in range(4):
        found = made.next_gap(*visited[-1], forward=True)
        assert found is not None
        visited.append(found)
    assert visited[1:] == [(0, 2), (1, 6), (1, 7), (0, 2)]
    assert made.next_gap(1, 6, forward=False) == (0, 2)
    assert made.next_gap(0, 2, forward=False) == (1, 7)
    assert grid(coverage(a=[span(0, 10, Provenance.LIVE)]), NOON, 10).next_gap(0, 0, forward=True) is None


def test_the_window_ends_with_the_minute_that_holds_now() -> None:
    assert window(NOON + 30_000, 60) == NOON - 59 * MINUTE
    assert window(NOON + 30_000, 60, cells_back=5) == NOON - 64 * MINUTE


def test_a_delta_of_nothing_is_told() -> None:
    assert delta_in_words(Delta()) == "+0 connections · 0 B out"


@given(
    st.lists(st.tuples(st.integers(-300, 900), st.integers(0, 400), st.sampled_from(list(Provenance))), max_size=12),
    st.integers(1, 20),
    st.sampled_from([MINUTE, 5 * MINUTE]),
)
def test_every_cell_shows_the_worst_of_the_seconds_in_it(
    pieces: list[tuple[int, int, Provenance]], cells: int, cell_ms: int
) -> None:
    spans = [
        Span(from_ms=NOON + start * 1000, to_ms=NOON + (start + length) * 1000, state=state)
        for start, length, state in pieces
    ]
    made = grid(coverage(a=spans), NOON, cells, cell_ms)
    for cell, shown in enumerate(made.rows[0].cells):
        from_ms, to_ms = NOON + cell * cell_ms, NOON + (cell + 1) * cell_ms
        present = {one.state for one in spans if max(one.from_ms, from_ms) < min(one.to_ms, to_ms)}
        assert shown == next((state for state in WORST_FIRST if state in present), None)
        assert in_words(made, made.rows[0], cell, UTC)
