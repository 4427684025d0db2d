"""The lines that describe a row of the daily statistics."""

from collections.abc import Sequence
from datetime import date, tzinfo

from streamusage.core.days import day_interval
from tui.model import formats
from tui.model.daily.day_shares import accounting_zone
from tui.model.daily.descriptions import (
    describe_coverage,
    describe_late_changes,
    describe_percentile,
    describe_split,
    describe_state,
    describe_traffic,
    describe_voids,
)
from tui.model.daily.disagreements import describe_disagreements
from tui.model.daily.groups import GroupRequest
from tui.model.daily.months import DailyTotals
from tui.model.text import sanitize, width
from tui.widgets.day_table import result_ink
from tui.widgets.lines import Part


def day_lines(
    figures: DailyTotals,
    day: date | None,
    since: str,
    reconciled: Sequence[str],
    now_ms: int,
    tz: tzinfo | None,
    cells: int,
) -> list[list[Part]]:
    """Describe a row: state and coverage, protocols, percentile, later adjustments, closings that no longer count,
    figures that disagree, and the comparison with an outside account.

    `since` is since when accounting exists, if it began on the day, and `reconciled` has the parts of the line about
    the comparison: each has its own line where one of `cells` cells is too short for all of them.
    """
    is_over = day is not None and day_interval(day, accounting_zone(tz)).to_ms <= now_ms
    state = describe_state(figures, is_over=is_over, now_ms=now_ms, tz=tz)
    first: list[Part] = [(f" {sanitize(figures.name.strip())} · {sanitize(state)} · ", "strong")]
    first.append((sanitize(describe_coverage(figures)), figures.worst.value))
    lines = [
        first,
        [(f" {describe_split(figures) or ('' if figures.is_unknown else 'no connections')}", "quiet")],
        *_figure_lines(figures, now_ms, tz),
    ]
    if since and len(lines) > 3:
        lines[3].append((f"; accounted{since}", "quiet"))
    elif since:
        lines.append([(f" accounted{since}", "quiet")])
    lines += _void_lines(figures, now_ms, tz)
    if figures.disagreements:
        lines.append([(f" {sanitize(describe_disagreements(figures.disagreements, tz))}", "bad")])
    joined = sanitize("; ".join(reconciled))
    parts = [joined] if joined and width(joined) < cells else map(sanitize, reconciled)
    lines += [[(f" {part}", result_ink(figures))] for part in parts]
    return lines


def group_lines(figures: DailyTotals, request: GroupRequest, now_ms: int, tz: tzinfo | None) -> list[list[Part]]:
    """Describe a row of a group of streams: state and coverage, servers and traffic, percentile, later adjustments, and
    closings that no longer count.
    """
    is_over = day_interval(request.last, accounting_zone(tz)).to_ms <= now_ms
    state = describe_state(figures, is_over=is_over, now_ms=now_ms, tz=tz, period=request.by)
    servers = "1 server" if figures.servers == 1 else f"{formats.count(figures.servers)} servers"
    lines: list[list[Part]] = [
        [
            (f" {sanitize(figures.name)} · {sanitize(state)} · ", "strong"),
            (sanitize(describe_coverage(figures)), figures.worst.value),
        ],
        [(f" of {servers} · traffic {describe_traffic(figures)}", "quiet")],
        *_figure_lines(figures, now_ms, tz),
    ]
    return [*lines, *_void_lines(figures, now_ms, tz)]


def _figure_lines(figures: DailyTotals, now_ms: int, tz: tzinfo | None) -> list[list[Part]]:
    """Return the percentile, and what arrived late or is missing."""
    lines: list[list[Part]] = [
        [(f" {describe_percentile(figures)}", "quiet" if figures.percentile.rests_on_all else "missing")]
    ]
    if figures.came_later is not None:
        lines.append([(f" {describe_late_changes(figures.came_later, now_ms, tz)}", "partial")])
    elif not figures.is_complete:
        bound = "every figure is a lower bound" if not figures.is_unknown else "no figure is known yet"
        lines.append([(f" not complete: {bound}", "missing")])
    return lines


def _void_lines(figures: DailyTotals, now_ms: int, tz: tzinfo | None) -> list[list[Part]]:
    if figures.voids is None:
        return []
    return [[(f" {sanitize(describe_voids(figures.voids, now_ms, tz))}", "bad")]]
