"""Times that move when the time of day becomes known."""

from streamusage.agent.journal.dating import Shift, date_spans, dating, remembered
from streamusage.agent.journal.protocol import UndatedRun
from streamusage.agent.metering.passage import UNDATED_FROM_MS
from streamusage.api.report import Baseline, PeakWindow, SpanRow
from streamusage.core.reasons import RESTARTED, TIME_UNKNOWN

DAY = 24 * 3600 * 1000
FIRST, SECOND = UNDATED_FROM_MS + 50 * DAY, UNDATED_FROM_MS + 100 * DAY
RUNS = (UndatedRun("run 1", FIRST, FIRST, FIRST + 100_000), UndatedRun("run 2", SECOND, SECOND, SECOND + 100_000))


def span(from_ms: int, to_ms: int, state: str = "counted", reason: str = "") -> SpanRow:
    return SpanRow(from_ms=from_ms, to_ms=to_ms, state=state, reason=reason, revision=1)  # type: ignore[arg-type]


def test_remembered_time_moves_with_the_baseline_however_long_ago_it_is() -> None:
    began = SECOND - 60 * DAY
    baseline = Baseline(
        at=SECOND + 10,
        boot="b",
        started_at=began,
        since=began,
        bytes_in=0,
        bytes_out=0,
        window=PeakWindow(SECOND, 0, 0),
        run="run 2",
        elapsed_ms=10,
        offset_ms=SECOND,
    )
    shift = dating(RUNS, 1_000 * DAY)
    moved = shift.baseline(baseline, remembered(shift, baseline))
    assert moved.at - moved.since == baseline.at - baseline.since


def test_mark_of_a_restart_is_not_covered_by_the_time_after_it() -> None:
    spans = [
        span(FIRST, FIRST + 100_000),
        span(FIRST + 100_000, SECOND - 90_000, "partial", RESTARTED),
        span(SECOND - 90_000, SECOND + 100_000),
    ]
    moved = list(date_spans(spans, dating(RUNS, 1_000 * DAY), RUNS).values())
    assert [row.from_ms for row in moved[1:]] == [row.to_ms for row in moved[:-1]]
    assert [row.state for row in moved] == ["partial", "partial", "counted"]


def test_incomplete_span_of_unknown_time_keeps_its_reason() -> None:
    spans = [span(FIRST, FIRST + 50_000), span(FIRST + 50_000, FIRST + 60_000, "partial", RESTARTED)]
    moved = date_spans(spans, dating(RUNS, 1_000 * DAY), RUNS).values()
    assert [row.reason for row in moved] == [TIME_UNKNOWN, RESTARTED]


def test_span_of_no_length_stays_as_a_mark() -> None:
    moved = date_spans([span(5_000, 6_000)], Shift([(0, -10_000)], 4_000), ())
    assert [(row.from_ms, row.to_ms) for row in moved.values()] == [(4_000, 4_001)]


def test_span_that_moves_to_the_time_of_a_mark_does_not_replace_it() -> None:
    spans = [span(5_000, 6_000, "partial", RESTARTED), span(6_000, 7_000), span(7_000, 20_000)]
    moved = list(date_spans(spans, Shift([(4_000, -10_000)], 4_000), ()).values())
    assert [(row.from_ms, row.to_ms) for row in moved] == [(4_000, 4_001), (4_001, 4_002), (4_002, 10_000)]
    assert moved[0].reason == RESTARTED
