"""Intervals, slots and shares of slots."""

from hypothesis import given
from hypothesis import strategies as st

from streamusage.core.coverage import SLOT_MS, Interval, Provenance, by_slot, slot_of, spread, worst

instants = st.integers(0, 10 * SLOT_MS)
intervals = st.builds(lambda start, length: Interval(start, start + length), instants, st.integers(0, 10 * SLOT_MS))


@given(intervals)
def test_pieces_of_an_interval_are_contiguous_and_each_in_its_slot(interval: Interval) -> None:
    position = interval.from_ms
    for slot, piece in by_slot(interval):
        assert piece.from_ms == position
        assert slot == slot_of(piece.from_ms) == slot_of(piece.to_ms - 1)
        position = piece.to_ms
    assert position == interval.to_ms


@given(st.integers(0, 2**50), intervals)
def test_shares_are_whole_numbers_that_add_up(total: int, interval: Interval) -> None:
    shares = list(spread(total, interval))
    assert sum(share for _, share in shares) == total
    assert all(share >= 0 for _, share in shares)


def test_shares_are_in_proportion_to_time() -> None:
    assert list(spread(90, Interval(SLOT_MS // 2, 2 * SLOT_MS))) == [(0, 30), (SLOT_MS, 60)]


def test_empty_interval_puts_everything_into_its_slot() -> None:
    assert list(spread(7, Interval(SLOT_MS + 5, SLOT_MS + 5))) == [(SLOT_MS, 7)]


@given(intervals, intervals)
def test_clipped_interval_is_the_overlap_with_the_window(interval: Interval, window: Interval) -> None:
    clipped = interval.clip(*window)
    assert window.from_ms <= clipped.from_ms <= clipped.to_ms <= window.to_ms
    overlap = max(0, min(interval.to_ms, window.to_ms) - max(interval.from_ms, window.from_ms))
    assert clipped.length_ms == overlap


def test_worst_returns_the_state_that_an_operator_must_notice_first() -> None:
    assert worst([Provenance.LIVE, Provenance.LOST, Provenance.MISSING]) is Provenance.LOST
    assert worst([Provenance.LIVE, Provenance.BACKFILLED]) is Provenance.BACKFILLED
    assert worst([]) is None
