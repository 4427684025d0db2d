"""Hourly rollups of slots, which make daily queries fast. The transaction that changes slots keeps them exact.
Hours by stream (`stream_hours.py`) are summed with them.

Hours before a server's `summed_to` are summed; later slots are read as they are. A report of a slot before that
instant sums the hour again. An hour without a slot has no row.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, and_, bindparam, delete, func, select, update

from streamusage.core.coverage import Interval
from streamusage.service.accounting.stream_hours import STEP_BYTES, limit_step, sum_stream_hours
from streamusage.service.rules.rollups import (
    HOUR_MS,
    ROLLUP_SLOT_COLUMNS,
    HourRollup,
    MinuteTraffic,
    Rollup,
    SlotRollup,
    roll_up_hours,
)
from streamusage.service.store.change_feed import SLOTS_KEPT_FROM, read_counter
from streamusage.service.store.schema import hours, servers, slot_connections, slots
from streamusage.service.store.sql import upsert
from streamusage.service.store.statements import PreparedStatement

STEP_HOURS = 7 * 24
"""The most hours of one server that one transaction sums."""
STEP_SERVERS = 50

_BATCH_SIZE = 300
_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_whole = msgspec.msgpack.Decoder(Rollup)
_quarters = msgspec.msgpack.Decoder(tuple[Rollup, ...])


_SERVER: Any = bindparam("of_server")
_FROM: Any = bindparam("from_ms")
_TO: Any = bindparam("to_ms")


def _within(table: Table) -> PreparedStatement:
    names: Any = bindparam("names", expanding=True)
    within = and_(table.c.server.in_(names), table.c.slot >= _FROM, table.c.slot < _TO)
    return PreparedStatement(select(table).where(within), listed="names")


_CONNECTIONS, _SLOTS = _within(slot_connections), _within(slots)
_OLDEST = PreparedStatement(
    select(func.min(slots.c.slot).label("slot")).where(slots.c.server == _SERVER, slots.c.slot >= _FROM)
)
_SUMMED = PreparedStatement(update(servers).where(servers.c.server == _SERVER).values(summed_to=_TO))
_FORGET = PreparedStatement(delete(hours).where(hours.c.server == _SERVER, hours.c.hour >= _FROM, hours.c.hour < _TO))


def _hours_within(*more: Any) -> tuple[PreparedStatement, PreparedStatement]:
    """Return the statements for the hours of an interval: of every server, and of named servers."""
    names: Any = bindparam("names", expanding=True)
    columns = (hours.c.server, hours.c.hour, hours.c.whole, hours.c.minutes_in, hours.c.minutes_out, *more)
    within = and_(hours.c.hour >= _FROM, hours.c.hour < _TO)
    named = and_(within, hours.c.server.in_(names))
    return PreparedStatement(select(*columns).where(within)), PreparedStatement(
        select(*columns).where(named), listed="names"
    )


_WHOLE, _CUT = _hours_within(), _hours_within(hours.c.quarters)


def hour_of(at_ms: int) -> int:
    """Return the start of the UTC hour that contains the instant."""
    return at_ms - at_ms % HOUR_MS


def find_unsummed(connection: Connection) -> list[tuple[str, int, int]]:
    """Return some servers with complete hours that are not summed yet: (server, summed to, watermark)."""
    query = (
        select(servers.c.server, servers.c.summed_to, servers.c.watermark)
        .where(servers.c.epoch > 0, servers.c.watermark >= servers.c.summed_to + HOUR_MS)
        .order_by(servers.c.summed_to, servers.c.server)
        .limit(STEP_SERVERS)
    )
    return [(row.server, row.summed_to, row.watermark) for row in connection.execute(query)]


def sum_hours(connection: Connection, behind: Iterable[tuple[str, int, int]]) -> None:
    """Sum a step of each server's complete hours: those before the hour of its watermark.

    Where they have many figures by stream, the step ends earlier, and the last servers wait for the next step.
    """
    room = STEP_BYTES
    for server, summed_to, watermark in behind:
        if room <= 0:
            return
        over = hour_of(watermark)
        oldest = _OLDEST.rows(connection, of_server=server, from_ms=summed_to)[0].slot
        from_ms = over if oldest is None else min(over, hour_of(oldest))
        to_ms, size = limit_step(connection, server, Interval(from_ms, min(over, from_ms + STEP_HOURS * HOUR_MS)), room)
        room -= size
        if to_ms > from_ms:
            _sum(connection, server, Interval(from_ms, to_ms))
        _SUMMED.run(connection, of_server=server, to_ms=to_ms)


def resum_hours(connection: Connection, server: str, touched_slots: Iterable[int], summed_to: int) -> None:
    """Sum the hours of these slots again, except hours whose slots are discarded."""
    kept_from = read_counter(connection, SLOTS_KEPT_FROM)
    for hour in sorted({hour_of(slot) for slot in touched_slots if kept_from <= hour_of(slot) and slot < summed_to}):
        _sum(connection, server, Interval(hour, hour + HOUR_MS))


def load_hours(
    connection: Connection, interval: Interval, summed_to: dict[str, int], only: Collection[str] | None
) -> dict[str, dict[int, HourRollup]]:
    """Return the hours that overlap the interval, by server and start. Hours not summed yet are computed from their
    slots.

    `summed_to` names the servers to return.
    """
    window = Interval(hour_of(interval.from_ms), -(-interval.to_ms // HOUR_MS) * HOUR_MS)
    found: dict[str, dict[int, HourRollup]] = {server: {} for server in summed_to}
    # An hour's quarters are needed only where the interval cuts the hour.
    inside = Interval(-(-interval.from_ms // HOUR_MS) * HOUR_MS, hour_of(interval.to_ms))
    for chosen in _chosen(only):
        for server, hour, whole, minutes_in, minutes_out in _rows(connection, _WHOLE, chosen, inside):
            if server in found:
                found[server][hour] = HourRollup(_whole.decode(whole), (), MinuteTraffic(minutes_in, minutes_out))
        for cut in (Interval(window.from_ms, inside.from_ms), Interval(inside.to_ms, window.to_ms)):
            if not cut.length_ms:
                continue
            for server, hour, whole, minutes_in, minutes_out, quarters in _rows(connection, _CUT, chosen, cut):
                if server in found:
                    minutes = MinuteTraffic(minutes_in, minutes_out)
                    found[server][hour] = HourRollup(_whole.decode(whole), _quarters.decode(quarters), minutes)
    later: dict[int, list[str]] = {}
    for server, upto in summed_to.items():
        if upto < window.to_ms and (only is None or server in only):
            later.setdefault(max(upto, window.from_ms), []).append(server)
    for from_ms, names in later.items():
        for server, rows in load_slots(connection, names, Interval(from_ms, window.to_ms)).items():
            found[server].update(roll_up_hours(rows))
    return found


def load_stored_hours(connection: Connection, server: str, interval: Interval) -> dict[int, HourRollup]:
    """Return the summed hours of a server that begin in the interval, with their quarters."""
    return {
        hour: HourRollup(_whole.decode(whole), _quarters.decode(quarters), MinuteTraffic(minutes_in, minutes_out))
        for _, hour, whole, minutes_in, minutes_out, quarters in _rows(connection, _CUT, [server], interval)
    }


def compare_hours(connection: Connection, server: str, interval: Interval) -> tuple[int, list[tuple[int, str]]]:
    """Sum the hours of an interval again. Return how many there are, and where and how stored ones differ."""
    summed = roll_up_hours(load_slots(connection, [server], interval).get(server, []))
    stored: dict[int, HourRollup | None] = {}
    for _server, hour, whole, minutes_in, minutes_out, quarters in _rows(connection, _CUT, [server], interval):
        try:
            minutes = MinuteTraffic(minutes_in, minutes_out)
            stored[hour] = HourRollup(_whole.decode(whole), _quarters.decode(quarters), minutes)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            stored[hour] = None
    found = []
    for hour in sorted({*summed, *stored}):
        kept, expected = stored.get(hour), summed.get(hour)
        if hour not in stored:
            found.append((hour, "is missing, but has slots"))
        elif kept is None:
            found.append((hour, "cannot be decoded"))
        elif expected is None:
            found.append((hour, "has figures, but no slots"))
        elif kept != expected:
            names = [
                name for name in Rollup.__struct_fields__ if getattr(kept.whole, name) != getattr(expected.whole, name)
            ]
            found.append((hour, f"differs from its slots: {', '.join(names) or 'its quarters or minutes'}"))
    return len({*summed, *stored}), found


def _sum(connection: Connection, server: str, interval: Interval) -> None:
    _FORGET.run(connection, of_server=server, from_ms=interval.from_ms, to_ms=interval.to_ms)
    summed = roll_up_hours(load_slots(connection, [server], interval).get(server, []))
    rows = [
        {
            "server": server,
            "hour": start,
            "whole": _encode(hour.whole),
            "quarters": _encode(hour.quarters),
            "minutes_in": hour.minutes.bytes_in,
            "minutes_out": hour.minutes.bytes_out,
        }
        for start, hour in summed.items()
    ]
    upsert(connection, hours, rows)
    sum_stream_hours(connection, server, interval)


def load_slots(connection: Connection, names: Sequence[str], interval: Interval) -> dict[str, list[SlotRollup]]:
    """Return the slots of these servers inside the interval, of every epoch."""
    counted: dict[tuple[str, int, int], tuple[dict[str, int], int]] = {}
    found: dict[str, list[SlotRollup]] = {}
    for start in range(0, len(names), _BATCH_SIZE):
        batch = list(names[start : start + _BATCH_SIZE])
        within = {"names": batch, "from_ms": interval.from_ms, "to_ms": interval.to_ms}
        for row in _CONNECTIONS.rows(connection, **within):
            key = (row.server, row.epoch, row.slot)
            connections, late = counted.setdefault(key, ({}, 0))
            connections[row.protocol] = row.connections
            counted[key] = connections, late + row.late_connections
        for row in _SLOTS.rows(connection, **within):
            connections, late = counted.get((row.server, row.epoch, row.slot), ({}, 0))
            found.setdefault(row.server, []).append(
                SlotRollup(
                    row.slot,
                    Rollup(
                        connections=connections,
                        **{name: getattr(row, name) for name in ROLLUP_SLOT_COLUMNS},
                        peak_in=None if row.peak_in_bps is None else (row.peak_in_bps, row.peak_in_at),
                        peak_out=None if row.peak_out_bps is None else (row.peak_out_bps, row.peak_out_at),
                        late_connections=late,
                    ),
                )
            )
    return found


def _rows(
    connection: Connection,
    queries: tuple[PreparedStatement, PreparedStatement],
    names: list[str] | None,
    interval: Interval,
) -> list[Any]:
    of_all, of_named = queries
    within = {"from_ms": interval.from_ms, "to_ms": interval.to_ms}
    return of_all.rows(connection, **within) if names is None else of_named.rows(connection, names=names, **within)


def _chosen(only: Collection[str] | None) -> Iterator[list[str] | None]:
    if only is None:
        yield None
        return
    names = sorted(only)
    for start in range(0, len(names), _BATCH_SIZE):
        yield names[start : start + _BATCH_SIZE]
