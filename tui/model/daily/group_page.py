"""The page of a stream, a scope or a customer in a day or a month: its figures exactly, and what they rest on. Pure."""

from collections.abc import Iterator
from datetime import tzinfo
from textwrap import wrap

from streamusage.core.days import day_interval
from streamusage.core.figures import SUMS
from tui.model import formats
from tui.model.daily.day_shares import accounting_zone
from tui.model.daily.descriptions import (
    describe_coverage,
    describe_late_changes,
    describe_percentile,
    describe_state,
    describe_traffic,
    describe_voids,
)
from tui.model.daily.groups import GroupRequest
from tui.model.daily.months import DailyTotals
from tui.model.text import sanitize, width

_LABEL_CELLS = 14


def group_page(figures: DailyTotals, request: GroupRequest, cells: int, now_ms: int, tz: tzinfo | None) -> list[str]:
    """Return lines of at most `cells` cells that are safe to draw."""
    title = f"{figures.name}, {request.period}, {accounting_zone(tz).key}"
    lines = [*wrap(sanitize(title), cells, subsequent_indent="  "), ""]
    for label, text in _facts(figures, request, now_ms, tz):
        room = max(20, cells - _LABEL_CELLS)
        for number, part in enumerate(wrap(sanitize(text), room) if width(text) > room else [sanitize(text)]):
            lines.append(f"{'' if number else label:{_LABEL_CELLS}}{part}".rstrip())
    return lines


def _facts(figures: DailyTotals, request: GroupRequest, now_ms: int, tz: tzinfo | None) -> Iterator[tuple[str, str]]:
    is_over = day_interval(request.last, accounting_zone(tz)).to_ms <= now_ms
    yield "state", describe_state(figures, is_over=is_over, now_ms=now_ms, tz=tz, period=request.by)
    yield "complete", f"{figures.complete()}, {describe_coverage(figures)}"
    yield "servers", f"{formats.count(figures.servers)}, those that carried it in the {request.by}"
    if figures.waiting_for:
        yield "waits for", ", ".join(figures.waiting_for)
    yield "traffic", describe_traffic(figures)
    yield "", ""
    bound = "" if figures.is_complete else "≥ "
    if figures.is_unknown:
        yield "figures", "not known yet"
    else:
        yield "connections", f"{bound}{formats.count(figures.connections)}"
        yield "out", f"{bound}{formats.traffic(figures.bytes_out)}, {formats.count(figures.bytes_out)} bytes"
        yield "in", f"{bound}{formats.traffic(figures.bytes_in)}, {formats.count(figures.bytes_in)} bytes"
        yield "peak out", _peak(figures.peak_out_bps, figures.peak_out_at, now_ms, tz)
        yield "peak in", _peak(figures.peak_in_bps, figures.peak_in_at, now_ms, tz)
        yield "view time", f"{bound}{formats.duration(figures.view_time_ms)}, {_average(figures)}"
        yield "percentile", describe_percentile(figures)
    backfilled = [
        f"{formats.FORMAT_OF_UNIT[figure.unit](number)} {figure.heading.lower()}"
        for figure in SUMS
        if (number := getattr(figures.backfilled, figure.name))
    ]
    yield "backfilled", ", ".join(backfilled) or "nothing"
    later = figures.came_later
    yield "adjustment", "none" if later is None else describe_late_changes(later, now_ms, tz)
    if figures.voids is not None:
        yield "void", describe_voids(figures.voids, now_ms, tz)
    yield "", ""
    days = f"--from {request.first} --to {request.last} --tz {accounting_zone(tz).key}"
    yield "by day", f"streamtop daily {days} --by day --group {request.group}"


def _peak(bps: int | None, at_ms: int | None, now_ms: int, tz: tzinfo | None) -> str:
    if not at_ms:
        return formats.optional_bandwidth(bps)
    return f"{formats.optional_bandwidth(bps)}, the minute until {formats.moment(at_ms, now_ms, tz)}"


def _average(figures: DailyTotals) -> str:
    average = figures.average_view_time_ms
    return "average not known" if average is None else f"average {formats.duration(round(average))}"
