"""A day of an estate by stream, scope or customer: each group of streams over all servers, and what is in none.

All groups of a day sum to the figures of its servers. A closed day counts with the figures by stream of its closing;
what changed since is the adjustment of each group. The customers of a closed day are those of its closing, too: rules
that change later do not change it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from streamusage.api.daily import DailyStatistics
from streamusage.core.coverage import SLOT_MS, Interval
from streamusage.core.days import day_interval
from streamusage.core.figures import NO_CUSTOMER, NOT_BY_STREAM, STREAM_SUM_NAMES, StreamTraffic, least_exact
from streamusage.core.usage import StreamId, stream_text
from streamusage.service.accounting.closed_streams import ClosedStreams, load_closed_streams
from streamusage.service.accounting.stream_days import load_stream_days
from streamusage.service.queries.daily import ServerDay
from streamusage.service.queries.sum_rows import GroupDay
from streamusage.service.rules.combined_traffic import combine_traffic
from streamusage.service.rules.customers import CustomerRules, DayCustomers
from streamusage.service.rules.rollups import MinuteTraffic, round_to_quarters
from streamusage.service.rules.stream_days import StreamDay, rest_of
from streamusage.service.rules.stream_hours import FIGURE_NAMES
from streamusage.service.store.schema import servers
from streamusage.service.store.streams.customer_rules import load_rules

STREAM_GROUPS = ("stream", "scope", "customer")
WITHOUT_CUSTOMER = (1, NO_CUSTOMER)
"""Key of the streams of no customer."""
LEFT_OVER = (2, NOT_BY_STREAM)
"""Key of what the streams leave of their servers' figures. The number keeps it apart from a scope of that name."""
_SERVERS_AT_A_TIME = 50
"""How many servers are read at once: 600 streams with their minutes take 14 MB."""
_SUMS = len(STREAM_SUM_NAMES)
_LANE = 8


class _Group:
    """A group under construction; parts of servers are added one after the other."""

    def __init__(self) -> None:
        self._servers: dict[str, ServerDay] = {}
        self._sums = [0] * len(FIGURE_NAMES)
        self._adjustment: list[int] | None = None
        self._traffic: StreamTraffic | None = None
        self._minutes_in = self._minutes_out = 0  # packed minutes as one long number each

    def add(self, member: ServerDay, part: StreamDay, moved: Sequence[int] | None) -> None:
        """Add the part of a server, and by how much its sums changed since the closing."""
        self._servers[member.statistics.server] = member
        self._sums = list(map(int.__add__, self._sums, part.sums))
        if moved is not None:
            self._adjustment = list(map(int.__add__, self._adjustment or [0] * _SUMS, moved))
        if part.traffic is not None:
            self._traffic = part.traffic if self._traffic is None else least_exact(self._traffic, part.traffic)
        self._minutes_in += int.from_bytes(part.minutes.bytes_in, "little")
        self._minutes_out += int.from_bytes(part.minutes.bytes_out, "little")

    def total(self, interval: Interval) -> GroupDay:
        """Return the day of the group. The ends of the interval are at quarters."""
        length = interval.length_ms // SLOT_MS * _LANE
        packed = (self._minutes_in.to_bytes(length, "little"), self._minutes_out.to_bytes(length, "little"))
        members = list(self._servers.values())
        flags = list({member.samples.flags for member in members if member.samples is not None})
        return GroupDay(
            servers=[member.statistics for member in members],
            sums=dict(zip(STREAM_SUM_NAMES, self._sums[:_SUMS], strict=True)),
            backfilled=dict(zip(STREAM_SUM_NAMES, self._sums[_SUMS:], strict=True)),
            by_protocol={},
            adjustment=None if self._adjustment is None else dict(zip(STREAM_SUM_NAMES, self._adjustment, strict=True)),
            traffic=self._traffic,
            combined=combine_traffic([MinuteTraffic(*packed)], flags, interval),
        )


class StreamGrouping(NamedTuple):
    """How the streams of a day are grouped."""

    by: str
    """One of `STREAM_GROUPS`."""
    customers: CustomerRules
    """The present rules, for days that are not closed."""
    only_customer: str | None
    """The customer whose streams are wanted alone; `None` for all, and for what is not by stream."""

    @property
    def needs_customers(self) -> bool:
        """Whether the customer of each stream matters."""
        return self.by == "customer" or self.only_customer is not None

    def key_of(self, stream: StreamId, customer: str | None) -> tuple[int, str]:
        """Return the key of the group of a stream."""
        if self.by == "customer":
            return WITHOUT_CUSTOMER if customer is None else (0, customer)
        return 0, stream_text(stream) if self.by == "stream" else stream.scope


class _MemberStreams(NamedTuple):
    """A server's day by stream, and the customers of the streams."""

    streams: ClosedStreams
    customers: DayCustomers


def group_streams(
    connection: Connection, day: date, members: Sequence[ServerDay], tz: ZoneInfo, grouping: StreamGrouping
) -> Iterator[tuple[tuple[int, str], GroupDay]]:
    """Yield the groups of a day with their keys: 0 and the name of a group, `WITHOUT_CUSTOMER` or `LEFT_OVER`."""
    interval = round_to_quarters(day_interval(day, tz))
    groups: dict[tuple[int, str], _Group] = {}
    for start in range(0, len(members), _SERVERS_AT_A_TIME):
        some = members[start : start + _SERVERS_AT_A_TIME]
        loaded = _load(connection, day, some, tz, grouping.customers)
        for member in some:
            for key, part, moved in _parts(member, loaded[member.statistics.server], grouping):
                groups.setdefault(key, _Group()).add(member, part, moved)
    while groups:
        key, of_group = groups.popitem()
        yield key, of_group.total(interval)


def _load(
    connection: Connection, day: date, members: Sequence[ServerDay], tz: ZoneInfo, customers: CustomerRules
) -> Mapping[str, _MemberStreams]:
    """Return the streams and customers of these servers: those of their closing, or present ones."""
    names = [member.statistics.server for member in members]
    revisions = [row.closed.revision for row in (member.statistics for member in members) if row.closed is not None]
    loaded = {name: ClosedStreams({}, None, None) for name in names}  # closed without figures by stream
    if revisions:
        loaded |= load_closed_streams(connection, tz, day, revisions)
    still_open = [member.statistics.server for member in members if member.statistics.closed is None]
    if still_open:
        query = select(servers.c.server, servers.c.summed_to).where(servers.c.server.in_(still_open))
        summed_to = dict(connection.execute(query).all())
        present = load_stream_days(connection, summed_to, day_interval(day, tz), with_minutes=True)
        loaded |= {name: ClosedStreams(streams, None, None) for name, streams in present.items()}
    rules = load_rules(connection, {streams.rules for streams in loaded.values() if streams.rules is not None})
    by_server = dict.fromkeys(names, DayCustomers(())) | dict.fromkeys(still_open, customers.of_day(day))
    by_server |= {name: rules[found.rules] for name, found in loaded.items() if found.rules in rules}
    return {name: _MemberStreams(loaded[name], by_server[name]) for name in names}


def _parts(
    member: ServerDay, of_server: _MemberStreams, grouping: StreamGrouping
) -> Iterator[tuple[tuple[int, str], StreamDay, list[int] | None]]:
    """Yield key, figures and later changes of each stream of a server, and of what is not by stream."""
    statistics, (streams, current, _) = member.statistics, of_server.streams
    is_adjusted = statistics.adjustment is not None or current is not None
    now = streams if current is None else current
    nothing = MinuteTraffic(b"", b"")
    moved_in_all = [0] * _SUMS
    for stream in sorted({*streams, *now}):
        customer = of_server.customers.customer_of(stream) if grouping.needs_customers else None
        closed, present = streams.get(stream), now.get(stream)
        moved = None
        if is_adjusted:
            moved = [after - before for after, before in zip(_sums(present), _sums(closed), strict=True)]
            moved_in_all = list(map(int.__add__, moved_in_all, moved))
        traffic = present.traffic if closed is None and present is not None else None
        part = closed or StreamDay(traffic, (0,) * len(FIGURE_NAMES), nothing)
        if grouping.only_customer in (None, customer):
            yield grouping.key_of(stream, customer), part, moved
    if grouping.only_customer is not None:
        return
    minutes = nothing if member.samples is None else member.samples.minutes
    rest = rest_of(_figures(statistics), minutes, streams)
    moved = None
    if is_adjusted:
        whole = statistics.adjustment
        changed = [0 if whole is None else getattr(whole, name) for name in STREAM_SUM_NAMES]
        moved = [total - part for total, part in zip(changed, moved_in_all, strict=True)]
    if any(rest.sums) or not streams or (moved is not None and any(moved)):
        yield LEFT_OVER, rest, moved


def _sums(part: StreamDay | None) -> tuple[int, ...]:
    return (0,) * _SUMS if part is None else part.sums[:_SUMS]


def _figures(statistics: DailyStatistics) -> list[int]:
    """Return the sums of a server's day in the order of `FIGURE_NAMES`."""
    return [getattr(part, name) for part in (statistics, statistics.backfilled) for name in STREAM_SUM_NAMES]
