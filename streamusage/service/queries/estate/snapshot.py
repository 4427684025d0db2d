"""Figures of the estate at one instant, all from one snapshot of the store."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from streamusage.core.coverage import Interval
from streamusage.core.days import day_interval, day_of
from streamusage.service.accounting.closing import expected_servers
from streamusage.service.queries.estate.estate_peak import EstatePeak, load_estate_peak
from streamusage.service.queries.estate.present import Present, count_present
from streamusage.service.queries.estate.scope_days import ScopeDays
from streamusage.service.queries.estate.server_days import DaySums, sum_server_days
from streamusage.service.queries.estate.totals import EstateTotals, load_totals
from streamusage.service.rules.scope_hours import ScopeTime
from streamusage.service.store.change_feed import SLOTS_KEPT_FROM, read_counter
from streamusage.service.store.coverage_rows import is_known_server, load_covered_servers
from streamusage.service.store.schema import servers


class EstateDay(NamedTuple):
    """A day of the estate as the store has it now: what a closing left out is in it."""

    label: str
    """`today` or `yesterday`."""
    day: date
    interval: Interval
    servers: dict[str, DaySums]
    scopes: dict[str, ScopeTime]
    peak: EstatePeak


class EstateSnapshot(NamedTuple):
    """Figures of the estate at one instant."""

    at_ms: int
    tz: str
    names: list[str]
    """Servers of the estate, the one that reported first in front."""
    last_sync_ms: dict[str, int]
    totals: EstateTotals
    days: list[EstateDay]
    present: Present


def load_snapshot(connection: Connection, tz: ZoneInfo, now_ms: int, scope_days: ScopeDays) -> EstateSnapshot:
    """Return the figures now. `scope_days` keeps what it read for the next call.

    A day from which retention discarded minutes or hours is left out: the rest must not look like the whole day.
    """
    columns = (servers.c.server, servers.c.since, servers.c.last_sync_at)
    rows = connection.execute(select(*columns).where(is_known_server(), servers.c.removed == "")).all()
    rows = sorted(rows, key=lambda row: (now_ms if row.since is None else row.since, row.server))
    names = [row.server for row in rows]
    return EstateSnapshot(
        at_ms=now_ms,
        tz=tz.key,
        names=names,
        last_sync_ms={row.server: row.last_sync_at for row in rows if row.last_sync_at is not None},
        totals=load_totals(connection, names),
        days=_load_days(connection, tz, now_ms, scope_days),
        present=count_present(connection),
    )


def _load_days(connection: Connection, tz: ZoneInfo, now_ms: int, scope_days: ScopeDays) -> list[EstateDay]:
    today = day_of(now_ms, tz)
    labels: Sequence[tuple[str, date]] = (("yesterday", today - timedelta(days=1)), ("today", today))
    expected = expected_servers(connection, now_ms)
    kept_from = max([read_counter(connection, SLOTS_KEPT_FROM), *(item.hours_kept_from for item in expected)])
    wanted = [(label, day, day_interval(day, tz)) for label, day in labels]
    wanted = [item for item in wanted if item[2].from_ms >= kept_from]
    if not wanted:
        return []
    covered = load_covered_servers(connection, wanted[0][2].from_ms, wanted[-1][2].to_ms, now_ms)
    by_server = {item.server: item for item in expected}
    known = [item for item in covered if item.state.server in by_server]
    summed_to = {item.state.server: item.state.summed_to for item in known}
    by_scope = scope_days.sum_days(connection, [interval for _, _, interval in wanted], summed_to)
    days = []
    for (label, day, interval), scopes in zip(wanted, by_scope, strict=True):
        ran = [item for item in known if by_server[item.state.server].ran(interval)]
        of_servers = sum_server_days(connection, interval, ran)
        peak = load_estate_peak(connection, interval, of_servers, summed_to)
        days.append(EstateDay(label, day, interval, of_servers, scopes, peak))
    return days
