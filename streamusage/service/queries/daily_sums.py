"""Daily statistics added up by server, role or the whole estate, one row per day or month.

Closed days count as they were closed. Counts, traffic and view time add up. The peak of one server is the highest of
its days; of several servers it is the highest minute of their combined traffic, never a sum of peaks. The percentile
is taken of the five-minute samples of the whole row; a combined sample counts if no server that ran has a gap in it.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from zoneinfo import ZoneInfo

from msgspec import UNSET
from sqlalchemy import Connection, select

from streamusage.api.daily import (
    BackfilledPart,
    CoveredTime,
    DailySums,
    DayState,
    SummedStatistics,
    VoidEntry,
    summarize_voids,
)
from streamusage.core.days import day_interval
from streamusage.core.figures import SUM_NAMES
from streamusage.service.queries.daily import ServerDay, iterate_days
from streamusage.service.rules.combined_traffic import CombinedTraffic, combine_traffic
from streamusage.service.rules.percentile import percentile_of
from streamusage.service.rules.rollups import RollupPeak, higher_peak, round_to_quarters
from streamusage.service.store.schema import servers

BY = ("day", "month")
GROUPS = ("server", "role", "all")
_WORST_FIRST: tuple[DayState, ...] = ("provisional", "adjusted", "final")


class _Row:
    """A sum under construction; days are added one after the other."""

    def __init__(self, period: str, group: str) -> None:
        self.period, self.group = period, group
        self.days: list[date] = []
        self.servers: set[str] = set()
        self.states: set[DayState] = set()
        self.waiting_for: set[str] = set()
        self.sums = dict.fromkeys(SUM_NAMES, 0)
        self.by_protocol: dict[str, int] = {}
        self.coverage = dict.fromkeys(CoveredTime.__struct_fields__, 0)
        self.backfilled = dict.fromkeys(SUM_NAMES, 0)
        self.adjustment: dict[str, int] | None = None
        self.peak_in: RollupPeak | None = None
        self.peak_out: RollupPeak | None = None
        self.samples_in: list[int] = []
        self.samples_out: list[int] = []
        self.expected_samples = 0
        self.voids: list[VoidEntry] = []

    def add(self, day: date, members: Sequence[ServerDay], tz: ZoneInfo) -> None:
        self.days.append(day)
        for member in members:
            statistics = member.statistics
            self.servers.add(statistics.server)
            self.states.add(statistics.state)
            self.waiting_for.update(statistics.waiting_for)
            self.voids += statistics.voids or ()
            _add(self.sums, statistics)
            for protocol, count in statistics.connections_by_protocol.items():
                self.by_protocol[protocol] = self.by_protocol.get(protocol, 0) + count
            _add(self.coverage, statistics.coverage)
            _add(self.backfilled, statistics.backfilled)
            if statistics.adjustment is not None:
                self.adjustment = self.adjustment or dict.fromkeys(SUM_NAMES, 0)
                _add(self.adjustment, statistics.adjustment)
        combined = _combine(members, day, tz)
        self.peak_in = higher_peak(self.peak_in, combined.peak_in)
        self.peak_out = higher_peak(self.peak_out, combined.peak_out)
        self.samples_in += combined.samples_in
        self.samples_out += combined.samples_out
        self.expected_samples += combined.expected

    def total(self, tz: ZoneInfo) -> SummedStatistics:
        connections = self.sums["connections"]
        return SummedStatistics(
            group=self.group,
            period=self.period,
            first_day=min(self.days).isoformat(),
            last_day=max(self.days).isoformat(),
            tz=tz.key,
            state=next(state for state in _WORST_FIRST if state in self.states),
            days=len(self.days),
            servers=len(self.servers),
            **self.sums,
            connections_by_protocol=dict(sorted(self.by_protocol.items())),
            peak_in_bps=self.peak_in[0] if self.peak_in else 0,
            peak_in_at=self.peak_in[1] if self.peak_in else None,
            peak_out_bps=self.peak_out[0] if self.peak_out else 0,
            peak_out_at=self.peak_out[1] if self.peak_out else None,
            average_view_time_ms=self.sums["view_time_ms"] // connections if connections else None,
            percentile_95=percentile_of(self.samples_in, self.samples_out, self.expected_samples),
            coverage=CoveredTime(**self.coverage),
            backfilled=BackfilledPart(**self.backfilled),
            adjustment=None if self.adjustment is None else BackfilledPart(**self.adjustment),
            waiting_for=sorted(self.waiting_for),
            voids=summarize_voids(self.voids) or UNSET,
        )


def list_daily_sums(
    connection: Connection,
    first: date,
    last: date,
    tz: ZoneInfo,
    now_ms: int,
    server: str | None,
    account_zones: Collection[str],
    by: str,
    group: str,
    settle_ms: int = 0,
) -> DailySums:
    """Return the sums, by period and group."""
    roles = dict(connection.execute(select(servers.c.server, servers.c.role)).all())
    rows: dict[tuple[str, str], _Row] = {}
    days = iterate_days(connection, first, last, tz, now_ms, server, account_zones, settle_ms, with_samples=True)
    for day, members in _by_day(days):
        period = day.isoformat() if by == "day" else day.isoformat()[:7]
        groups: dict[str, list[ServerDay]] = {}
        for member in members:
            groups.setdefault(_group(member.statistics.server, group, roles), []).append(member)
        for name, of_group in groups.items():
            rows.setdefault((period, name), _Row(period, name)).add(day, of_group, tz)
    sums = [row.total(tz) for _, row in sorted(rows.items())]
    return DailySums(now=now_ms, account_zones=list(account_zones), sums=sums)


def _group(server: str, group: str, roles: dict[str, str]) -> str:
    if group == "server":
        return server
    return "all" if group == "all" else roles.get(server, "unknown")


def _by_day(days: Iterable[ServerDay]) -> Iterable[tuple[date, list[ServerDay]]]:
    members: list[ServerDay] = []
    for item in days:
        if members and members[0].day != item.day:
            yield members[0].day, members
            members = []
        members.append(item)
    if members:
        yield members[0].day, members


def _combine(members: Sequence[ServerDay], day: date, tz: ZoneInfo) -> CombinedTraffic:
    known = [member.samples for member in members if member.samples is not None]
    interval = round_to_quarters(day_interval(day, tz))
    combined = combine_traffic([samples.minutes for samples in known], [samples.flags for samples in known], interval)
    if len(members) > 1:
        return combined
    statistics = members[0].statistics
    return combined._replace(
        peak_in=_rollup_peak(statistics.peak_in_bps, statistics.peak_in_at),
        peak_out=_rollup_peak(statistics.peak_out_bps, statistics.peak_out_at),
    )


def _rollup_peak(bps: int | None, at: int | None) -> RollupPeak | None:
    return None if bps is None or at is None else (bps, at)


def _add(sums: dict[str, int], more: object) -> None:
    """Add the fields of the same names."""
    for name in sums:
        sums[name] += getattr(more, name)
