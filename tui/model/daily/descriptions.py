"""Descriptions of a row of the daily statistics: coverage, split, percentile, adjustments. Pure."""

from datetime import tzinfo

from streamusage.api.daily import Adjustment, BackfilledPart, DayDifference, VoidClosings
from streamusage.core.coverage import WORST_FIRST
from streamusage.core.figures import SUM_NAMES, StreamTraffic
from tui.model import formats
from tui.model.daily.days import join_names
from tui.model.daily.months import DailyTotals

_TRAFFIC: dict[StreamTraffic, str] = {
    "measured": "dealt by the counters of the streams",
    "apportioned": "dealt by view time and time on air",
    "none": "a server reports no bytes",
}
_NO_TRAFFIC = "what the streams leave of their servers' figures"


def describe_split(figures: DailyTotals) -> str:
    """Return `HLS 1,204, RTMP 290`, the largest first."""
    split = sorted(figures.connections_by_protocol.items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{protocol.upper()} {formats.count(number)}" for protocol, number in split if number)


def describe_coverage(figures: DailyTotals) -> str:
    """Return `live 23h45, missing 15m`, worst last, and the services whose coverage is not in it."""
    parts = [
        f"{state.value} {formats.duration(length)}"
        for state in reversed(WORST_FIRST)
        if (length := getattr(figures.coverage, f"{state.value}_ms"))
    ]
    return ", ".join([*parts, *([f"without {join_names(figures.without)}"] if figures.without else ())])


def describe_percentile(figures: DailyTotals) -> str:
    """Return `95th percentile 12.3 Mbit/s out, 0.31 Mbit/s in, of 287 of 288 samples`."""
    if figures.services > 1:
        return "a peak over services is a lower bound, a percentile not known: ⏎ shows each"
    if not figures.knows_percentile:
        return "95th percentile not known"
    one = figures.percentile
    of = f"of {formats.count(one.samples)} of {formats.count(one.expected_samples)} samples"
    if one.out_bps is None or one.in_bps is None:
        return f"95th percentile not known, {of}"
    return f"95th percentile {formats.bandwidth(one.out_bps)} out, {formats.bandwidth(one.in_bps)} in, {of}"


def describe_state(figures: DailyTotals, *, is_over: bool, now_ms: int, tz: tzinfo | None, period: str = "day") -> str:
    """Return `final, closed 21 Nov 00:02 by every watermark`, or what an open day or month waits for."""
    if figures.closed is not None:
        by = {"watermark": "by every watermark", "late": "before the server was known"}.get(
            figures.closed.rule, f"by {figures.closed.by}"
        )
        return f"{figures.state}, closed {formats.moment(figures.closed.at, now_ms, tz)} {by}"
    if not is_over:
        return f"{figures.state}, the {period} is not over"
    if figures.waiting_for:
        return f"{figures.state}, waits for {join_names(figures.waiting_for)}"
    return figures.state


def describe_traffic(figures: DailyTotals) -> str:
    """Return `apportioned: dealt by view time and time on air`, how the bytes of streams are known."""
    return f"{figures.traffic}: {_TRAFFIC[figures.traffic]}" if figures.traffic else _NO_TRAFFIC


def describe_late_changes(later: Adjustment | BackfilledPart, now_ms: int, tz: tzinfo | None) -> str:
    """Return `+12 connections, +3 B in, +1.20 GB out, +1m viewed after closing (2 entries, newest 03:12), not in the
    figures; pending`; instead of pending, it may be approved as a correction, all of it or a part.
    """
    parts = [
        f"{_signed(later.connections)}{formats.count(abs(later.connections))} connections",
        f"{_signed(later.bytes_in)}{formats.traffic(abs(later.bytes_in))} in",
        f"{_signed(later.bytes_out)}{formats.traffic(abs(later.bytes_out))} out",
        f"{_signed(later.view_time_ms)}{formats.duration(abs(later.view_time_ms))} viewed",
    ]
    when = ""
    if isinstance(later, Adjustment):
        entries = "1 entry" if later.entries == 1 else f"{formats.count(later.entries)} entries"
        when = f" ({entries}, newest {formats.moment(later.at, now_ms, tz)})"
    return f"{', '.join(parts)} after closing{when}, not in the figures{_approval(later)}"


def _approval(later: Adjustment | BackfilledPart) -> str:
    if not isinstance(later, Adjustment):
        return ""
    if not later.approved:
        return "; pending"
    is_whole = all(getattr(later.approved, name) == getattr(later, name) for name in SUM_NAMES)
    return "; approved" if is_whole else f"; {_of_approved(later.approved)} of it approved, the rest pending"


def _of_approved(approved: DayDifference) -> str:
    return f"{_signed(approved.bytes_out)}{formats.traffic(abs(approved.bytes_out))} out"


def describe_voids(voids: VoidClosings, now_ms: int, tz: tzinfo | None) -> str:
    """Return `void: closing 7 of edge-1, since 03:12 by boss: the clock was wrong …`; several begin with `3 void,`."""
    several = f"{formats.count(voids.closings)} void, newest: " if voids.closings > 1 else "void: "
    since = formats.moment(voids.at, now_ms, tz)
    return f"{several}closing {voids.revision} of {voids.server}, since {since} by {voids.by}: {voids.reason}"


def _signed(number: int) -> str:
    return "-" if number < 0 else "+"
