"""Daily statistics of a month as rows: its days and total over all servers, and a day's roles and servers. Pure.

The service computes all sums: only it has the minutes that a peak or percentile over servers needs.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NamedTuple

import msgspec

from streamusage.api.daily import (
    Adjustment,
    BackfilledPart,
    Closed,
    CoveredTime,
    DailyFigures,
    DailyStatistics,
    DailySums,
    DayState,
    Percentile,
    SummedStatistics,
    VoidClosings,
    summarize_voids,
)
from streamusage.api.disagreements import Disagreement
from streamusage.core.coverage import WORST_FIRST, Provenance
from streamusage.core.figures import StreamTraffic
from tui.model import formats
from tui.model.gaps.accounts import WHOLE
from tui.model.services.servers import qualified_name

_COVERED = tuple(CoveredTime.__struct_fields__)


class ReconciledMark(NamedTuple):
    """The worst result of a row of the days view."""

    result: str
    """`agrees`, `explained`, `unexplained` or `outdated`."""
    share: str = ""
    """What is unexplained in percent of the service's figure; empty for other results."""


class DailyTotals(DailyFigures, frozen=True, kw_only=True):
    """The figures of one or several server days, as a row of the days view."""

    name: str
    state: DayState
    servers: int
    came_later: Adjustment | BackfilledPart | None
    """Changes after the closing, which the figures do not include. A sum of days or servers has no ledger entries."""
    waiting_for: Sequence[str]
    closed: Closed | None = None
    """For one server's day."""
    voids: VoidClosings | None = None
    """Earlier closings that no longer count."""
    disagreements: Sequence[Disagreement] = ()
    """For one server's day: its hours whose figures were counted in two ways and differ."""
    service: str = ""
    """The service of the row, where several are shown."""
    services: int = 1
    """The number of services in a sum. Peaks of several are lower bounds, and percentiles are not known."""
    without: Sequence[str] = ()
    """Services whose figures are not known, so that every figure is a lower bound."""
    reconciled: ReconciledMark | None = None
    """The worst kept result of a comparison with an outside account."""
    traffic: StreamTraffic | None = None
    """How the bytes of streams are known; `None` for servers, and for what is not by stream."""
    is_remainder: bool = False
    """Whether it is what is left beside groups of streams: `no customer`, `not by stream`."""

    @property
    def percentile(self) -> Percentile:
        """The percentile; without samples where the service sent none, or for a sum of several services."""
        return self.percentile_95 if self.percentile_95 and self.knows_percentile else Percentile()

    @property
    def knows_percentile(self) -> bool:
        """Whether the percentile is that of all its servers: only a service has the minutes of its own."""
        return self.services == 1 and not self.without

    @property
    def due_ms(self) -> int:
        """Time for which figures are due."""
        return sum(getattr(self.coverage, name) for name in _COVERED)

    @property
    def complete_ms(self) -> int:
        """Fully covered time."""
        return sum(getattr(self.coverage, f"{state.value}_ms") for state in WHOLE)

    @property
    def is_unknown(self) -> bool:
        """Whether nothing has been reported: the figures are unknown, not zero."""
        return self.due_ms > 0 and not self.complete_ms and not self.coverage.partial_ms

    @property
    def is_complete(self) -> bool:
        """Whether all due time is covered."""
        return self.due_ms == self.complete_ms and not self.without

    @property
    def worst(self) -> Provenance:
        """The worst state of the time, which is shown first."""
        if self.without:
            return Provenance.MISSING
        return next((state for state in WORST_FIRST if getattr(self.coverage, f"{state.value}_ms")), Provenance.LIVE)

    def complete(self) -> str:
        """Return the covered share in percent; unknown without the figures of a service."""
        if self.without:
            return formats.UNKNOWN
        return formats.percent(self.complete_ms, self.due_ms)

    def recovered(self) -> str:
        """Return the backfilled share of the outgoing traffic in percent; unknown without the figures of a service."""
        is_known = self.bytes_out and not self.without
        return formats.percent(self.backfilled.bytes_out, self.bytes_out) if is_known else formats.UNKNOWN


def summed(name: str, row: SummedStatistics) -> DailyTotals:
    """Return a sum of the service under a name."""
    return DailyTotals(
        **_figures(row),
        name=name,
        state=row.state,
        servers=row.servers,
        came_later=row.adjustment,
        waiting_for=row.waiting_for,
        voids=row.voids or None,
        traffic=row.traffic or None,
    )


def of_server(day: DailyStatistics) -> DailyTotals:
    """Return one server's day under the server's name."""
    return DailyTotals(
        **_figures(day),
        name=day.server,
        state=day.state,
        servers=1,
        came_later=day.adjustment,
        waiting_for=day.waiting_for,
        closed=day.closed,
        voids=summarize_voids(day.voids or ()),
        disagreements=day.disagreements or (),
    )


def row_of_service(row: DailyTotals, service: str) -> DailyTotals:
    """Return a row of a service with the names that no other service has."""
    voids = row.voids and msgspec.structs.replace(row.voids, server=qualified_name(service, row.voids.server))
    return msgspec.structs.replace(
        row,
        name=qualified_name(service, row.name),
        service=service,
        waiting_for=[qualified_name(service, server) for server in row.waiting_for],
        voids=voids,
    )


def _figures(row: DailyStatistics | SummedStatistics) -> dict[str, Any]:
    return {name: getattr(row, name) for name in DailyFigures.__struct_fields__}


@dataclass(frozen=True)
class Month:
    """A month over all servers: its days, oldest first, and its total. Only days in which a server ran."""

    first: date
    days: Sequence[tuple[date, DailyTotals]]
    total: DailyTotals | None
    account_zones: Sequence[str] = ()
    """The zones in which the service closes days."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Of several services, those whose newest request failed, and why. Their figures are those of an earlier one."""
    without: Sequence[str] = ()
    """Of several services, those without figures."""


def month_of(first: date, by_day: DailySums, by_month: DailySums) -> Month:
    """Return the month of its sums by day and by month, over all servers."""
    rows = [
        (day, summed(f"{day:%a} {day.day:2}", row))
        for row in by_day.sums
        for day in (date.fromisoformat(row.period),)
        if first_of(day) == first
    ]
    total = next((summed("month", row) for row in by_month.sums), None)
    return Month(first, sorted(rows, key=lambda row: row[0]), total, by_day.account_zones)


@dataclass(frozen=True)
class DayRows:
    """A day by role, if there are several, and by server."""

    day: date
    rows: Sequence[DailyTotals]
    failures: Mapping[str, str] = field(default_factory=dict)
    """As of a month."""
    without: Sequence[str] = ()


def rows_of(day: date, roles: Sequence[SummedStatistics], servers: Iterable[DailyStatistics]) -> DayRows:
    """Return a day's rows from its sums by role and its servers' figures."""
    groups = [summed(f"all {row.group}", row) for row in roles if len(roles) > 1]
    return DayRows(day, [*groups, *(of_server(one) for one in servers)])


def first_of(day: date) -> date:
    """Return the first day of the day's month."""
    return day.replace(day=1)


def last_of(day: date) -> date:
    """Return the last day of the day's month."""
    return day.replace(day=monthrange(day.year, day.month)[1])


def months_away(first: date, months: int) -> date:
    """Return the first day of the month that many months later; below zero, earlier."""
    for _ in range(abs(months)):
        first = first_of(last_of(first) + timedelta(days=1) if months > 0 else first - timedelta(days=1))
    return first
