"""The outages of a recording as marks on its time."""

from zoneinfo import ZoneInfo

from streamusage.api.daily import GapDelta
from streamusage.api.extension import Coverage, CoverageSpan, ServerCoverage, ServerStatus
from streamusage.core.coverage import Provenance
from tui.recording.page.marks import TimeMark, find_marks
from tui.recording.recording import RecordedPoll

UTC = ZoneInfo("UTC")
MINUTE_MS = 60_000
END_MS = 60 * MINUTE_MS


def poll(minute: int, owed_minutes: int = 0, why_failed: str = "") -> RecordedPoll:
    server = ServerStatus(
        server="edge-[1]\x1b",
        role="edge",
        state="unreachable" if owed_minutes else "live",
        owed_ms=owed_minutes * 60_000,
    )
    return RecordedPoll(at=minute * MINUTE_MS, servers=None if why_failed else [server], why_failed=why_failed)


def span(state: Provenance, from_minute: int, to_minute: int, **more: object) -> CoverageSpan:
    return CoverageSpan(from_ms=from_minute * MINUTE_MS, to_ms=to_minute * MINUTE_MS, state=state, **more)  # type: ignore[arg-type]


def covered(*spans: CoverageSpan) -> RecordedPoll:
    servers = [ServerCoverage(server="edge-1", spans=list(spans))]
    return RecordedPoll(at=END_MS, coverage=Coverage(now=END_MS, from_ms=0, to_ms=END_MS, servers=servers))


def texts(marks: list[TimeMark]) -> list[tuple[str, int, int, str]]:
    return [(mark.kind, mark.from_ms // MINUTE_MS, mark.to_ms // MINUTE_MS, mark.text) for mark in marks]


def test_server_is_missing_from_the_first_poll_without_it_to_the_first_one_with_it() -> None:
    polls = [poll(0), poll(1, 1), poll(2, 2), poll(3), poll(4, 1), poll(5, 2)]
    assert texts(find_marks(polls, 0, END_MS, UTC)) == [
        ("missing", 1, 3, "edge-[1]␛"),
        ("missing", 4, 5, "edge-[1]␛"),
    ]


def test_failed_polls_are_one_mark_with_the_last_reason_and_without_secrets() -> None:
    polls = [poll(0), poll(1, why_failed="nothing answers"), poll(2, why_failed="GET http://u:pw@h/?token=s"), poll(3)]
    assert texts(find_marks(polls, 0, END_MS, UTC)) == [("failed", 1, 3, "GET http://•••@h/?token=•••")]


def test_marks_of_several_services_name_theirs() -> None:
    polls = [poll(0), poll(1, 1), poll(2), poll(3)]
    for one in polls:
        one.service = "eu"
    down = RecordedPoll(at=MINUTE_MS, why_failed="nothing answers", service="us")
    back = RecordedPoll(at=3 * MINUTE_MS, servers=[], service="us")
    assert texts(find_marks([polls[0], polls[1], down, *polls[2:], back], 0, END_MS, UTC)) == [
        ("missing", 1, 2, "eu: edge-[1]␛"),
        ("failed", 1, 3, "us: nothing answers"),
    ]


def test_coverage_has_what_became_of_the_gaps() -> None:
    delta = GapDelta(connections=217)
    known = covered(
        span(Provenance.LIVE, 0, 10),
        span(Provenance.BACKFILLED, 10, 14, filled_at=15 * MINUTE_MS, delta=delta),
        span(Provenance.LOST, 20, 22, filled_at=30 * MINUTE_MS, reason="disk gone"),
        span(Provenance.HELD, 40, 41, reason="clock"),
        span(Provenance.PARTIAL, 50, 51),
        span(Provenance.MISSING, 59, 60),
    )
    assert texts(find_marks([known], 0, END_MS, UTC)) == [
        ("backfilled", 15, 15, "edge-1 00:10–00:14, +217 connections"),
        ("lost", 30, 30, "edge-1 00:20–00:22: disk gone"),
        ("held", 40, 41, "edge-1 00:40–00:41: clock"),
        ("partial", 50, 51, "edge-1 00:50–00:51"),
    ]


def test_marks_end_with_the_time_that_is_shown() -> None:
    polls = [poll(minute, 1) for minute in range(9)]
    assert texts(find_marks(polls, 2 * MINUTE_MS, 4 * MINUTE_MS, UTC)) == [("missing", 2, 4, "edge-[1]␛")]
    assert find_marks([poll(0, 1), poll(1)], 2 * MINUTE_MS, 4 * MINUTE_MS, UTC) == []
