"""Daily statistics of a month as rows: its days and itself over all servers, and a day's roles and servers. Pure.

All of it is as the service adds it up: it alone has the minutes that a peak or a percentile over servers is taken of.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from streamusage.api.daily import (
    BackfilledPart,
    Closed,
    CoveredTime,
    DailyStatistics,
    DailySums,
    Percentile,
    SummedStatistics,
)
from streamusage.core.coverage import WORST_FIRST, Provenance
from tui.model import formats
from tui.model.gaps.accounts import WHOLE

_COVERED = tuple(CoveredTime.__struct_fields__)


@dataclass(frozen=True)
class CameLater:
    """By how much the sums of closed days moved after they were closed."""

    connections: int
    bytes_in: int
    bytes_out: int
    view_time_ms: int
    entries: int | None = None
    """Of the ledger; `None` for a sum of several days or servers."""
    at: int | None = None
    """When the newest of them came."""


@dataclass(frozen=True)
class DailyTotals:
    """The five documented statistics of a server's day or of several together, and what they rest on."""

    name: str
    state: str
    servers: int
    connections: int
    connections_by_protocol: Mapping[str, int]
    bytes_in: int
    bytes_out: int
    peak_in_bps: int | None
    peak_out_bps: int | None
    view_time_ms: int
    coverage: CoveredTime
    backfilled: BackfilledPart
    percentile: Percentile
    came_later: CameLater | None
    """What stands beside the figures of a closed day, and is not in them."""
    waiting_for: Sequence[str]
    closed: Closed | None = None
    """Of one server's day."""

    @property
    def due_ms(self) -> int:
        return sum(getattr(self.coverage, name) for name in _COVERED)

    @property
    def complete_ms(self) -> int:
        return sum(getattr(self.coverage, f"{state.value}_ms") for state in WHOLE)

    @property
    def is_unknown(self) -> bool:
        """Whether nothing of it has come: its figures are not zeros, they are not known."""
        return self.due_ms > 0 and not self.complete_ms and not self.coverage.partial_ms

    @property
    def is_complete(self) -> bool:
        return self.due_ms == self.complete_ms

    @property
    def worst(self) -> Provenance:
        """The state that an operator must hear of first."""
        return next((state for state in WORST_FIRST if getattr(self.coverage, f"{state.value}_ms")), Provenance.LIVE)

    def complete(self) -> str:
        return formats.percent(self.complete_ms, self.due_ms)

    def recovered(self) -> str:
        """Which part of the traffic out came after an outage."""
        return formats.percent(self.backfilled.bytes_out, self.bytes_out) if self.bytes_out else formats.UNKNOWN

    def average_view_time_ms(self) -> int | None:
        return self.view_time_ms // self.connections if self.connections else None


def summed(name: str, row: SummedStatistics) -> DailyTotals:
    """A sum of the service's under a name."""
    later = row.adjustment
    return DailyTotals(
        name=name,
        state=row.state,
        servers=row.servers,
        connections=row.connections,
        connections_by_protocol=row.connections_by_protocol,
        bytes_in=row.bytes_in,
        bytes_out=row.bytes_out,
        peak_in_bps=row.peak_in_bps,
        peak_out_bps=row.peak_out_bps,
        view_time_ms=row.view_time_ms,
        coverage=row.coverage,
        backfilled=row.backfilled,
        percentile=row.percentile_95,
        came_later=None
        if later is None
        else CameLater(later.connections, later.bytes_in, later.bytes_out, later.view_time_ms),
        waiting_for=row.waiting_for,
    )


def of_server(day: DailyStatistics) -> DailyTotals:
    """One server's day under the server's name."""
    later = day.adjustment
    return DailyTotals(
        name=day.server,
        state=day.state,
        servers=1,
        connections=day.connections,
        connections_by_protocol=day.connections_by_protocol,
        bytes_in=day.bytes_in,
        bytes_out=day.bytes_out,
        peak_in_bps=day.peak_in_bps,
        peak_out_bps=day.peak_out_bps,
        view_time_ms=day.view_time_ms,
        coverage=day.coverage,
        backfilled=day.backfilled,
        percentile=day.percentile_95 or Percentile(),
        came_later=None
        if later is None
        else CameLater(later.connections, later.bytes_in, later.bytes_out, later.view_time_ms, later.entries, later.at),
        waiting_for=day.waiting_for,
        closed=day.closed,
    )


@dataclass(frozen=True)
class Month:
    """A month over all servers: its days, oldest first, and itself. Only days in which a server ran."""

    first: date
    days: Sequence[tuple[date, DailyTotals]]
    total: DailyTotals | None
    account_zones: Sequence[str] = ()
    """The zones whose days the service closes."""


def month_of(first: date, by_day: DailySums, by_month: DailySums) -> Month:
    """The month from its sums by day and its sum by month, over all servers."""
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
    """A day by role, where there are several, and by server."""

    day: date
    rows: Sequence[DailyTotals]


def rows_of(day: date, roles: Sequence[SummedStatistics], servers: Iterable[DailyStatistics]) -> DayRows:
    """A day's rows from its sums by role and its servers' figures."""
    groups = [summed(f"all {row.group}", row) for row in roles if len(roles) > 1]
    return DayRows(day, [*groups, *(of_server(one) for one in servers)])


def first_of(day: date) -> date:
    return day.replace(day=1)


def last_of(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def months_away(first: date, months: int) -> date:
    """The first day of the month so many months later, or earlier."""
    for _ in range(abs(months)):
        first = first_of(last_of(first) + timedelta(days=1) if months > 0 else first - timedelta(days=1))
    return first
