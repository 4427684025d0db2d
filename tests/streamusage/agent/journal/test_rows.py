"""Merging of rows: counts add up, of peaks and highest numbers the higher stays, and the grouping does not matter."""

from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.journal.rows import JournalTotals, merge, slot_totals
from streamusage.api.report import Peak, SampleRow, SessionRow, SlotRow, SpanRow
from streamusage.core.figures import SUM_NAMES

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
def test_merged_slots_do_not_depend_on_the_grouping(first: SlotRow, second: SlotRow, third: SlotRow) -> None:
    merged = merge(merge(first, second), third)
    assert merged == merge(first, merge(second, third))
    assert slot_totals(merged) == slot_totals(first) + slot_totals(second) + slot_totals(third)
    for protocol in ("rtmp", "hls", "srt"):
        counts_of_rows = [row.connections.get(protocol, 0) for row in (first, second, third)]
        assert merged.connections.get(protocol, 0) == sum(counts_of_rows)
    for name in ("peak_in", "peak_out"):
        known = [peak.bps for row in (first, second, third) if (peak := getattr(row, name)) is not None]
        highest = getattr(merged, name)
        assert (highest and highest.bps) == max(known, default=None)


def session(revision: int, **figures: int) -> SessionRow:
    known = {"start_time": 5, "end_time": 50, "active": 1, "highest": 4, "total": 7}
    return SessionRow(publish_id="1", revision=revision, scope="live", name="s", live=True, **(known | figures))


def test_merged_session_keeps_its_start_and_highest_and_adds_its_joins() -> None:
    older, newer = session(1, highest=9), session(2, start_time=40, end_time=90, active=3, highest=6, total=2)
    for first, second, active in ((older, newer, 3), (newer, older, 1)):
        merged = merge(first, second)
        assert merged.start_time == first.start_time
        assert (merged.end_time, merged.revision) == (second.end_time, second.revision)
        assert (merged.active, merged.highest, merged.total) == (active, 9, 9)


def test_merged_sample_keeps_the_highest_and_the_newest_number() -> None:
    older = SampleRow(slot=0, scope="live", name="s", revision=1, active=8, highest=9)
    newer = SampleRow(slot=0, scope="live", name="s", revision=2, active=3, highest=5)
    assert (merge(older, newer).active, merge(older, newer).highest) == (3, 9)
    assert (merge(newer, older).active, merge(newer, older).highest) == (8, 9)


def test_merged_span_starts_where_the_older_one_started() -> None:
    older = SpanRow(from_ms=1, to_ms=5, revision=1, state="counted")
    assert merge(older, SpanRow(from_ms=5, to_ms=9, revision=2, state="counted")).from_ms == 1


@given(st.lists(st.builds(JournalTotals, **dict.fromkeys(SUM_NAMES, counts)), max_size=5))
def test_totals_add_and_subtract(several: list[JournalTotals]) -> None:
    whole = sum(several, JournalTotals())
    assert whole.bytes_out == sum(totals.bytes_out for totals in several)
    for totals in several:
        whole -= totals
    assert whole == JournalTotals()
