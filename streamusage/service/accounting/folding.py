"""Raises the instants before which minutes of servers are folded to hours, and hours to UTC days.

Nothing is summed here: hours and UTC days are sums of what is stored already. The write that raises a limit hides what
is before it, and retention discards that afterwards; a process that is killed in between leaves rows that a later round
discards.
"""

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, or_, select, update

from streamusage.service.accounting.ledger import closed_until
from streamusage.service.rules.folding import FoldedServer, KeptFrom, limit_by_closings, limit_by_server
from streamusage.service.store.change_feed import SLOTS_KEPT_FROM, read_counter
from streamusage.service.store.schema import servers, utc_days

_LIMITS = ("minutes_kept_from", "hours_kept_from")
"""Columns of the fields of `KeptFrom`."""


def find_foldable(
    connection: Connection, zones: Sequence[ZoneInfo], wanted: KeptFrom, now_ms: int, only: Sequence[str] | None = None
) -> dict[str, KeptFrom]:
    """Return the new limits of the servers whose limits rise. `wanted` are those by age, `zones` the account zones."""
    limit = limit_by_closings(wanted, [closed_until(connection, tz) or 0 for tz in zones])
    columns = [servers.c[name] for name in ("server", *FoldedServer._fields[1:-1], *_LIMITS)]
    rises = (servers.c.minutes_kept_from < limit.minutes, servers.c.hours_kept_from < limit.hours)
    query = select(*columns).where(servers.c.epoch > 0, or_(*rises))
    rows = connection.execute(query if only is None else query.where(servers.c.server.in_(only))).all()
    inexact = _inexact_days(connection, min((row.hours_kept_from for row in rows), default=0), limit.hours)
    raised = {}
    for row in rows:
        before = KeptFrom(row.minutes_kept_from, row.hours_kept_from)
        server = FoldedServer(
            before,
            row.since,
            row.watermark,
            row.summed_to,
            row.days_summed_to,
            row.parts_pending,
            inexact.get(row.server),
        )
        after = limit_by_server(limit, server, now_ms)
        if after != before:
            raised[row.server] = after
    return raised


def fold_servers(
    connection: Connection, names: Iterable[str], zones: Sequence[ZoneInfo], wanted: KeptFrom, now_ms: int
) -> int:
    """Raise the limits of these servers as far as they rise now, and return of how many they did."""
    raised = find_foldable(connection, zones, wanted, now_ms, list(names))
    for server, limit in raised.items():
        values = dict(zip(_LIMITS, limit, strict=True))
        connection.execute(update(servers).where(servers.c.server == server).values(values))
    return len(raised)


def load_kept_from(connection: Connection) -> dict[str, KeptFrom]:
    """Return by server the instants before which its minutes and hours are folded; one without any is absent."""
    query = select(servers.c.server, *(servers.c[name] for name in _LIMITS)).where(servers.c.minutes_kept_from > 0)
    return {server: KeptFrom(*limit) for server, *limit in connection.execute(query)}


def read_minutes_kept_from(connection: Connection, server: str) -> int:
    """Return the instant from which a server has all of its minutes."""
    return _read_kept_from(connection, server, "minutes_kept_from")


def read_hours_kept_from(connection: Connection, server: str) -> int:
    """Return the instant from which a server has all of its hours."""
    return _read_kept_from(connection, server, "hours_kept_from")


def _read_kept_from(connection: Connection, server: str, name: str) -> int:
    folded = connection.execute(select(servers.c[name]).where(servers.c.server == server)).scalar()
    return max(folded or 0, read_counter(connection, SLOTS_KEPT_FROM))


def _inexact_days(connection: Connection, from_ms: int, to_ms: int) -> dict[str, int]:
    """Return by server the first UTC day in an interval that has hours only."""
    if from_ms >= to_ms:
        return {}
    of_days = (utc_days.c.day >= from_ms, utc_days.c.day < to_ms, func.length(utc_days.c.figures) == 0)
    query = select(utc_days.c.server, func.min(utc_days.c.day)).where(*of_days).group_by(utc_days.c.server)
    return dict(connection.execute(query).all())
