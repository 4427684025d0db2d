"""How many streams and protocols each server names in a day: a server that invents names is stopped before the writer.

The counts are this process's own, since its start. A name counts once a UTC day, however often it is reported.

Names of which a report has only figures by stream may be those that viewers request, as often as they like: beyond the
limit these figures are left out, and stay in those of the server. The report is accepted.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from streamusage.api.report import Report
from streamusage.core.durations import UNIT_MS
from streamusage.service.limits import Limits, newly_covered_days

DAY_MS = UNIT_MS["d"]


@dataclass
class _Named:
    """The names of one server today."""

    day: int
    days: int = 1
    """Days for which the server may name streams: today, and those that its reports newly cover today."""
    streams: set[int] = field(default_factory=set)
    """Hashes of scope and name: half the size of the names, and no sender can make two of them equal."""
    protocols: set[str] = field(default_factory=set)


class NameQuotas:
    """The names of all servers today. For the thread of the event loop only."""

    def __init__(self, limits: Limits, now_ms: Callable[[], int]) -> None:
        self._limits = limits
        self._now_ms = now_ms
        self._named: dict[str, _Named] = {}
        self._covered_to: dict[str, int] = {}

    def admit(self, report: Report) -> Report:
        """Count the names of a report, and return it without figures of streams beyond the limit.

        Raises `LimitExceededError` if its sessions and samples name too many: then none of them is counted.
        """
        named = self._of_today(report.server)
        streams = {hash((row.scope, row.name)) for row in report.sessions}
        streams.update(hash((row.scope, row.name)) for row in report.samples)
        protocols = {row.protocol for row in report.viewers}.union(*(row.connections for row in report.slots))
        streams -= named.streams
        if len(named.streams) + len(streams) > self._limits.streams_per_day:  # seldom: then the covered time matters
            days = named.days + self._count_new_days(report)
            if len(named.streams) + len(streams) > days * self._limits.streams_per_day:
                allowed = "" if days == 1 else f" in a report of {days - 1} days"
                raise self._limits.exceeded(
                    "streams_per_day", f"the server names {len(named.streams) + len(streams):,} streams today{allowed}"
                )
            named.days = days
        if len(named.protocols | protocols) > self._limits.protocols_per_day:
            raise self._limits.exceeded("protocols_per_day", "the server names more protocols today")
        named.streams |= streams
        named.protocols |= protocols
        self._covered_to[report.server] = max(report.baseline.at, self._covered_to.get(report.server, 0))
        return self._admit_streams(report, named)

    def _admit_streams(self, report: Report, named: _Named) -> Report:
        most = named.days * self._limits.streams_per_day
        left_out = set()
        for row in report.stream_slots:
            key = hash((row.scope, row.name))
            if key not in named.streams:
                if len(named.streams) < most:
                    named.streams.add(key)
                else:
                    left_out.add(key)
        if not left_out:
            return report
        kept = tuple(row for row in report.stream_slots if hash((row.scope, row.name)) not in left_out)
        return msgspec.structs.replace(report, stream_slots=kept)

    def _of_today(self, server: str) -> _Named:
        day = self._now_ms() // DAY_MS
        named = self._named.get(server)
        if named is None or named.day != day:
            named = self._named[server] = _Named(day)
        return named

    def _count_new_days(self, report: Report) -> int:
        covered_to = self._covered_to.get(report.server)
        start = min((span.from_ms for span in report.spans), default=report.baseline.at)
        return newly_covered_days(start if covered_to is None else max(start, covered_to), report.baseline.at)
