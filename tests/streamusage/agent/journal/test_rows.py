"""Rows of one key merge into one: sums add up, peaks and highests take the higher, and nothing depends on grouping."""

from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.journal.rows import JournalTotals, merge, slot_totals
from streamusage.api.report import Peak, SampleRow, SessionRow, SlotRow, SpanRow

counts = st.integers(0, 10**12)
peaks = st.none() | st.builds(Peak, bps=counts, at=counts, window_ms=st.integers(1, 60_000))
slots = st.builds(
    SlotRow,
    slot=st.just(60_000),
    revision=counts,
    connections=st.dictionaries(st.sampled_from(["rtmp", "hls", "srt"]), counts),
    bytes_in=counts,
    bytes_out=counts,
    view_time_ms=counts,
    peak_in=peaks,
    peak_out=peaks,
)


@given(slots, slots, slots)
def test_slots_add_up_however_they_are_grouped(one: SlotRow, two: SlotRow, three: SlotRow) -> None:
    merged = merge(merge(one, two), three)
    assert merged == merge(one, merge(two, three))
    assert slot_totals(merged) == slot_totals(one) + slot_totals(two) + slot_totals(three)
    for protocol in ("rtmp", "hls", "srt"):
        assert merged.connections.get(protocol, 0) == sum(row.connections.get(protocol, 0) for row in (one, two, three))
    for name in ("peak_in", "peak_out"):
        known = [peak.bps for row in (one, two, three) if (peak := getattr(row, name)) is not None]
        highest = getattr(merged, name)
        assert (highest and highest.bps) == max(known, default=None)


def session(revision: int, **figures: int) -> SessionRow:
    known = {"start_time": 5, "end_time": 50, "active": 1, "highest": 4, "total": 7}
    return SessionRow(publish_id="1", revision=revision, scope="live", name="s", live=True, **(known | figures))


def test_a_session_keeps_its_start_and_its_highest_and_adds_its_joins() -> None:
    older, newer = session(1, highest=9), session(2, start_time=40, end_time=90, active=3, highest=6, total=2)
    for one, two, active in ((older, newer, 3), (newer, older, 1)):
        merged = merge(one, two)
        assert (merged.start_time, merged.end_time, merged.revision) == (one.start_time, two.end_time, two.revision)
        assert (merged.active, merged.highest, merged.total) == (active, 9, 9)


def test_samples_keep_the_highest_and_the_newest() -> None:
    older = SampleRow(slot=0, scope="live", name="s", revision=1, active=8, highest=9)
    newer = SampleRow(slot=0, scope="live", name="s", revision=2, active=3, highest=5)
    assert (merge(older, newer).active, merge(older, newer).highest) == (3, 9)
    assert (merge(newer, older).active, merge(newer, older).highest) == (8, 9)


def test_a_span_begins_where_the_older_did() -> None:
    older = SpanRow(from_ms=1, to_ms=5, revision=1, state="counted")
    assert merge(older, SpanRow(from_ms=5, to_ms=9, revision=2, state="counted")).from_ms == 1


@given(st.lists(st.builds(JournalTotals, counts, counts, counts, counts), max_size=5))
def test_totals_add_and_subtract(several: list[JournalTotals]) -> None:
    whole = sum(several, JournalTotals())
    assert whole.bytes_out == sum(each.bytes_out for each in several)
    for each in several:
        whole -= each
    assert whole == JournalTotals()
