"""A report that is accepted in parts ends in the same state as one that is applied at once."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamusage.api.report import (
    Based,
    Baseline,
    OutageRow,
    PeakWindow,
    PhaseChange,
    Report,
    SampleRow,
    SessionRow,
    SlotRow,
    SpanRow,
    StreamSlotRow,
    ViewerRow,
)
from streamusage.core.coverage import SLOT_MS
from streamusage.service.errors import ContradictionError
from streamusage.service.rules.apply import (
    ServerState,
    StoredRows,
    accept_in_parts,
    apply_part,
    apply_report,
    hidden_mark,
)
from streamusage.service.rules.parts import mark_end, split_report
from streamusage.service.store.report_parts import encode_part
from tests.faults.memory import Store

T0 = 1_000 * SLOT_MS
NOW = T0 + 30 * SLOT_MS + 5_000
EMPTY = ServerState(server="edge-1", issued=1)
KNOWN = msgspec.structs.replace(EMPTY, epoch=1, life="j.1", acknowledged=3, since=T0, watermark=T0 + 90_000)

minutes = st.integers(-3, 31)


def a_report(**rows: object) -> Report:
    return Report(
        server="edge-1", role="edge", life="j.1", epoch=1, since=0, upto=99, sent_at=NOW, sync_interval_ms=10_000,
        based_on=Based(0, 0),
        baseline=Baseline(
            at=NOW - 5_000, boot="b", started_at=0, since=T0, bytes_in=0, bytes_out=0, window=PeakWindow(T0, 0, 0)
        ),
        **rows,  # type: ignore[arg-type]
    )  # fmt: skip


def slots_at(at: set[int]) -> tuple[SlotRow, ...]:
    return tuple(
        SlotRow(slot=T0 + minute * SLOT_MS, revision=50, bytes_out=minute + 9, connections={"hls": 1, "rtmp": 2})
        for minute in at
    )


def streams_at(at: set[int]) -> tuple[StreamSlotRow, ...]:
    """Return parts of two streams in every slot with an even minute."""
    return tuple(
        StreamSlotRow(
            slot=T0 + minute * SLOT_MS, revision=50, scope="s", name=name, bytes_out=minute // 2 + 3, connections=1
        )
        for minute in at
        if minute % 2 == 0
        for name in "ab"
    )


def spans_between(cuts: list[int]) -> tuple[SpanRow, ...]:
    edges = sorted({T0, *(T0 + cut for cut in cuts), NOW - 5_000})
    return tuple(
        SpanRow(from_ms=begin, to_ms=end, revision=50, state="partial" if number % 2 else "counted", reason="")
        for number, (begin, end) in enumerate(pairwise(edges))
    )


reports = st.builds(
    lambda slots, cuts, samples, sessions, viewers: a_report(
        slots=slots_at(slots),
        stream_slots=streams_at(slots),
        spans=spans_between(cuts),
        samples=tuple(
            SampleRow(slot=T0 + at * SLOT_MS, scope="s", name=name, revision=5, active=1, highest=2)
            for at, name in samples
        ),
        sessions=tuple(
            SessionRow(publish_id=f"p{n}", revision=7, scope="s", name="n", start_time=T0 - 1,
                       end_time=T0 + end * 1_000, live=False, active=0, highest=1, total=1)
            for n, end in enumerate(sessions)
        ),
        viewers=tuple(
            ViewerRow(viewer_id=f"v{n}", revision=8, open=is_open, scope="s", name="n", protocol="hls", started_at=T0)
            for n, is_open in enumerate(viewers)
        ),
        outages=(OutageRow(began_at=T0, revision=9, phases=(PhaseChange("retrying", T0),), failed_attempts=2),),
    ),
    st.sets(minutes),
    st.lists(st.integers(1, 29 * SLOT_MS), max_size=5),
    st.sets(st.tuples(minutes, st.sampled_from("abc"))),
    st.lists(st.integers(0, 1_800), max_size=6),
    st.lists(st.booleans(), max_size=6),
)  # fmt: skip


def applied_whole(state: ServerState, report: Report) -> Store:
    store = Store(state)
    store.write(apply_report(state, report, StoredRows({}, {}, {}), NOW))
    return store


@settings(deadline=None, max_examples=300)
@given(reports, st.integers(1, 40), st.sampled_from([EMPTY, KNOWN]))
def test_parts_end_in_the_state_of_the_whole_report(report: Report, rows: int, state: ServerState) -> None:
    whole = applied_whole(state, report)
    parts = list(split_report(report, NOW, rows))
    mark = hidden_mark(state, report)
    if mark is not None:
        parts[-1] = mark_end(parts[-1], mark, state.watermark or 0)
    store = Store(accept_in_parts(state, report, len(parts), {}, NOW))
    assert not store.state.watermark or store.state.watermark == (state.watermark or T0), "nothing is covered yet"
    assert (store.state.acknowledged, store.state.baseline) == (report.upto, report.baseline)
    covered_before = store.state.watermark or 0
    for part in parts:
        before = store.state.watermark or 0
        store.write(apply_part(store.state, part, store.stored(1)))
        watermark = store.state.watermark or 0
        assert watermark >= before
        for key, stored in whole.slots.items():
            is_newly_covered = covered_before <= key[1] < watermark
            assert not is_newly_covered or store.slots[key] == stored, "time is covered before its figures"
            assert not is_newly_covered or store.streams.get(key) == whole.streams.get(key)
        for sample_key, sample in whole.samples.items():
            assert not covered_before <= sample_key.slot < watermark or store.samples[sample_key] == sample
    assert store.state == whole.state
    assert (store.slots, store.sessions, store.samples) == (whole.slots, whole.sessions, whole.samples)
    assert store.streams == whole.streams
    assert (store.viewers, store.outages) == (whole.viewers, whole.outages)
    assert joined(store) == joined(whole)


def joined(store: Store) -> list[tuple[object, ...]]:
    """Return the coverage as the store keeps it: time of one kind in one row."""
    found: list[list[object]] = []
    for piece in store.pieces:
        kind = [piece.state, piece.reason, piece.filled_at]
        if found and found[-1][1] == piece.from_ms and found[-1][2:5] == kind:
            found[-1][1] = piece.to_ms
        else:
            found.append([piece.from_ms, piece.to_ms, *kind, piece.detected_at])
    return [tuple(row) for row in found]


def test_parts_are_about_as_large_as_requested() -> None:
    report = a_report(slots=slots_at(set(range(30))), spans=spans_between([]))
    parts = list(split_report(report, NOW, 9))
    assert [len(part.slots) for part in parts] == [3] * 10
    assert [part.covers_to for part in parts] == [T0 + 3 * (n + 1) * SLOT_MS for n in range(9)] + [None]
    assert [len(part.spans) for part in parts] == [1] * 10
    assert all(len(encode_part(part)) < 500 for part in parts)


@pytest.mark.parametrize("rows", [1, 100])
def test_a_slot_named_twice_is_not_accepted(rows: int) -> None:
    twice = a_report(slots=slots_at({1}) * 2, spans=spans_between([]))
    with pytest.raises(ContradictionError, match="names a slot twice"):
        accept_in_parts(EMPTY, twice, rows, {}, NOW)


def test_a_slot_below_its_counted_figures_is_not_accepted() -> None:
    stored = applied_whole(EMPTY, a_report(slots=slots_at({5}), spans=spans_between([]))).slots[1, T0 + 5 * SLOT_MS]
    less = msgspec.structs.replace(stored.row, revision=60, bytes_out=1)
    with pytest.raises(ContradictionError, match="counted already"):
        accept_in_parts(KNOWN, a_report(slots=(less,)), 2, {less.slot: stored}, NOW)
