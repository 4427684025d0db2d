"""Disagreements in the store, and the hours that are still to be compared.

Only disagreements have rows. An hour that is compared again replaces them. A row is open if the next hour of the same
figures is not compared yet: the open rows are the disagreements that last.
"""

import secrets
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, update

from streamusage.api.disagreements import Disagreement, DisagreementKind, Disagreements
from streamusage.core.coverage import Interval
from streamusage.evidence.canonical_json import encode
from streamusage.evidence.signed_disagreements import SignedDisagreement, hash_of_disagreements, sum_disagreements
from streamusage.service.rules.cross_checks import HourFinding
from streamusage.service.rules.rollups import HOUR_MS
from streamusage.service.store.schema import disagreements, servers, stream_key, unchecked_hours
from streamusage.service.store.sql import upsert

ESTATE = ""
"""The server of an hour in which origins and edges are to be compared."""
LONGEST_CHANGE_MS = 45 * 24 * HOUR_MS
"""Hours that are older when they change are not compared again: one report marks a limited number of hours."""

_KEY = ("hour", "kind", "server", "stream")
_CLOSED = msgspec.json.Decoder(list[SignedDisagreement])
_EDGES = msgspec.json.Decoder(tuple[str, ...])


class _Figures(NamedTuple):
    """Which figures a disagreement is about."""

    kind: str
    server: str
    stream: bytes


def mark_hours(
    connection: Connection, server: str, slots: Iterable[int], spans: Iterable[Interval], to_ms: int
) -> None:
    """Mark the hours before that of `to_ms` that contain these slots or overlap these spans: they are to be compared.

    The transaction that changes figures of a server calls it.
    """
    over = to_ms - to_ms % HOUR_MS
    oldest = over - LONGEST_CHANGE_MS
    changed = {slot - slot % HOUR_MS for slot in slots}
    for span in spans:
        from_ms = max(span.from_ms, oldest)
        changed.update(range(from_ms - from_ms % HOUR_MS, min(span.to_ms, over), HOUR_MS))
    _mark(connection, server, [hour for hour in sorted(changed) if oldest <= hour < over])


def mark_estate(connection: Connection, hour: int) -> None:
    """Mark an hour in which origins and edges are to be compared."""
    _mark(connection, ESTATE, [hour])


def _mark(connection: Connection, server: str, hours: Sequence[int]) -> None:
    if hours:
        mark = secrets.randbits(62)  # another one than before: the hour changed again
        upsert(connection, unchecked_hours, [{"hour": hour, "server": server, "mark": mark} for hour in hours])


def load_marks(connection: Connection, hour: int) -> dict[str, int]:
    """Return the marks of an hour by server."""
    query = select(unchecked_hours.c.server, unchecked_hours.c.mark).where(unchecked_hours.c.hour == hour)
    return dict(connection.execute(query).all())


def forget_marks(connection: Connection) -> None:
    """Remove all marks: nothing is compared."""
    connection.execute(delete(unchecked_hours))


def unmark_hours(connection: Connection, hour: int, names: Collection[str]) -> None:
    """Remove the marks of an hour that was compared."""
    connection.execute(
        delete(unchecked_hours).where(unchecked_hours.c.hour == hour, unchecked_hours.c.server.in_(sorted(names)))
    )


def save_findings(
    connection: Connection,
    hour: int,
    kinds: Collection[DisagreementKind],
    names: Collection[str] | None,
    findings: Sequence[HourFinding],
    now_ms: int,
) -> list[str]:
    """Replace what was found in an hour by these comparisons, of these servers or of all. Return lines for the log:
    which disagreements began or ended.
    """
    compared = [disagreements.c.kind.in_(sorted(kinds))]
    if names is not None:
        compared.append(disagreements.c.server.in_(sorted(names)))
    before = _load(connection, disagreements.c.hour == hour, *compared)
    lasting = _load(connection, disagreements.c.hour == hour - HOUR_MS, disagreements.c.open == 1, *compared)
    found = {_figures_of(finding): finding for finding in findings}
    lines = []
    for figures in sorted(before.keys() - found.keys()):
        lines.append(f"disagreement ended, later reports explain it: {_describe(before[figures])}")
        connection.execute(delete(disagreements).where(_is(hour, figures)))
    for figures in sorted(lasting.keys()):
        if figures not in found:
            lines.append(f"disagreement ended: {_describe(lasting[figures])}")
        connection.execute(update(disagreements).where(_is(hour - HOUR_MS, figures)).values(open=0))
    rows = [
        _row(hour, finding)
        | {"found_at": now_ms if (old := before.get(figures)) is None else old.found_at}
        | {"open": int(not _is_next_compared(connection, hour, figures)) if old is None else old.open}
        for figures, finding in found.items()
    ]
    upsert(connection, disagreements, rows)
    begun = found.keys() - before.keys() - lasting.keys()
    stored = _load(connection, disagreements.c.hour == hour, *compared) if begun else {}
    lines += [f"disagreement began: {_describe(stored[figures])}" for figures in sorted(begun)]
    return lines


def list_disagreements(
    connection: Connection, window: Interval, server: str | None, percent: float, now_ms: int
) -> Disagreements:
    """Return the disagreements of the hours that begin in a window, of one server or of all, by hour."""
    waiting = select(func.min(unchecked_hours.c.hour)).where(
        unchecked_hours.c.hour >= window.from_ms, unchecked_hours.c.hour < window.to_ms
    )
    return Disagreements(
        now=now_ms,
        threshold_percent=percent,
        waiting_from=connection.execute(waiting).scalar() if percent else None,
        disagreements=load_disagreements(connection, window, server),
    )


def load_disagreements(connection: Connection, window: Interval, server: str | None) -> list[Disagreement]:
    """Return the disagreements of the hours that begin in a window, of one server or of all, by hour."""
    query = (
        select(disagreements)
        .where(disagreements.c.hour >= window.from_ms, disagreements.c.hour < window.to_ms)
        .order_by(*(disagreements.c[name] for name in ("hour", "kind", "server", "scope", "name")))
    )
    listed = map(_disagreement, connection.execute(query))
    return [found for found in listed if server is None or server in found.servers]


def disagreements_as_closed(connection: Connection, server: str, day: Interval) -> bytes | None:
    """Return the disagreements of a server's hours that begin in a day, as its closing stores them; `None` for none."""
    found = sum_disagreements(load_disagreements(connection, day, server))
    return encode(found) if found else None


def decode_closed(stored: bytes) -> list[SignedDisagreement]:
    """Return the disagreements of a closing as they are stored. Raises `msgspec.MsgspecError` for anything else."""
    return _CLOSED.decode(stored)


def disagreements_in_chain(stored: bytes | None) -> str | None:
    """Return the hash of the disagreements of a closing, which its entry in the chain has; `None` without any.

    Raises `msgspec.MsgspecError` for anything that is not stored by a closing.
    """
    return None if stored is None else hash_of_disagreements(decode_closed(stored))


def count_open(connection: Connection) -> dict[str, int]:
    """Return by kind how many disagreements last, of servers that are part of the estate."""
    query = (
        select(disagreements.c.kind, func.count())
        .join(servers, servers.c.server == disagreements.c.server)
        .where(disagreements.c.open == 1, servers.c.removed == "")
        .group_by(disagreements.c.kind)
    )
    return {kind: int(count) for kind, count in connection.execute(query)}


def load_open(connection: Connection, limit: int) -> list[Disagreement]:
    """Return the disagreements that last, the newest ones, of servers that are part of the estate."""
    query = (
        select(disagreements)
        .join(servers, servers.c.server == disagreements.c.server)
        .where(disagreements.c.open == 1, servers.c.removed == "")
        .order_by(disagreements.c.hour.desc(), *(disagreements.c[name] for name in ("kind", "server", "scope", "name")))
        .limit(limit)
    )
    return list(map(_disagreement, connection.execute(query)))


def forget_disagreements(connection: Connection, server: str, from_ms: int) -> None:
    """Delete the disagreements and marks of a server's hours from an instant on, whose figures a repair moves."""
    for table in (disagreements, unchecked_hours):
        connection.execute(delete(table).where(table.c.server == server, table.c.hour >= from_ms))


def _is_next_compared(connection: Connection, hour: int, figures: _Figures) -> bool:
    """Return whether the next hour of these figures is over and compared already."""
    following = hour + HOUR_MS
    is_relay = figures.kind == "origin-edges"
    summed = select(func.min(servers.c.summed_to)).where(servers.c.epoch > 0, servers.c.removed == "")
    if not is_relay:
        summed = select(servers.c.summed_to).where(servers.c.server == figures.server)
    marked = select(unchecked_hours.c.server).where(unchecked_hours.c.hour == following)
    if not is_relay:
        marked = marked.where(unchecked_hours.c.server == figures.server)
    is_over = (connection.execute(summed).scalar() or 0) > following
    return is_over and connection.execute(marked.limit(1)).first() is None


def _load(connection: Connection, *where: ColumnElement[bool]) -> dict[_Figures, Any]:
    rows = connection.execute(select(disagreements).where(*where)).all()
    return {_Figures(row.kind, row.server, bytes(row.stream)): row for row in rows}


def _figures_of(finding: HourFinding) -> _Figures:
    stream = b"" if finding.stream is None else stream_key(*finding.stream)
    return _Figures(finding.kind, finding.server, stream)


def _is(hour: int, figures: _Figures) -> ColumnElement[bool]:
    key = dict(zip(_KEY, (hour, *figures), strict=True))
    return and_(*(disagreements.c[name] == value for name, value in key.items()))


def _row(hour: int, finding: HourFinding) -> dict[str, Any]:
    scope, name = ("", "") if finding.stream is None else finding.stream
    return {
        "hour": hour,
        **_figures_of(finding)._asdict(),
        "scope": scope,
        "name": name,
        "figure": finding.figure,
        "first_figure": finding.first,
        "second_figure": finding.second,
        "edges": msgspec.json.encode(finding.edges),
    }


def _disagreement(row: Any) -> Disagreement:
    return Disagreement(
        hour=row.hour,
        kind=row.kind,
        server=row.server,
        figure=row.figure,
        first=row.first_figure,
        second=row.second_figure,
        found_at=row.found_at,
        scope=row.scope,
        name=row.name,
        edges=_EDGES.decode(row.edges),
    )


def _describe(row: Any) -> str:
    hour = datetime.fromtimestamp(row.hour / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"hour {hour}, {_disagreement(row).describe()}"
