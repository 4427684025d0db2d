"""Overdue time, merging of coverage pieces, and deltas of gaps."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streamusage.api.report import Peak
from streamusage.core.coverage import Interval, Provenance
from streamusage.service.rules.apply import LateFigures, Piece, ServerState
from streamusage.service.rules.coverage import LateSlot, backfilled_deltas, merge_pieces, owed_pieces, time_by_state

MINUTE = 60_000


LIVE, MISSING, HELD = Provenance.LIVE, Provenance.MISSING, Provenance.HELD


state = ServerState(server="a", since=0, watermark=10 * MINUTE)


def test_time_is_missing_only_once_it_is_overdue() -> None:
    assert owed_pieces(state, [], 10 * MINUTE + 30_000) == []
    (piece,) = owed_pieces(state, [], 10 * MINUTE + 30_001)
    assert piece == Piece(10 * MINUTE, 10 * MINUTE + 30_001, MISSING, "", 10 * MINUTE + 30_000, None)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6))
def test_overdue_pieces_cover_watermark_to_now_without_a_gap(bounds: list[tuple[int, int]]) -> None:
    held = [Interval(one * MINUTE, other * MINUTE) for one, other in bounds]
    now = 30 * MINUTE
    pieces = owed_pieces(state, held, now)
    assert pieces[0].from_ms == 10 * MINUTE
    assert pieces[-1].to_ms == now
    assert all(one.to_ms == other.from_ms for one, other in pairwise(pieces))
    assert all(piece.to_ms > piece.from_ms for piece in pieces)
    for minute in range(10, 30):
        (found,) = [piece.state for piece in pieces if piece.from_ms <= minute * MINUTE < piece.to_ms]
        is_quarantined = any(one <= minute < other for one, other in bounds)
        assert found == (HELD if is_quarantined else MISSING)


def test_adjacent_pieces_of_one_kind_are_merged() -> None:
    filled = Piece(0, 5, Provenance.BACKFILLED, "", 3, 10)
    later = Piece(5, 9, Provenance.BACKFILLED, "", 8, 12)
    lost = Piece(9, 12, Provenance.LOST, "restart", 10, None)
    assert merge_pieces([lost, later, filled], 2, 11) == [
        Piece(2, 9, Provenance.BACKFILLED, "", 3, 12),
        Piece(9, 11, Provenance.LOST, "restart", 10, None),
    ]
    assert time_by_state([filled, later, lost], 2, 11) == dict.fromkeys(Provenance, 0) | {
        Provenance.BACKFILLED: 7,
        Provenance.LOST: 2,
    }


def test_deltas_of_gaps_add_up_even_if_two_share_a_slot() -> None:
    late = LateFigures(connections={"rtmp": 2}, bytes_in=1, bytes_out=2, view_time_ms=3)
    gaps = [
        Piece(0, 10_000, Provenance.BACKFILLED, "", 0, 1),
        Piece(10_000, 20_000, LIVE, "", None, None),
        Piece(20_000, 2 * MINUTE, Provenance.PARTIAL, "no log", 0, 1),
        Piece(2 * MINUTE, 3 * MINUTE, MISSING, "", 0, None),
    ]
    rows = [LateSlot(0, late, Peak(7, 5, 1), None), LateSlot(MINUTE, late, Peak(5, 5, 1), Peak(9, 5, 1))]
    first, live, second, missing = backfilled_deltas(gaps, rows)
    assert live is None
    assert missing is None
    assert first is not None
    assert second is not None
    assert (first.connections, second.connections) == (2, 2)
    assert (first.peak_in_bps, second.peak_in_bps, second.peak_out_bps) == (7, 5, 9)
