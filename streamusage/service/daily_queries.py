"""Daily statistics, computed from the slots of a day: what is asked for is what is stored, in any time zone."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table, func, select

from streamusage.coverage import Interval, Provenance
from streamusage.days import day_interval, days_between
from streamusage.service.changes import SLOTS_KEPT_FROM, counter
from streamusage.service.coverage_queries import Watched, watched
from streamusage.service.schema import slot_connections, slots
from streamusage.service.spans import time_by_state

_SUMS = ("bytes_in", "bytes_out", "view_time_ms", "late_bytes_in", "late_bytes_out", "late_view_time_ms")


def daily_answer(
    connection: Connection, first: date, last: date, tz: ZoneInfo, now_ms: int, server: str | None
) -> list[dict[str, Any]]:
    """The servers' days as `GET /api/v1/daily` tells them, by day and server; only days in which a server ran."""
    only = None if server is None else [server]
    window = Interval(day_interval(first, tz).from_ms, day_interval(last, tz).to_ms)
    estate = watched(connection, window.from_ms, window.to_ms, now_ms, only)
    kept_from = counter(connection, SLOTS_KEPT_FROM)
    answer = []
    for day in days_between(first, last):
        interval = day_interval(day, tz)
        if interval.from_ms < kept_from:  # a part of the day is discarded: the rest must not pass for the whole
            continue
        running = [item for item in estate if _ran(item, interval, now_ms)]
        if running:
            sums = _sums(connection, interval, only)
            counts = _connections(connection, interval, only)
            peaks_in = _peaks(connection, interval, "in", only)
            peaks_out = _peaks(connection, interval, "out", only)
            for item in running:
                name = item.state.server
                figures = sums.get(name, dict.fromkeys(_SUMS, 0))
                connections = counts.get(name, {})
                answer.append(
                    {"server": name, "day": day.isoformat(), "tz": tz.key, "state": _state(item, interval)}
                    | _figures(figures, connections, peaks_in.get(name), peaks_out.get(name))
                    | {"coverage": _coverage(item, interval)}
                )
    return answer


def _ran(item: Watched, day: Interval, now_ms: int) -> bool:
    since = item.state.since
    return since is not None and since < day.to_ms and day.from_ms <= now_ms


def _state(item: Watched, day: Interval) -> str:
    """A day is final when nothing of it is owed any more."""
    watermark = item.state.watermark
    return "final" if watermark is not None and watermark >= day.to_ms else "provisional"


def _figures(
    sums: dict[str, int],
    connections: dict[str, tuple[int, int]],
    peak_in: tuple[int, int] | None,
    peak_out: tuple[int, int] | None,
) -> dict[str, Any]:
    total = sum(count for count, _ in connections.values())
    return {
        "connections": total,
        "connections_by_protocol": {protocol: count for protocol, (count, _) in sorted(connections.items()) if count},
        "bytes_in": sums["bytes_in"],
        "bytes_out": sums["bytes_out"],
        "peak_in_bps": peak_in[0] if peak_in else 0,
        "peak_in_at": peak_in[1] if peak_in else None,
        "peak_out_bps": peak_out[0] if peak_out else 0,
        "peak_out_at": peak_out[1] if peak_out else None,
        "view_time_ms": sums["view_time_ms"],
        "average_view_time_ms": sums["view_time_ms"] // total if total else None,
        "backfilled": {
            "connections": sum(late for _, late in connections.values()),
            "bytes_in": sums["late_bytes_in"],
            "bytes_out": sums["late_bytes_out"],
            "view_time_ms": sums["late_view_time_ms"],
        },
    }


def _coverage(item: Watched, day: Interval) -> dict[str, int]:
    lengths = time_by_state(item.pieces, *day)
    return {f"{state.value}_ms": lengths[state] for state in Provenance}


def _within(query: Any, table: Table, day: Interval, only: Sequence[str] | None) -> Any:
    query = query.where(table.c.slot >= day.from_ms, table.c.slot < day.to_ms)
    return query if only is None else query.where(table.c.server.in_(only))


def _sums(connection: Connection, day: Interval, only: Sequence[str] | None) -> dict[str, dict[str, int]]:
    sums = [func.sum(slots.c[name]) for name in _SUMS]
    query = _within(select(slots.c.server, *sums), slots, day, only).group_by(slots.c.server)
    return {server: dict(zip(_SUMS, map(int, figures), strict=True)) for server, *figures in connection.execute(query)}


def _connections(
    connection: Connection, day: Interval, only: Sequence[str] | None
) -> dict[str, dict[str, tuple[int, int]]]:
    table = slot_connections
    sums = func.sum(table.c.connections), func.sum(table.c.late_connections)
    query = _within(select(table.c.server, table.c.protocol, *sums), table, day, only)
    counts: dict[str, dict[str, tuple[int, int]]] = {}
    for server, protocol, count, late in connection.execute(query.group_by(table.c.server, table.c.protocol)):
        counts.setdefault(server, {})[protocol] = int(count), int(late)
    return counts


def _peaks(
    connection: Connection, day: Interval, direction: str, only: Sequence[str] | None
) -> dict[str, tuple[int, int]]:
    """The highest bandwidth of each server in the day; of equal ones the earlier."""
    bps, at = slots.c[f"peak_{direction}_bps"], slots.c[f"peak_{direction}_at"]
    rank = func.row_number().over(partition_by=slots.c.server, order_by=[bps.desc(), at])
    ranked = _within(select(slots.c.server, bps.label("bps"), at.label("at"), rank.label("rank")), slots, day, only)
    ranked = ranked.where(bps.is_not(None)).subquery()
    query = select(ranked.c.server, ranked.c.bps, ranked.c.at).where(ranked.c.rank == 1)
    return {server: (highest, when) for server, highest, when in connection.execute(query)}
