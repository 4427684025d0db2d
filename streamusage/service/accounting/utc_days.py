"""Cumulative figures of UTC days, summed from the hours of days that are over; see `rules/utc_days.py`.

The UTC days of a server before its `days_summed_to` are summed; one without hours has no row. The transaction that
changes an hour of such a day sums the day again.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, select, update

from streamusage.core.coverage import Interval
from streamusage.service.accounting.hours import load_stored_hours
from streamusage.service.rules.utc_days import DAY_MS, UtcDay, encode_day, utc_day_of
from streamusage.service.store.schema import hours, servers, utc_days
from streamusage.service.store.sql import upsert
from streamusage.service.store.statements import PreparedStatement

STEP_DAYS = 20
"""The most days that one transaction sums."""

_SERVER: Any = bindparam("of_server")
_DAY: Any = bindparam("of_day")
_OF_ALL = PreparedStatement(
    select(utc_days.c.server, utc_days.c.figures, utc_days.c.samples).where(utc_days.c.day == _DAY)
)
_OF_SERVER = PreparedStatement(
    select(utc_days.c.server, utc_days.c.figures, utc_days.c.samples).where(
        utc_days.c.day == _DAY, utc_days.c.server == _SERVER
    )
)
_SUMMED_TO = PreparedStatement(select(servers.c.days_summed_to).where(servers.c.server == _SERVER))


class UnsummedDays(NamedTuple):
    """A server with UTC days that are over and not summed yet."""

    server: str
    days_summed_to: int
    summed_to: int


def find_unsummed_days(connection: Connection) -> list[UnsummedDays]:
    """Return some servers whose hours of a whole UTC day are summed, but not the day."""
    query = (
        select(servers.c.server, servers.c.days_summed_to, servers.c.summed_to)
        .where(servers.c.epoch > 0, servers.c.summed_to >= servers.c.days_summed_to + DAY_MS)
        .order_by(servers.c.days_summed_to, servers.c.server)
        .limit(STEP_DAYS)
    )
    return [UnsummedDays(*row) for row in connection.execute(query)]


def sum_days(connection: Connection, behind: Iterable[UnsummedDays]) -> None:
    """Sum a day of each server: the first that has hours."""
    for server, days_summed_to, summed_to in behind:
        over = utc_day_of(summed_to)
        oldest = connection.execute(
            select(func.min(hours.c.hour)).where(hours.c.server == server, hours.c.hour >= days_summed_to)
        ).scalar()
        day_ms = over if oldest is None else min(over, utc_day_of(oldest))
        if day_ms < over:
            _sum(connection, server, day_ms)
        upto = min(over, day_ms + DAY_MS)
        connection.execute(update(servers).where(servers.c.server == server).values(days_summed_to=upto))


def resum_days(connection: Connection, server: str, touched_slots: Iterable[int]) -> None:
    """Sum the UTC days of these slots again, after their hours."""
    rows = _SUMMED_TO.rows(connection, of_server=server)
    summed_to = rows[0].days_summed_to if rows else 0
    for day_ms in sorted({utc_day_of(slot) for slot in touched_slots if slot < summed_to}):
        _sum(connection, server, day_ms)


def forget_days(connection: Connection, server: str, from_ms: int) -> None:
    """Forget the server's UTC days from the one that contains an instant on: they are summed again from their hours."""
    day_ms = utc_day_of(from_ms)
    connection.execute(delete(utc_days).where(utc_days.c.day >= day_ms, utc_days.c.server == server))
    later = (servers.c.server == server, servers.c.days_summed_to > day_ms)
    connection.execute(update(servers).where(*later).values(days_summed_to=day_ms))


def load_utc_days(connection: Connection, day_ms: int, server: str | None) -> dict[str, UtcDay]:
    """Return the stored UTC day of every server, or of one."""
    rows = (
        _OF_ALL.rows(connection, of_day=day_ms)
        if server is None
        else _OF_SERVER.rows(connection, of_day=day_ms, of_server=server)
    )
    return {name: UtcDay(bytes(figures), bytes(samples)) for name, figures, samples in rows}


def load_days_summed_to(connection: Connection) -> dict[str, int]:
    """Return by server the instant before which its UTC days are summed."""
    query = select(servers.c.server, servers.c.days_summed_to).where(servers.c.days_summed_to > 0)
    return dict(connection.execute(query).all())


def compare_day(connection: Connection, server: str, day_ms: int) -> str | None:
    """Sum a UTC day again and return how the stored one differs; `None` if it does not."""
    expected, stored = _encode(connection, server, day_ms), load_utc_days(connection, day_ms, server).get(server)
    if stored == expected:
        return None
    return (
        "is missing, but has hours"
        if stored is None
        else "has figures, but no hours"
        if expected is None
        else ("differs from its hours")
    )


def _encode(connection: Connection, server: str, day_ms: int) -> UtcDay | None:
    of_day = load_stored_hours(connection, server, Interval(day_ms, day_ms + DAY_MS))
    return encode_day(of_day, day_ms) if of_day else None


def _sum(connection: Connection, server: str, day_ms: int) -> None:
    day = _encode(connection, server, day_ms)
    if day is None:
        connection.execute(delete(utc_days).where(utc_days.c.day == day_ms, utc_days.c.server == server))
    else:
        upsert(connection, utc_days, [{"day": day_ms, "server": server} | day._asdict()])
