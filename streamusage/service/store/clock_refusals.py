"""Reports that were refused because they cover time after trusted time: since when, and up to which revision."""

import msgspec
from sqlalchemy import Connection, delete, func, update

from streamusage.api.report import Report
from streamusage.service.store.change_feed import raise_counter, read_counter
from streamusage.service.store.schema import counters, servers

_PREFIX = "clock refused "


def save_clock_refusal(connection: Connection, report: Report, ahead_ms: int, now_ms: int) -> None:
    """Record that a report was refused, by how much it was ahead, and up to which revision of its life it reached. The
    first refusal keeps its time until a report is accepted.
    """
    since = func.coalesce(servers.c.clock_refused_at, now_ms)
    values = {"clock_refused_at": since, "clock_refused_by_ms": ahead_ms}
    connection.execute(update(servers).where(servers.c.server == report.server).values(values))
    raise_counter(connection, _name(report), report.upto)


def load_refused_upto(connection: Connection, report: Report) -> int:
    """Return up to which revision reports of this life were refused; 0 if none was."""
    return read_counter(connection, _name(report))


def forget_clock_refusals(connection: Connection, server: str) -> None:
    """Forget the refused revisions of a server: with an accepted report, earlier ones of its life are duplicates."""
    prefix = f"{_PREFIX}{_encode(server).removesuffix(']')},"
    connection.execute(delete(counters).where(counters.c.name.startswith(prefix, autoescape=True)))


def _name(report: Report) -> str:
    return _PREFIX + _encode(report.server, report.epoch, report.life)


def _encode(*values: str | int) -> str:
    """Return values as a JSON array: no server's name can imitate another's."""
    return msgspec.json.encode(values).decode()
