"""Daily statistics added up by server, role, the whole estate, stream, scope or customer, one row per day or month.

Closed days count as they were closed. The peak of one server is the highest of its days; of several servers, and of
streams, it is the highest minute of their combined traffic, never a sum of peaks. A combined sample counts if no server
that ran has a gap in it.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from typing import get_args
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from streamusage.api.daily import DailySums, SumGroup, SummedStatistics
from streamusage.core.days import day_interval
from streamusage.core.figures import SUM_NAMES
from streamusage.service.queries.daily import ServerDay, iterate_days
from streamusage.service.queries.daily_streams import STREAM_GROUPS, StreamGrouping, group_streams
from streamusage.service.queries.sum_rows import GroupDay, SumRow, sum_of_fields
from streamusage.service.rules.combined_traffic import CombinedTraffic, combine_traffic
from streamusage.service.rules.customers import NO_CUSTOMERS, CustomerRules
from streamusage.service.rules.rollups import RollupPeak, round_to_quarters
from streamusage.service.store.schema import servers

BY = ("day", "month")
GROUPS: tuple[str, ...] = get_args(SumGroup)
_LONGEST_DAYS = {"day": 1, "month": 31}
GroupKey = tuple[int, str]
"""Place of a group: what is not by stream comes after all others, whatever these are called."""


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
    customers: CustomerRules = NO_CUSTOMERS,
    only_customer: str | None = None,
) -> DailySums:
    """Return the sums, by period and group. Those of one customer only are by a group of streams.

    `customers` are the present rules, which apply to days that are not closed.
    """
    grouping = StreamGrouping(group, customers, only_customer)
    roles = dict(connection.execute(select(servers.c.server, servers.c.role)).all())
    days = iterate_days(connection, first, last, tz, now_ms, server, account_zones, settle_ms, with_samples=True)
    sums: list[SummedStatistics] = []
    rows: dict[GroupKey, SumRow] = {}
    before = ""
    for day, members in _by_day(days):
        period = day.isoformat() if by == "day" else day.isoformat()[:7]
        if period != before:
            sums += _totals(rows, tz)
            rows, before = {}, period
        for key, part in _groups(connection, day, members, tz, grouping, roles):
            if key not in rows:
                rows[key] = SumRow(period, key[1], _LONGEST_DAYS[by])
            rows[key].add(day, part)
    sums += _totals(rows, tz)
    return DailySums(now=now_ms, account_zones=list(account_zones), sums=sums)


def _totals(rows: dict[GroupKey, SumRow], tz: ZoneInfo) -> list[SummedStatistics]:
    return [row.total(tz) for _, row in sorted(rows.items())]


def _groups(
    connection: Connection,
    day: date,
    members: Sequence[ServerDay],
    tz: ZoneInfo,
    grouping: StreamGrouping,
    roles: dict[str, str],
) -> Iterable[tuple[GroupKey, GroupDay]]:
    if grouping.by in STREAM_GROUPS:
        return group_streams(connection, day, members, tz, grouping)
    by_name: dict[str, list[ServerDay]] = {}
    for member in members:
        by_name.setdefault(_group_of_server(member.statistics.server, grouping.by, roles), []).append(member)
    return (((0, name), _day_of_servers(of_group, day, tz)) for name, of_group in by_name.items())


def _group_of_server(server: str, group: str, roles: dict[str, str]) -> str:
    if group == "server":
        return server
    return "all" if group == "all" else roles.get(server, "unknown")


def _by_day(days: Iterable[ServerDay]) -> Iterator[tuple[date, list[ServerDay]]]:
    members: list[ServerDay] = []
    for item in days:
        if members and members[0].day != item.day:
            yield members[0].day, members
            members = []
        members.append(item)
    if members:
        yield members[0].day, members


def _day_of_servers(members: Sequence[ServerDay], day: date, tz: ZoneInfo) -> GroupDay:
    statistics = [member.statistics for member in members]
    adjusted = [row.adjustment for row in statistics if row.adjustment is not None]
    protocols: dict[str, int] = {}
    for row in statistics:
        for protocol, count in row.connections_by_protocol.items():
            protocols[protocol] = protocols.get(protocol, 0) + count
    return GroupDay(
        servers=statistics,
        sums=sum_of_fields(SUM_NAMES, statistics),
        backfilled=sum_of_fields(SUM_NAMES, [row.backfilled for row in statistics]),
        by_protocol=protocols,
        adjustment=sum_of_fields(SUM_NAMES, adjusted) if adjusted else None,
        traffic=None,
        combined=_combine(members, day, tz),
    )


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
