"""The apply rules on short reports. Their invariants under faults are tested in tests/faults."""

from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamusage.api.report import Based, Baseline, EpochRequest, Peak, PeakWindow, Report, SlotRow, SpanRow
from streamusage.core.coverage import SLOT_MS, Interval, Provenance, by_slot
from streamusage.service.errors import ContradictionError, EpochTooHighError
from streamusage.service.rules.apply import (
    LARGEST_EPOCH_LEAP,
    LARGEST_REVISION_LEAP,
    AppliedReport,
    LateFigures,
    Piece,
    ServerState,
    StoredRows,
    StoredSlot,
    apply_report,
    classify_report,
    next_epoch,
)
from streamusage.service.rules.coverage import LateSlot, backfilled_deltas

T0 = 1_000 * SLOT_MS
NOTHING = StoredRows({}, {}, {})


def report(to: int, **fields: Any) -> Report:
    base = Report(
        server="edge-1",
        role="edge",
        life="j.1",
        epoch=1,
        since=0,
        upto=10,
        sent_at=T0 + to,
        sync_interval_ms=10_000,
        based_on=Based(0, 0),
        baseline=Baseline(
            at=T0 + to,
            boot="b",
            started_at=0,
            since=T0,
            bytes_in=0,
            bytes_out=0,
            window=PeakWindow(T0, 0, 0),
        ),
        spans=(SpanRow(from_ms=T0, to_ms=T0 + to, revision=10, state="counted"),),
    )
    return msgspec.structs.replace(base, **fields)


def slot(bytes_out: int, revision: int = 5, at: int = T0, **fields: Any) -> SlotRow:
    return SlotRow(slot=at, revision=revision, bytes_out=bytes_out, **fields)


def state(**fields: Any) -> ServerState:
    return ServerState(server="edge-1", **fields)


def test_timely_report_is_live() -> None:
    applied = apply_report(state(), report(10_000, slots=(slot(100),)), NOTHING, T0 + 10_050)
    assert [(p.from_ms, p.to_ms, p.state) for p in applied.pieces] == [(T0, T0 + 10_000, Provenance.LIVE)]
    assert applied.slots[0].late.bytes_out == 0
    assert (applied.state.since, applied.state.watermark) == (T0, T0 + 10_000)


def test_late_report_is_backfilled_with_its_delta() -> None:
    now = T0 + 3 * SLOT_MS
    rows = tuple(slot(100 + n, at=T0 + n * SLOT_MS) for n in range(3))
    applied = apply_report(state(), report(3 * SLOT_MS, slots=rows), NOTHING, now)
    assert {p.state for p in applied.pieces} == {Provenance.BACKFILLED}
    assert [(p.filled_at, p.detected_at) for p in applied.pieces] == [(now, T0 + 30_000)]
    assert [s.late.bytes_out for s in applied.slots] == [100, 101, 102]


spans_of_any_length = st.lists(
    st.builds(
        SpanRow,
        from_ms=st.integers(0, 12 * SLOT_MS),
        to_ms=st.integers(0, 12 * SLOT_MS),
        revision=st.just(1),
        state=st.sampled_from(["counted", "partial", "lost"]),
    ),
    max_size=4,
)


@given(spans=spans_of_any_length, now=st.integers(0, 14 * SLOT_MS), watermark=st.integers(0, 6 * SLOT_MS))
@example(
    spans=[
        SpanRow(from_ms=0, to_ms=1, revision=1, state="partial"),
        SpanRow(from_ms=3, to_ms=3, revision=1, state="counted"),
    ],
    now=0,
    watermark=1,
)
def test_long_span_is_classified_like_its_single_slots(spans: list[SpanRow], now: int, watermark: int) -> None:
    """Whether a slot is late does not depend on how its span is cut."""
    before = state(watermark=watermark, since=0)
    rows = tuple(slot(1, at=number * SLOT_MS) for number in range(12))
    applied = apply_report(before, report(0, spans=tuple(spans), slots=rows), NOTHING, now)
    cut = tuple(
        msgspec.structs.replace(span, from_ms=part.from_ms, to_ms=part.to_ms)
        for span in sorted(spans, key=lambda span: span.from_ms)
        for _, part in by_slot(Interval(span.from_ms, span.to_ms))
    )
    one_by_one = apply_report(before, report(0, spans=cut, slots=rows), NOTHING, now)
    assert [row.late for row in applied.slots] == [row.late for row in one_by_one.slots]

    def minutes(found: AppliedReport) -> list[tuple[int, int, Provenance, int | None]]:
        return [
            (part.from_ms, part.to_ms, piece.state, piece.filled_at)
            for piece in found.pieces
            for _, part in by_slot(Interval(piece.from_ms, piece.to_ms))
        ]

    assert minutes(applied) == minutes(one_by_one)
    assert len(applied.pieces) <= 2 * len(spans)


def test_only_the_late_part_of_a_live_slot_is_backfilled() -> None:
    early = apply_report(state(), report(10_000, slots=(slot(100),)), NOTHING, T0 + 10_000)
    stored = StoredRows({T0: early.slots[0]}, {}, {})
    spans = (SpanRow(from_ms=T0, to_ms=T0 + SLOT_MS, revision=19, state="counted"),)
    late = report(SLOT_MS, since=10, upto=20, based_on=None, spans=spans, slots=(slot(700, revision=18),))
    applied = apply_report(early.state, late, stored, T0 + 3 * SLOT_MS)
    assert [(p.from_ms - T0, p.to_ms - T0, p.state) for p in applied.pieces] == [
        (10_000, SLOT_MS, Provenance.BACKFILLED)
    ]
    assert (applied.slots[0].row.bytes_out, applied.slots[0].late.bytes_out) == (700, 600)


def test_coverage_grows_only_at_its_end() -> None:
    early = apply_report(state(), report(30_000), NOTHING, T0 + 30_000)
    again = report(40_000, since=10, upto=20, based_on=None)
    assert [p[:2] for p in apply_report(early.state, again, NOTHING, T0 + 40_000).pieces] == [
        (T0 + 30_000, T0 + 40_000)
    ]


def test_newest_revision_of_a_row_wins() -> None:
    stored = StoredRows({T0: StoredSlot(slot(500, revision=9), LateFigures())}, {}, {})
    applied = apply_report(state(), report(10_000, slots=(slot(100, revision=9),)), stored, T0 + 10_000)
    assert not applied.slots


def test_peaks_are_compared() -> None:
    high, low = Peak(900, T0 + 10_000, 10_000), Peak(300, T0 + 20_000, 10_000)
    early = apply_report(state(), report(10_000, slots=(slot(1, peak_out=high),)), NOTHING, T0 + 10_000)
    rows = (slot(2, revision=15, peak_out=low),)
    applied = apply_report(
        early.state,
        report(20_000, since=10, upto=20, based_on=None, slots=rows),
        StoredRows({T0: early.slots[0]}, {}, {}),
        T0 + 20_000,
    )
    assert applied.slots[0].row.peak_out == high


def test_row_below_counted_figures_raises() -> None:
    early = apply_report(state(), report(10_000, slots=(slot(500),)), NOTHING, T0 + 10_000)
    less = report(20_000, since=10, upto=20, based_on=None, slots=(slot(400, revision=15),))
    with pytest.raises(ContradictionError, match=r"revision 15 .* is below revision 5"):
        apply_report(early.state, less, StoredRows({T0: early.slots[0]}, {}, {}), T0 + 20_000)


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"epoch": 3, "life": "j.1", "since": 7, "upto": 9}, "apply"),
        ({"epoch": 3, "life": "j.1", "since": 2, "upto": 9}, "apply"),
        ({"epoch": 3, "life": "j.1", "since": 2, "upto": 7}, "duplicate"),
        ({"epoch": 3, "life": "j.1", "since": 8, "upto": 9}, "hole"),
        ({"epoch": 3, "life": "k.1", "since": 7, "upto": 9}, "sealed"),
        ({"epoch": 2, "life": "i.1", "since": 7, "upto": 9}, "sealed"),
        ({"epoch": 4, "life": "k.1", "since": 0, "upto": 9, "based_on": Based(3, 7)}, "apply"),
        ({"epoch": 4, "life": "k.1", "since": 0, "upto": 9, "based_on": Based(3, 7, "j.1")}, "apply"),
        ({"epoch": 4, "life": "k.1", "since": 0, "upto": 9, "based_on": Based(3, 7, "h.2")}, "stale"),
        ({"epoch": 4, "life": "k.1", "since": 0, "upto": 9, "based_on": Based(3, 6)}, "stale"),
        ({"epoch": 4, "life": "k.1", "since": 0, "upto": 9, "based_on": None}, "stale"),
        ({"epoch": 4, "life": "k.1", "since": 1, "upto": 9, "based_on": Based(3, 7)}, "stale"),
        ({"epoch": 5, "life": "k.1", "since": 0, "upto": 9, "based_on": Based(3, 7)}, "stale"),
        ({"epoch": 2**53, "life": "k.1", "since": 0, "upto": 9, "based_on": Based(3, 7)}, "stale"),
    ],
)
def test_report_verdicts(fields: dict[str, Any], verdict: str) -> None:
    fields = {"based_on": None, **fields}
    assert classify_report(state(epoch=3, life="j.1", acknowledged=7, issued=4), report(10_000, **fields)) == verdict


def test_issuing_an_epoch_changes_only_the_issued_number() -> None:
    before = state(epoch=3, life="j.1", acknowledged=7, issued=3)
    after, issued = next_epoch(before, EpochRequest(journal="k"), (), T0)
    assert msgspec.structs.replace(after, issued=3) == before
    assert (issued.epoch, issued.based_on, issued.life) == (4, Based(3, 7, "j.1"), "j.1")
    _, another = next_epoch(after, EpochRequest(journal="l"), (), T0)
    assert another.epoch == 5


def test_state_names_the_epoch_that_the_active_one_continued() -> None:
    before = state(epoch=3, life="j.1", acknowledged=7, issued=5)
    first = report(10_000, epoch=5, life="k.1", since=0, upto=10, based_on=before.based)
    after = apply_report(before, first, NOTHING, T0 + 10_000).state
    second = report(20_000, epoch=5, life="k.1", since=10, upto=12, based_on=None)
    after = apply_report(after, second, NOTHING, T0 + 20_000).state
    _, issued = next_epoch(after, EpochRequest(journal="l"), (), T0)
    assert (issued.based_on.epoch, issued.previous_epoch) == (5, 3)


def test_journal_keeps_a_number_that_a_restored_service_has_not_issued() -> None:
    """docs/decisions/0001-epochs-in-two-steps.md: within a distance that no honest journal exceeds."""
    restored = state(epoch=3, life="j.1", acknowledged=7, issued=3)
    for kept in (4, 9, 3 + LARGEST_EPOCH_LEAP):
        after, issued = next_epoch(restored, EpochRequest(journal="k", epoch=kept), (), T0)
        assert (issued.epoch, after.issued) == (kept, kept)
    for refused in (4 + LARGEST_EPOCH_LEAP, 2**53):
        with pytest.raises(EpochTooHighError, match=f"epoch {refused} is more than 10,000 above 3, "):
            next_epoch(restored, EpochRequest(journal="k", epoch=refused), (), T0)


def test_more_changes_than_a_journal_makes_are_a_contradiction() -> None:
    apply_report(state(), report(10_000, upto=LARGEST_REVISION_LEAP), NOTHING, T0 + 10_000)
    with pytest.raises(ContradictionError, match="more changes than a journal makes"):
        apply_report(state(), report(10_000, upto=LARGEST_REVISION_LEAP + 1), NOTHING, T0 + 10_000)


def test_delta_of_a_gap_of_any_length_is_computed_quickly() -> None:
    """A slot that two gaps share counts in the first of them."""
    late = [LateSlot(number * SLOT_MS, LateFigures(bytes_out=10**number), None, None) for number in range(4)]
    border = 2 * SLOT_MS + 1
    gaps = [
        Piece(0, border, Provenance.LOST, "", 0, None),
        Piece(border, 2**53, Provenance.PARTIAL, "", 0, None),
    ]
    deltas = backfilled_deltas(gaps, reversed(late))
    assert [delta and delta.bytes_out for delta in deltas] == [111, 1000]
