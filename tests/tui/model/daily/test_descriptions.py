"""Descriptions of a row of the daily statistics."""

from datetime import UTC

import msgspec

from streamusage.api.daily import (
    Adjustment,
    Closed,
    CoveredTime,
    DailyFigures,
    DayDifference,
    Percentile,
    VoidEntry,
    summarize_voids,
)
from streamusage.core.coverage import WORST_FIRST
from streamusage.core.figures import SUM_NAMES
from tests.support.console.daily_statistics import NOW, a_day, a_sum, adjusted
from tui.model.daily.descriptions import (
    describe_coverage,
    describe_late_changes,
    describe_percentile,
    describe_split,
    describe_state,
    describe_voids,
)
from tui.model.daily.months import DailyTotals, of_server, summed


def test_descriptions_name_coverage_percentile_and_later_adjustments() -> None:
    changed = adjusted()
    assert describe_percentile(changed) == "95th percentile 12.3 Mbit/s out, 1.00 kbit/s in, of 287 of 288 samples"
    assert describe_percentile(of_server(a_day(percentile_95=Percentile(expected_samples=9)))) == (
        "95th percentile not known, of 0 of 9 samples"
    )
    assert changed.came_later is not None
    assert describe_late_changes(changed.came_later, NOW, UTC) == (
        "+12 connections, -3 B in, +1.20 MB out, +1m viewed after closing (2 entries, newest Sat 23:59), "
        "not in the figures; pending"
    )

    def state_text(figures: DailyTotals, *, is_over: bool = True) -> str:
        return describe_state(figures, is_over=is_over, now_ms=NOW, tz=UTC)

    assert state_text(changed) == "adjusted, closed Sat 00:02 by every watermark"
    by_hand = Closed(at=NOW, by="boss", rule="operator", revision=8)
    assert state_text(of_server(a_day(closed=by_hand))) == "final, closed 00:00 by boss"
    waits = summed("Fri 20", a_sum("2026-11-20", 1, state="provisional", waiting_for=["a", "b"]))
    assert state_text(waits) == "provisional, waits for a and b"
    assert state_text(waits, is_over=False) == "provisional, the day is not over"


def test_description_of_later_changes_names_what_is_approved() -> None:
    later = adjusted().came_later
    assert isinstance(later, Adjustment)
    sums = {name: getattr(later, name) for name in SUM_NAMES}
    whole = msgspec.structs.replace(later, approved=DayDifference(**sums))
    assert describe_late_changes(whole, NOW, UTC).endswith("not in the figures; approved")
    part = msgspec.structs.replace(later, approved=DayDifference(**sums | {"bytes_out": 200_000}))
    assert describe_late_changes(part, NOW, UTC).endswith("; +200 kB out of it approved, the rest pending")


def test_void_closings_name_the_newest_with_its_reason() -> None:
    entry = VoidEntry(
        server="edge-1", day="2026-11-20", tz="UTC", revision=7, at=NOW - 60_000, by="boss",
        reason="the clock was wrong", closed=Closed(at=NOW, rule="watermark", revision=7),
        figures=DailyFigures(**{name: getattr(a_day(), name) for name in DailyFigures.__struct_fields__}),
    )  # fmt: skip
    one = of_server(a_day(voids=[entry])).voids
    assert one is not None
    assert describe_voids(one, NOW, UTC) == "void: closing 7 of edge-1, since Sat 23:59 by boss: the clock was wrong"
    earlier = msgspec.structs.replace(entry, revision=3, at=NOW - 120_000)
    several = summarize_voids([entry, earlier])
    assert several is not None
    assert describe_voids(several, NOW, UTC).startswith("2 void, newest: closing 7 of edge-1")
    assert summed("Fri 20", a_sum("2026-11-20", 1, voids=several)).voids == several
    assert of_server(a_day()).voids is None


def test_split_lists_protocols_by_connections_and_omits_zero() -> None:
    day = of_server(a_day(connections_by_protocol={"rtmp": 3, "hls": 1_204, "srt": 0, "dash": 3}))
    assert describe_split(day) == "HLS 1,204, DASH 3, RTMP 3"
    assert describe_split(of_server(a_day(connections_by_protocol={}))) == ""


def test_coverage_lists_states_from_best_to_worst() -> None:
    coverage = CoveredTime(lost_ms=60_000, missing_ms=3_600_000, live_ms=7_200_000)
    parts = [part.split()[0] for part in describe_coverage(of_server(a_day(coverage=coverage))).split(", ")]
    assert parts == [state.value for state in reversed(WORST_FIRST) if getattr(coverage, f"{state.value}_ms")]
    assert set(parts) == {"live", "missing", "lost"}
