"""Daily statistics in any time zone: closed days as they were closed, open ones from the rows stored now."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec.structs import asdict, replace
from sqlalchemy import Connection

from streamusage.api.daily import Daily, DailyFigures, DailyStatistics, DayDifference, VoidEntry
from streamusage.api.disagreements import Disagreement
from streamusage.core.coverage import Interval
from streamusage.core.days import day_interval, day_of, days_between
from streamusage.service.accounting.closing import ExpectedServer, expected_servers, servers_owing
from streamusage.service.accounting.corrections import approved_by_day
from streamusage.service.accounting.day_statistics import DaySamples, StoredDays, compute_day_statistics
from streamusage.service.accounting.disagreements import load_disagreements
from streamusage.service.accounting.ledger import ClosedDay, closed_until, list_voids, load_closed_days
from streamusage.service.store.change_feed import SLOTS_KEPT_FROM, read_counter
from streamusage.service.store.coverage_rows import load_covered_servers


class ServerDay(NamedTuple):
    """One server's day and its samples; it has samples only if they were requested."""

    day: date
    statistics: DailyStatistics
    samples: DaySamples | None


def list_daily_statistics(
    connection: Connection,
    first: date,
    last: date,
    tz: ZoneInfo,
    now_ms: int,
    server: str | None,
    account_zones: Collection[str] = (),
    settle_ms: int = 0,
) -> Daily:
    """Return the servers' days, by day and server; only days in which a server ran."""
    days = iterate_days(connection, first, last, tz, now_ms, server, account_zones, settle_ms)
    return Daily(
        now=now_ms,
        account_zones=list(account_zones),
        closed_to=closed_until(connection, tz) if tz.key in account_zones else None,
        days=[item.statistics for item in days],
    )


def iterate_days(
    connection: Connection,
    first: date,
    last: date,
    tz: ZoneInfo,
    now_ms: int,
    server: str | None,
    account_zones: Collection[str],
    settle_ms: int,
    *,
    with_samples: bool = False,
) -> Iterator[ServerDay]:
    """Yield the servers' days, by day and server. Each is computed when it is reached."""
    only = None if server is None else [server]
    expected = expected_servers(connection, now_ms)
    kept_from = read_counter(connection, SLOTS_KEPT_FROM)
    voids: dict[tuple[str, str], list[VoidEntry]] = {}
    for entry in list_voids(connection, tz, first, last, only):
        voids.setdefault((entry.day, entry.server), []).append(entry)
    disagreements = _disagreements_by_day(connection, first, last, tz, server)
    approved = approved_by_day(connection, tz, first, last, only)
    closed: dict[str, dict[str, ClosedDay]] = {}
    for row in load_closed_days(connection, tz, first, last, only, with_samples=with_samples):
        closed.setdefault(row.statistics.day, {})[row.statistics.server] = _with_approved(row, approved)
    open_days = {
        day: names
        for day in days_between(first, last)
        # The rest of a partly discarded day must not appear as the whole day.
        if day_interval(day, tz).from_ms >= kept_from
        and (names := _open(expected, closed.get(day.isoformat(), {}), day_interval(day, tz), now_ms, server))
    }
    estate = []
    if open_days:
        window = Interval(day_interval(min(open_days), tz).from_ms, day_interval(max(open_days), tz).to_ms)
        estate = load_covered_servers(connection, *window, now_ms, only)
    stored = None if with_samples or not open_days else StoredDays(connection, server)
    for day in days_between(first, last):
        days = [ServerDay(day, row.statistics, row.samples) for row in closed.get(day.isoformat(), {}).values()]
        if day in open_days:
            interval = day_interval(day, tz)
            items = [item for item in estate if item.state.server in open_days[day]]
            # In a zone without a ledger no day is closed: it is final while nothing of it is owed.
            closes = tz.key in account_zones
            waits = servers_owing(expected, interval, settle_ms if closes else 0)
            found: dict[str, tuple[DailyFigures, DaySamples | None]] = {}
            if stored is not None:
                found = {name: (figures, None) for name, figures in stored.compute(items, interval).items()}
            rest = [item for item in items if item.state.server not in found]
            for name, (figures, samples) in (found | compute_day_statistics(connection, rest, interval)).items():
                statistics = DailyStatistics(
                    server=name,
                    day=day.isoformat(),
                    tz=tz.key,
                    state="provisional" if waits or closes else "final",
                    **asdict(figures),
                    waiting_for=waits,
                )
                days.append(ServerDay(day, statistics, samples))
        for item in sorted(days, key=lambda item: item.statistics.server):
            of_day = (day.isoformat(), item.statistics.server)
            marks = {"voids": voids.get(of_day), "disagreements": disagreements.get(of_day)}
            present = {name: rows for name, rows in marks.items() if rows is not None}
            yield item._replace(statistics=replace(item.statistics, **present)) if present else item


def _disagreements_by_day(
    connection: Connection, first: date, last: date, tz: ZoneInfo, server: str | None
) -> dict[tuple[str, str], list[Disagreement]]:
    """Return the disagreements of the hours that begin in a day, by day and each server concerned."""
    window = Interval(day_interval(first, tz).from_ms, day_interval(last, tz).to_ms)
    found: dict[tuple[str, str], list[Disagreement]] = {}
    for row in load_disagreements(connection, window, server):
        for name in row.servers:
            found.setdefault((day_of(row.hour, tz).isoformat(), name), []).append(row)
    return found


def _with_approved(row: ClosedDay, approved: Mapping[tuple[str, str], DayDifference]) -> ClosedDay:
    of_day = approved.get((row.statistics.day, row.statistics.server))
    adjustment = row.statistics.adjustment
    if of_day is None or adjustment is None:
        return row
    return row._replace(statistics=replace(row.statistics, adjustment=replace(adjustment, approved=of_day)))


def _open(
    expected: Sequence[ExpectedServer], closed: Collection[str], day: Interval, now_ms: int, server: str | None
) -> set[str]:
    """Return the servers that ran in the day and whose day is not closed."""
    if day.from_ms > now_ms or not day.length_ms:
        return set()
    return {
        item.server
        for item in expected
        if item.ran(day) and item.server not in closed and server in (None, item.server)
    }
