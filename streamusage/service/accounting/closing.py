"""Closes accounting days: when every expected server's watermark is past the day's end, or by an operator.

Days of an account zone close in order, a batch of servers per transaction. A server is expected in a day if it was in
service before the day's end. The age of a day does not matter: a day for which a server still owes figures stays open
until they arrive, or until an operator closes it by name. `settle_ms` is how far past the day's end a watermark must
be: a media server writes the log lines of the day's last seconds a little later, and an agent with that watermark has
read them.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from streamusage.api.daily import CloseResult
from streamusage.core.coverage import Interval
from streamusage.core.days import day_interval, day_of, days_between
from streamusage.service.accounting.chain import extend_chain, is_chain_behind
from streamusage.service.accounting.closed_streams import compute_closings, limit_servers, streams_as_closed
from streamusage.service.accounting.day_statistics import compute_day_statistics, empty_day
from streamusage.service.accounting.hours import find_unsummed, sum_hours
from streamusage.service.accounting.ledger import (
    BY_OPERATOR,
    BY_WATERMARK,
    DISCOVERED_LATE,
    close_day,
    closed_servers,
    closed_until,
    record_adjustments,
    set_closed_until,
)
from streamusage.service.accounting.utc_days import find_unsummed_days, sum_days
from streamusage.service.errors import DayNotOverError, NoServersInDayError, NotAccountZoneError
from streamusage.service.rules.customers import NO_CUSTOMERS, CustomerRules, DayCustomers
from streamusage.service.rules.repair import is_ahead
from streamusage.service.store.coverage_rows import covered_until, load_covered_servers
from streamusage.service.store.schema import audit, servers
from streamusage.service.store.streams.customer_rules import keep_rules

SERVERS_PER_BATCH = 40
"""How many servers one transaction closes a day for: limits how long reports wait for it."""
LATE_DAYS_PER_BATCH = 31
SETTLE_MS = 120_000
"""Default of how far past a day's end every watermark must be before the day closes."""
GRACE_MS = 3_600_000
"""Default of how long after its end an operator may close a day."""


class ExpectedServer(NamedTuple):
    """A server of the estate, as the days that wait for it need it."""

    server: str
    since: int
    watermark: int
    until: int | None = None
    """When it was removed; nothing is expected of it after that."""
    hours_kept_from: int = 0
    """Its hours before this instant are folded to UTC days: a day that needs them can no longer be closed."""

    def ran(self, day: Interval) -> bool:
        """Return whether the server was in service during the day."""
        return self.since < day.to_ms and (self.until is None or self.until > day.from_ms)

    def owes(self, day: Interval, settle_ms: int = 0) -> bool:
        """Return whether the day waits for the server."""
        return self.until is None and self.since < day.to_ms and self.watermark < day.to_ms + settle_ms


class ClosingStep(NamedTuple):
    """The next batch to close in a zone."""

    day: date
    interval: Interval
    names: list[str]
    """Servers whose day is closed in this step."""
    ends: bool
    """Whether this step closes the day for the last of its servers."""


class ClosedDays(NamedTuple):
    """What one step closed, for the log."""

    tz: str
    first: date
    last: date
    servers: int

    def __str__(self) -> str:
        days = f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"
        return f"{days} of {self.tz} for {self.servers} server{'' if self.servers == 1 else 's'}"


class UnclosedDay(NamedTuple):
    """A day of an account zone that is over and not closed for all of its servers."""

    tz: str
    day: date
    ended_at: int
    owing: tuple[str, ...]
    """Servers that it waits for."""


class LateStep(NamedTuple):
    """A server that was discovered after days in which it ran were closed, and some of those days."""

    server: str
    days: list[date]


def expected_servers(connection: Connection, now_ms: int) -> list[ExpectedServer]:
    """Return the servers that ever reported, by name. A watermark in the future counts as the end of the coverage
    before now: until the server is repaired, its days wait for it.
    """
    names = ("server", "since", "watermark", "removed", "removed_at", "hours_kept_from")
    columns = [servers.c[name] for name in names]
    query = select(*columns).where(servers.c.epoch > 0, servers.c.since.is_not(None)).order_by(servers.c.server)
    expected = []
    for row in connection.execute(query).all():
        watermark = row.watermark or row.since
        if is_ahead(watermark, now_ms):
            watermark = covered_until(connection, row.server, now_ms) or row.since
        until = row.removed_at if row.removed else None
        expected.append(ExpectedServer(row.server, row.since, watermark, until, row.hours_kept_from))
    return expected


def servers_owing(expected: Sequence[ExpectedServer], day: Interval, settle_ms: int = 0) -> list[str]:
    """Return the servers that owe or may owe figures of the day: their watermark is not `settle_ms` past its end."""
    return [item.server for item in expected if item.owes(day, settle_ms)]


def is_accounting_due(connection: Connection, zones: Sequence[ZoneInfo], now_ms: int, settle_ms: int = 0) -> bool:
    """Return whether there is an hour or a UTC day to sum, an entry of the chain missing, or a day to close."""
    if find_unsummed(connection) or is_chain_behind(connection):
        return True
    expected = expected_servers(connection, now_ms)
    if any(_step(connection, tz, expected, now_ms, settle_ms) for tz in zones):
        return True
    return bool(find_unsummed_days(connection))


def days_due(
    connection: Connection, zones: Sequence[ZoneInfo], now_ms: int, settle_ms: int = 0
) -> list[tuple[date, str]]:
    """Return the first day of each zone that could be closed now, with the zone's name."""
    expected = expected_servers(connection, now_ms)
    steps = ((tz, _step(connection, tz, expected, now_ms, settle_ms)) for tz in zones)
    return [(step.day, tz.key) for tz, step in steps if isinstance(step, ClosingStep)]


def unclosed_days(
    connection: Connection, zones: Sequence[ZoneInfo], now_ms: int, settle_ms: int, limit: int
) -> list[UnclosedDay]:
    """Return the days that are over and not closed, the first ones of each zone."""
    expected = expected_servers(connection, now_ms)
    found = []
    for tz in zones:
        starts = (closed_until(connection, tz), min((item.since for item in expected), default=None))
        start = next((at for at in starts if at is not None), None)
        if start is None or start >= now_ms:
            continue
        day = _first_closable(day_of(start, tz), tz, expected)
        for _ in range(limit):
            interval = day_interval(day, tz)
            if interval.to_ms > now_ms:
                break
            closed = closed_servers(connection, tz, day)
            owing = tuple(name for name in servers_owing(expected, interval, settle_ms) if name not in closed)
            found.append(UnclosedDay(tz.key, day, interval.to_ms, owing))
            day += timedelta(days=1)
    return found


def advance_accounting(
    connection: Connection,
    zones: Sequence[ZoneInfo],
    now_ms: int,
    settle_ms: int = 0,
    customers: CustomerRules = NO_CUSTOMERS,
) -> list[ClosedDays]:
    """Do the next batch of work and return what was closed: sum hours, or extend the chain, or close days in each zone,
    or else sum UTC days. Call it again while `is_accounting_due`.
    """
    behind = find_unsummed(connection)
    if behind:
        sum_hours(connection, behind)
        return []
    if is_chain_behind(connection):
        extend_chain(connection, now_ms)
        return []
    closed = []
    is_closing = False
    expected = expected_servers(connection, now_ms)
    for tz in zones:
        step = _step(connection, tz, expected, now_ms, settle_ms)
        is_closing = is_closing or step is not None
        match step:
            case ClosingStep():
                _close(connection, tz, step.day, step.interval, step.names, BY_WATERMARK, "", now_ms, customers)
                if step.ends:
                    set_closed_until(connection, tz, step.interval.to_ms)
                closed.append(ClosedDays(tz.key, step.day, step.day, len(step.names)))
            case LateStep():
                _close_late(connection, tz, step, now_ms, customers)
                if step.days:
                    closed.append(ClosedDays(tz.key, step.days[0], step.days[-1], 1))
    if not is_closing:
        sum_days(connection, find_unsummed_days(connection))
    return closed


def close_day_by_operator(
    connection: Connection,
    zones: Sequence[ZoneInfo],
    tz: ZoneInfo,
    day: date,
    server: str | None,
    actor: str,
    grace_ms: int,
    now_ms: int,
    customers: CustomerRules = NO_CUSTOMERS,
) -> CloseResult:
    """Close a day with the figures that are stored, for one server or for all.

    Raises `NotAccountZoneError`, `DayNotOverError` or `NoServersInDayError`; nothing is closed then.
    """
    if tz.key not in {known.key for known in zones}:
        known = ", ".join(known.key for known in zones)
        raise NotAccountZoneError(
            f"{tz.key} is not an account zone of this service ({known}); nothing was closed: "
            f"start the service with --account-zone {tz.key}"
        )
    interval = day_interval(day, tz)
    if now_ms < interval.to_ms + grace_ms:
        minutes = -(-(interval.to_ms + grace_ms - now_ms) // 60_000)
        raise DayNotOverError(
            f"{day} of {tz.key} stays open: an operator can close it in {minutes} min at the earliest"
        )
    ran = [item for item in expected_servers(connection, now_ms) if item.ran(interval)]
    names = [item.server for item in ran if server in (None, item.server)]
    already = closed_servers(connection, tz, day)
    if not names and not (already if server is None else server in already):
        whom = f"the server {server}" if server is not None else "any server"
        raise NoServersInDayError(f"no figures of {whom} on {day} of {tz.key}; nothing was closed")
    names = [name for name in names if name not in already]
    owing = set(servers_owing(ran, interval))
    _close(connection, tz, day, interval, names, BY_OPERATOR, actor, now_ms, customers)
    return CloseResult(
        now=now_ms,
        day=day.isoformat(),
        tz=tz.key,
        closed=names,
        owing=[name for name in names if name in owing],
        already_closed=len(already) if server is None else int(server in already),
    )


def _step(
    connection: Connection, tz: ZoneInfo, expected: Sequence[ExpectedServer], now_ms: int, settle_ms: int
) -> ClosingStep | LateStep | None:
    upto = closed_until(connection, tz)
    began = min((item.since for item in expected), default=upto)
    if began is None:
        # An estate of imported records only: its days begin with the first import.
        began = connection.execute(select(func.min(audit.c.at))).scalar()
    if began is None or began >= now_ms:
        return None
    if upto is not None and (late := _late_step(connection, tz, expected, upto, now_ms)):
        return late
    day = _first_closable(day_of(began if upto is None else upto, tz), tz, expected)
    interval = day_interval(day, tz)
    if interval.to_ms > now_ms:
        return None
    closed = closed_servers(connection, tz, day)
    if not closed.issuperset(servers_owing(expected, interval, settle_ms)):
        return None
    names = [item.server for item in expected if item.ran(interval) and item.server not in closed]
    chosen = limit_servers(connection, names[:SERVERS_PER_BATCH], interval)
    return ClosingStep(day, interval, chosen, ends=len(chosen) == len(names))


def _first_closable(day: date, tz: ZoneInfo, expected: Sequence[ExpectedServer]) -> date:
    """Return the day, or the first one after it of which all hours are kept: an account zone that is added later begins
    with that.
    """
    kept_from = max((item.hours_kept_from for item in expected), default=0)
    if day_interval(day, tz).from_ms >= kept_from:
        return day
    first = day_of(kept_from, tz)
    return first if day_interval(first, tz).from_ms >= kept_from else first + timedelta(days=1)


def _late_step(
    connection: Connection, tz: ZoneInfo, expected: Sequence[ExpectedServer], upto: int, now_ms: int
) -> LateStep | None:
    last = day_of(min(upto, now_ms) - 1, tz)
    if day_interval(last, tz).to_ms > now_ms:  # an earlier version closed days in advance, with its clock ahead
        last -= timedelta(days=1)
    known = closed_servers(connection, tz, last)
    interval = day_interval(last, tz)
    missing = (item for item in expected if item.ran(interval) and item.server not in known)
    late = next((item for item in missing if item.hours_kept_from <= interval.from_ms), None)
    if late is None:
        return None
    first = _first_closable(day_of(late.since, tz), tz, [late])
    open_days = (
        day
        for day in days_between(first, last)
        if day_interval(day, tz).length_ms and late.server not in closed_servers(connection, tz, day)
    )
    return LateStep(late.server, [day for _, day in zip(range(LATE_DAYS_PER_BATCH), open_days, strict=False)])


def _close(
    connection: Connection,
    tz: ZoneInfo,
    day: date,
    interval: Interval,
    names: Sequence[str],
    rule: str,
    closed_by: str,
    now_ms: int,
    customers: CustomerRules,
) -> None:
    items = load_covered_servers(connection, *interval, now_ms, list(names))
    of_day = _rules_of(connection, customers, day)
    close_day(
        connection,
        tz,
        day,
        interval,
        compute_day_statistics(connection, items, interval),
        compute_closings(connection, items, interval, of_day),
        rule=rule,
        closed_by=closed_by,
        watermarks={item.state.server: item.state.watermark for item in items},
        now_ms=now_ms,
    )


def _close_late(connection: Connection, tz: ZoneInfo, step: LateStep, now_ms: int, customers: CustomerRules) -> None:
    for day in step.days:
        interval = day_interval(day, tz)
        figures = {step.server: empty_day(interval)}
        of_day = _rules_of(connection, customers, day)
        nothing = {step.server: streams_as_closed({}, of_day)}
        close_day(
            connection,
            tz,
            day,
            interval,
            figures,
            nothing,
            rule=DISCOVERED_LATE,
            closed_by="",
            watermarks={},
            now_ms=now_ms,
        )
        record_adjustments(connection, step.server, interval, now_ms)


def _rules_of(connection: Connection, customers: CustomerRules, day: date) -> DayCustomers:
    """Return the rules of a day that is closed, and keep them with its closing."""
    of_day = customers.of_day(day)
    if of_day:
        keep_rules(connection, of_day)
    return of_day
