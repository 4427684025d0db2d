"""The pure parts: joining publishes to sessions, folding spans, and folding history."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streamusage.api.report import Peak
from streamusage.core.coverage import Interval, Provenance
from streamusage.service.queries.history import Point, fold_to_steps, server_points, sum_points
from streamusage.service.rules.apply import LateFigures, Piece, ServerState
from streamusage.service.rules.coverage import LateSlot, backfilled_deltas, merge_pieces, owed_pieces, time_by_state
from streamusage.service.rules.session_matching import Anchor, SessionPart, match_session, session_figures

MINUTE = 60_000
LIVE, MISSING, HELD = Provenance.LIVE, Provenance.MISSING, Provenance.HELD


def part(server: str = "a", **values: object) -> SessionPart:
    defaults = {
        "server": server, "epoch": 1, "publish_id": "p", "end_time": 100, "live": True, "active": 1, "highest": 1,
        "total": 1, "late": False, "epoch_is_active": True, "owes": None,
    }  # fmt: skip
    return SessionPart(**defaults | values)  # type: ignore[arg-type]


def test_an_edge_joins_the_newest_session_that_had_begun_and_was_not_over() -> None:
    anchors = [Anchor(0, 50_000, False), Anchor(200_000, 300_000, False), Anchor(600_000, 700_000, True)]
    assert match_session(40_000, anchors) == 0
    assert match_session(145_000, anchors) == 200_000, "its clock may be behind by a minute"
    assert match_session(139_999, anchors) == 139_999
    assert match_session(350_000, anchors) == 200_000
    assert match_session(400_000, anchors) == 400_000, "that session was over"
    assert match_session(9_000_000, anchors) == 600_000, "a live one is never over"
    assert match_session(5, []) == 5


def test_totals_add_up_over_epochs_and_only_the_newest_says_what_is_active() -> None:
    old = part(epoch=1, active=9, total=9, highest=9, epoch_is_active=False)
    new = part(epoch=2, active=2, total=3, highest=4, end_time=200)
    result = session_figures(50, [new, old, part("b", active=5, total=6, highest=6)], max_before=0)
    assert (result.active_subscribers, result.total_subscribers, result.lost_subscribers) == (7, 18, 11)
    assert (result.max_subscribers, result.end_time, result.duration, result.live) == (9, 200, 150, True)


def test_a_session_says_the_worst_of_how_its_live_figures_came() -> None:
    assert session_figures(0, [part(), part("b", late=True)], 0).provenance == Provenance.BACKFILLED
    assert session_figures(0, [part(late=True), part("b", owes=MISSING)], 0).provenance == MISSING
    assert session_figures(0, [part(), part("b", owes=MISSING, live=False)], 0).provenance == LIVE, (
        "what ended owes nothing"
    )


state = ServerState(server="a", since=0, watermark=10 * MINUTE)


def test_nothing_is_owed_until_it_is_overdue() -> None:
    assert owed_pieces(state, [], 10 * MINUTE + 30_000) == []
    (piece,) = owed_pieces(state, [], 10 * MINUTE + 30_001)
    assert piece == Piece(10 * MINUTE, 10 * MINUTE + 30_001, MISSING, "", 10 * MINUTE + 30_000, None)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6))
def test_what_is_owed_covers_watermark_to_now_without_a_hole(bounds: list[tuple[int, int]]) -> None:
    held = [Interval(one * MINUTE, other * MINUTE) for one, other in bounds]
    now = 30 * MINUTE
    pieces = owed_pieces(state, held, now)
    assert pieces[0].from_ms == 10 * MINUTE
    assert pieces[-1].to_ms == now
    assert all(one.to_ms == other.from_ms for one, other in pairwise(pieces))
    assert all(piece.to_ms > piece.from_ms for piece in pieces)
    for minute in range(10, 30):
        (found,) = [piece.state for piece in pieces if piece.from_ms <= minute * MINUTE < piece.to_ms]
        kept_aside = any(one <= minute < other for one, other in bounds)
        assert found == (HELD if kept_aside else MISSING)


def test_spans_that_follow_on_each_other_in_the_same_way_are_one() -> None:
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


def test_the_deltas_of_gaps_add_up_even_where_two_share_a_slot() -> None:
    late = LateFigures(connections={"rtmp": 2}, bytes_in=1, bytes_out=2, view_time_ms=3)
    gaps = [
        Piece(0, 10_000, Provenance.BACKFILLED, "", 0, 1),
        Piece(10_000, 20_000, LIVE, "", None, None),
        Piece(20_000, 2 * MINUTE, Provenance.PARTIAL, "no log", 0, 1),
        Piece(2 * MINUTE, 3 * MINUTE, MISSING, "", 0, None),
    ]
    rows = [LateSlot(0, late, Peak(7, 5, 1), None), LateSlot(MINUTE, late, Peak(5, 5, 1), Peak(9, 5, 1))]
    first, live, second, owed = backfilled_deltas(gaps, rows)
    assert live is None
    assert owed is None
    assert first is not None
    assert second is not None
    assert (first.connections, second.connections) == (2, 2)
    assert (first.peak_in_bps, second.peak_in_bps, second.peak_out_bps) == (7, 5, 9)


def test_missing_is_not_zero_in_a_history() -> None:
    pieces = [Piece(0, MINUTE, LIVE, "", None, None), Piece(MINUTE, 3 * MINUTE, MISSING, "", 0, None)]
    one = server_points([*pieces, Piece(3 * MINUTE, 4 * MINUTE, LIVE, "", None, None)], {0: (4, 6)})
    assert [one[slot].active for slot in sorted(one)] == [4, None, None, 0]
    other = server_points([Piece(0, 2 * MINUTE, LIVE, "", None, None)], {0: (1, 1), MINUTE: (2, 3)})
    total = sum_points([one, other])
    assert total[0] == Point(0, 5, 7, LIVE)
    assert total[MINUTE] == Point(MINUTE, 2, 3, MISSING), "what is known, and that it is not all"
    assert fold_to_steps(total, Interval(0, 5 * MINUTE), 2 * MINUTE) == [
        Point(0, 2, 7, MISSING),
        Point(2 * MINUTE, 0, 0, MISSING),
        Point(4 * MINUTE, None, None, None),
    ]
