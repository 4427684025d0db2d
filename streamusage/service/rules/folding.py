"""Which minutes of a server are folded to hours, and which hours to UTC days. Pure.

Hours are summed from minutes, and UTC days from hours, long before. To fold them means to discard what they were summed
from, so nothing may be folded that a report can still change, or that a sum lacks. Limits are UTC midnights and only
rise.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import msgspec

from streamusage.api.report import Report
from streamusage.core.instants import format_utc
from streamusage.service.errors import ContradictionError
from streamusage.service.rules.parts import ReportPart
from streamusage.service.rules.repair import is_ahead
from streamusage.service.rules.utc_days import DAY_MS, utc_day_of

REVISED_MS = 41 * DAY_MS
"""How far before its watermark figures of a server may change: an agent files what it finds at most 40 days before a
reading. Rows that it has acknowledged, and sends again to a service that was restored, are of seven days.
"""
HOURS_AHEAD_MS = 2 * DAY_MS
"""How much longer hours are kept than minutes, at least: a day of any time zone with a minute that may change consists
of kept hours.
"""

Rows = TypeVar("Rows", Report, ReportPart)


class KeptFrom(NamedTuple):
    """The instants before which minutes and hours are folded."""

    minutes: int
    hours: int


NOTHING_FOLDED = KeptFrom(0, 0)


class FoldedServer(NamedTuple):
    """What decides how much of a server is folded."""

    kept_from: KeptFrom
    """The limits up to now."""
    since: int | None
    watermark: int | None
    summed_to: int
    days_summed_to: int
    parts_pending: int
    inexact_day: int | None
    """The first UTC day that is kept as hours only, because its numbers do not fit into a sum of the day."""


def limit_by_closings(wanted: KeptFrom, closed_until: Sequence[int]) -> KeptFrom:
    """Return the limits for all servers: nothing of a day that is open in an account zone is folded.

    `closed_until` are the ends of the closed time of the account zones.
    """
    minutes, hours = (utc_day_of(max(0, min([limit, *closed_until]))) for limit in wanted)
    return KeptFrom(minutes, min(hours, minutes))


def limit_by_server(limit: KeptFrom, server: FoldedServer, now_ms: int) -> KeptFrom:
    """Return the limits of a server, which are those for all servers unless its figures may still change."""
    before = server.kept_from
    if server.watermark is None or server.parts_pending:
        return before
    if is_ahead(server.watermark, now_ms) or is_ahead(server.since, now_ms):  # until it is repaired
        return before
    minutes = max(before.minutes, _midnight(limit.minutes, server.watermark - REVISED_MS, server.summed_to))
    ends = [limit.hours, minutes - HOURS_AHEAD_MS, server.days_summed_to]
    if server.inexact_day is not None:
        ends.append(server.inexact_day)
    return KeptFrom(minutes, max(before.hours, _midnight(*ends)))


def refuse_folded(report: Report, minutes_kept_from: int) -> None:
    """Raise `ContradictionError` if a report has figures of a minute that is folded.

    What of them is counted already is no longer known, so they can neither be added nor left out.
    """
    oldest = oldest_minute(report)
    if oldest is not None and oldest < minutes_kept_from:
        raise ContradictionError(
            f"it has figures of {format_utc(oldest)}, but of the time before {format_utc(minutes_kept_from)} only sums "
            "of hours are kept (--minute-statistics-days): what of them is counted already is not known"
        )


def oldest_minute(rows: Report | ReportPart) -> int | None:
    """Return the oldest minute that rows have figures of; `None` if they have none."""
    return min((row.slot for of_kind in (rows.slots, rows.stream_slots) for row in of_kind), default=None)


def without_minutes_before(rows: Rows, kept_from: int) -> Rows:
    """Return the rows without the figures of minutes before an instant."""
    return msgspec.structs.replace(
        rows,
        slots=tuple(row for row in rows.slots if row.slot >= kept_from),
        stream_slots=tuple(row for row in rows.stream_slots if row.slot >= kept_from),
    )


def _midnight(*ends: int) -> int:
    return utc_day_of(max(0, min(ends)))
