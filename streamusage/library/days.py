"""Accounting days of servers, and sums of them. Pure.

    | day                                                | `bytes_out` of 5 | average and percentile |
    |----------------------------------------------------|------------------|------------------------|
    | final, all of its time live or backfilled          | `Exact(5)`       | `Exact`                |
    | final, some of its time partial, missing or lost   | `AtLeast(5)`     | `Estimate`             |
    | provisional: it is not over, or figures are owed   | `AtLeast(5)`     | `Estimate`             |
    | adjusted: figures arrived after it was closed      | `AtLeast(5)`     | `Estimate`             |
    | with what arrived later (`adjusted_figures`)       | as a final day   | as a final day         |

Sums by stream divide the traffic of a server: where it is apportioned by view time the bytes are an `Estimate`, where
the server's traffic is not known by stream at all they are `Unknown`. What the streams leave of their servers is an
`Estimate` until all of its time is known and closed: it falls where units become known by stream later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from msgspec import UNSET, UnsetType

from streamusage.api.daily import (
    Closed,
    CoveredTime,
    DailyFigures,
    DailyStatistics,
    DayState,
    Percentile,
    SummedStatistics,
)
from streamusage.api.disagreements import Disagreement
from streamusage.core.coverage import Provenance, worst
from streamusage.core.figures import NOT_BY_STREAM, StreamTraffic
from streamusage.library.instants import optional_datetime
from streamusage.library.quantities import COMPLETE, Estimate, Quantity, Unknown, mean_of, sum_of


@dataclass(frozen=True, slots=True)
class UsageFigures:
    """The figures of a day or of a sum of days."""

    connections: Quantity
    connections_by_protocol: Mapping[str, Quantity]
    bytes_in: Quantity
    bytes_out: Quantity
    view_time_ms: Quantity
    average_view_time_ms: Quantity
    peak_in_bps: Quantity
    peak_in_at: datetime | None
    peak_out_bps: Quantity
    peak_out_at: datetime | None
    percentile_95_in_bps: Quantity
    """95th percentile of the bandwidth over five-minute averages."""
    percentile_95_out_bps: Quantity
    coverage: CoveredTime
    """How much of the time has each provenance, in milliseconds."""
    provenance: Provenance | None
    """The worst state of the time; `None` where no time is accounted for."""

    @property
    def is_complete(self) -> bool:
        """Whether all of the time is live or backfilled."""
        return self.provenance in COMPLETE


@dataclass(frozen=True, slots=True)
class AccountingDay:
    """A day of one server in a time zone."""

    server: str
    day: date
    tz: str
    state: DayState
    """`provisional`, `final`, or `adjusted`: figures arrived after it was closed."""
    figures: UsageFigures
    """Of a closed day those at its closing, which may be billed."""
    adjusted_figures: UsageFigures | None
    """The figures with everything that arrived after the closing; `None` if nothing did."""
    closed: Closed | None
    """When and how it was closed; `None` for an open day, and in a zone whose days the service does not close."""
    waiting_for: tuple[str, ...]
    """Servers whose figures an open day waits for."""
    disagreements: tuple[Disagreement, ...]
    """Hours whose figures were counted in two ways and differ."""

    @property
    def newest(self) -> UsageFigures:
        """The figures with everything that is known now."""
        return self.adjusted_figures or self.figures


@dataclass(frozen=True, slots=True)
class PeriodSum:
    """Days of a group of servers or streams, added up for a day or a month."""

    group: str
    """A server, a role, `all`, a stream as `scope/name`, a scope or a customer."""
    period: str
    """`2026-11-21` or `2026-11`."""
    first_day: date
    last_day: date
    tz: str
    state: DayState
    days: int
    servers: int
    figures: UsageFigures
    traffic: StreamTraffic | None
    """How the bytes of streams are known; `None` for servers."""
    waiting_for: tuple[str, ...]


def day_of_statistics(day: DailyStatistics) -> AccountingDay:
    """Return the day of an answer."""
    late = day.adjustment
    return AccountingDay(
        server=day.server,
        day=date.fromisoformat(day.day),
        tz=day.tz,
        state=day.state,
        figures=_figures_of(day, is_closed=day.state == "final"),
        adjusted_figures=None if late is None else _figures_of(late.figures, is_closed=True),
        closed=day.closed,
        waiting_for=tuple(day.waiting_for),
        disagreements=() if day.disagreements is UNSET else tuple(day.disagreements),
    )


def sum_of_statistics(row: SummedStatistics) -> PeriodSum:
    """Return the sum of an answer."""
    is_rest = row.group == NOT_BY_STREAM
    return PeriodSum(
        group=row.group,
        period=row.period,
        first_day=date.fromisoformat(row.first_day),
        last_day=date.fromisoformat(row.last_day),
        tz=row.tz,
        state=row.state,
        days=row.days,
        servers=row.servers,
        figures=_figures_of(row, is_closed=row.state == "final", traffic=row.traffic, may_fall=is_rest),
        traffic=None if row.traffic is UNSET else row.traffic,
        waiting_for=tuple(row.waiting_for),
    )


def worst_of_coverage(coverage: CoveredTime) -> Provenance | None:
    """Return the worst state that some of the time has; `None` where there is no time."""
    return worst(state for state in Provenance if getattr(coverage, f"{state}_ms"))


def _figures_of(
    row: DailyStatistics | DailyFigures | SummedStatistics,
    *,
    is_closed: bool,
    traffic: StreamTraffic | UnsetType = UNSET,
    may_fall: bool = False,
) -> UsageFigures:
    """`may_fall`: what arrives later may lower the sums."""
    provenance = worst_of_coverage(row.coverage)
    percentile = row.percentile_95 or Percentile()

    def whole(value: int | None) -> Quantity:
        return (mean_of if may_fall else sum_of)(value, provenance, is_complete=is_closed)

    def of_bytes(value: int | None) -> Quantity:
        if traffic == "none":
            return Unknown(provenance)
        known = whole(value)
        return Estimate(known.known, provenance) if traffic == "apportioned" and known.known is not None else known

    def of_percentile(value: int | None) -> Quantity:
        known = mean_of(value, provenance, is_complete=is_closed and percentile.rests_on_all)
        return of_bytes(value) if traffic not in (UNSET, "measured") else known

    average = row.average_view_time_ms
    return UsageFigures(
        connections=whole(row.connections),
        connections_by_protocol={name: whole(count) for name, count in sorted(row.connections_by_protocol.items())},
        bytes_in=of_bytes(row.bytes_in),
        bytes_out=of_bytes(row.bytes_out),
        view_time_ms=whole(row.view_time_ms),
        average_view_time_ms=mean_of(None if average is None else round(average), provenance, is_complete=is_closed),
        peak_in_bps=of_bytes(row.peak_in_bps),
        peak_in_at=optional_datetime(row.peak_in_at),
        peak_out_bps=of_bytes(row.peak_out_bps),
        peak_out_at=optional_datetime(row.peak_out_at),
        percentile_95_in_bps=of_percentile(percentile.in_bps),
        percentile_95_out_bps=of_percentile(percentile.out_bps),
        coverage=row.coverage,
        provenance=provenance,
    )
