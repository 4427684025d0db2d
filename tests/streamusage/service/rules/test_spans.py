"""Which time the spans of a report add to coverage."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from streamusage.api.report import SpanRow
from streamusage.core.reasons import RESTARTED, TIME_UNKNOWN
from streamusage.service.rules.spans import find_hidden_mark, lay_out_spans, place_mark


def span(from_ms: int, to_ms: int, state: str = "counted", revision: int = 5, reason: str = "") -> SpanRow:
    return SpanRow(from_ms=from_ms, to_ms=to_ms, revision=revision, state=state, reason=reason)  # type: ignore[arg-type]


def added(spans: Sequence[SpanRow], watermark: int, applied_to: int = 0) -> list[SpanRow]:
    hidden = find_hidden_mark(spans, watermark, applied_to)
    return lay_out_spans(spans if hidden is None else place_mark(spans, hidden, watermark), watermark)


def laid_out(spans: Sequence[SpanRow], watermark: int = 0, applied_to: int = 0) -> list[tuple[int, int, str]]:
    return [(row.from_ms, row.to_ms, row.state) for row in added(spans, watermark, applied_to)]


def test_counted_time_begins_at_the_watermark() -> None:
    assert laid_out([span(0, 100), span(100, 200)], 150) == [(150, 200, "counted")]


def test_mark_inside_counted_time_stays() -> None:
    """A new journal's time line was behind: its counted time covers the mark of the restart before it."""
    spans = [span(0, 1_000), span(500, 501, "partial")]
    assert laid_out(spans, 500) == [(500, 501, "partial"), (501, 1_000, "counted")]


def test_mark_of_time_that_is_covered_already_stays_at_the_end() -> None:
    spans = [span(0, 10), span(10, 40, "partial"), span(40, 900)]
    assert laid_out(spans, 500) == [(500, 899, "counted"), (899, 900, "partial")]
    assert laid_out(spans[:2], 500) == [(500, 501, "partial")], "nothing else is after the watermark"


def test_mark_that_was_applied_before_is_not_repeated() -> None:
    spans = [span(0, 10, revision=3), span(10, 40, "partial", revision=4), span(40, 900)]
    assert laid_out(spans, 40, applied_to=4) == [(40, 900, "counted")]


def test_mark_of_missing_units_wins_over_one_of_an_uncertain_time() -> None:
    uncertain, missing = span(0, 900, "partial", reason=TIME_UNKNOWN), span(20, 30, "partial", reason=RESTARTED)
    assert [(row.from_ms, row.to_ms, row.reason) for row in added([uncertain, missing], 0)] == [
        (0, 20, TIME_UNKNOWN),
        (20, 30, RESTARTED),
        (30, 900, TIME_UNKNOWN),
    ]
    hidden = span(20, 30, "partial", reason=RESTARTED)
    assert [(row.from_ms, row.to_ms, row.reason) for row in added([uncertain, hidden], 500)] == [
        (500, 899, TIME_UNKNOWN),
        (899, 900, RESTARTED),
    ]
    earlier = span(0, 10, "partial", reason=TIME_UNKNOWN)
    assert added([earlier, missing], 500) == [span(500, 501, "partial", reason=RESTARTED)]


_SPANS = st.lists(
    st.builds(
        lambda at, length, state: span(at, at + length, state),
        st.integers(0, 60),
        st.integers(1, 30),
        st.sampled_from(["counted", "partial", "lost"]),
    ),
    max_size=8,
)


@given(_SPANS, st.integers(0, 80))
def test_spans_do_not_overlap_and_no_mark_is_hidden(spans: list[SpanRow], watermark: int) -> None:
    result = added(spans, watermark)
    position = watermark
    for row in result:
        assert position <= row.from_ms < row.to_ms
        position = row.to_ms
    marked = {at for row in result if row.state != "counted" for at in range(row.from_ms, row.to_ms)}
    covered = {at for row in result for at in range(row.from_ms, row.to_ms)}
    for row in spans:
        times = set(range(max(row.from_ms, watermark), row.to_ms))
        assert times <= (covered if row.state == "counted" else marked)
        assert row.state == "counted" or times or marked & {watermark, position - 1}
