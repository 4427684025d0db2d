"""Daily statistics in any time zone: closed days as they were closed, open ones from the rows stored now."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from streamusage.core.coverage import Interval
from streamusage.core.days import day_interval, days_between
from streamusage.service.accounting.closing import ExpectedServer, expected_servers, servers_owing
from streamusage.service.accounting.day_statistics import DaySamples, compute_day_statistics
from streamusage.service.accounting.ledger import ClosedDay, load_closed_days
from streamusage.service.store.change_feed import SLOTS_KEPT_FROM, read_counter
from streamusage.service.store.coverage_rows import load_covered_servers


class ServerDay(NamedTuple):
    """One server's day and its samples; a closed day has samples only if they were requested."""

    server: str
    day: date
    statistics: dict[str, Any]
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
) -> list[dict[str, Any]]:
    """Return the servers' days as `GET /api/v1/daily` answers them, by day and server; only days in which a server
    ran.
    """
    return [
        {"server": item.server, "day": item.day.isoformat(), "tz": tz.key, **item.statistics}
        for item in iterate_days(connection, first, last, tz, now_ms, server, account_zones, settle_ms)
    ]


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
    expected = expected_servers(connection)
    kept_from = read_counter(connection, SLOTS_KEPT_FROM)
    closed: dict[str, dict[str, ClosedDay]] = {}
    for row in load_closed_days(connection, tz, first, last, only, with_samples=with_samples):
        closed.setdefault(row.day, {})[row.server] = row
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
    for day in days_between(first, last):
        days = [
            ServerDay(row.server, day, row.statistics, row.samples) for row in closed.get(day.isoformat(), {}).values()
        ]
        if day in open_days:
            interval = day_interval(day, tz)
            items = [item for item in estate if item.state.server in open_days[day]]
            # In a zone without a ledger no day is closed: it is final while nothing of it is owed.
            closes = tz.key in account_zones
            waits = servers_owing(expected, interval, settle_ms if closes else 0)
            state = "provisional" if waits or closes else "final"
            beside = {"closed": None, "adjustment": None, "waiting_for": waits}
            days += [
                ServerDay(name, day, {"state": state, **figures.fields, **beside}, figures.samples)
                for name, figures in compute_day_statistics(connection, items, interval).items()
            ]
        yield from sorted(days, key=lambda item: item.server)


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
