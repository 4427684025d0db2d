"""Compares the figures of hours that reports marked, an hour at a time. No report waits for it: it reads without
locks, and what it found is stored in a transaction of its own, unless a report changed the hour meanwhile.

A server's own hour is compared once it is summed. Origins and edges are compared once every server of the estate is
summed past the hour: until then it waits, marked under the name `ESTATE`.
"""

import zlib
from collections.abc import Collection, Mapping, Sequence
from operator import add
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, func, select

from streamusage.api.disagreements import DisagreementKind
from streamusage.core.coverage import SLOT_MS, Interval, Provenance
from streamusage.core.reasons import are_bytes_complete
from streamusage.core.text import shorten_line
from streamusage.core.usage import StreamId
from streamusage.service.accounting.disagreements import (
    ESTATE,
    forget_marks,
    load_marks,
    mark_estate,
    save_findings,
    unmark_hours,
)
from streamusage.service.accounting.hours import load_hours
from streamusage.service.accounting.stream_hours import iterate_stored_hours
from streamusage.service.rules.apply import Piece
from streamusage.service.rules.coverage import merge_pieces
from streamusage.service.rules.cross_checks import (
    CarriedStream,
    HourFinding,
    MinutesOfStream,
    ServerHour,
    Threshold,
    boundary_bytes,
    compare_log,
    compare_relays,
    compare_view_time,
)
from streamusage.service.rules.rollups import EMPTY_HOUR, HOUR_MS, MINUTES_OF_HOUR, Rollup, unpack_minutes
from streamusage.service.rules.stream_days import StreamDay, StreamsOfDay, sum_figures, sum_streams
from streamusage.service.rules.stream_hours import FIGURE_NAMES
from streamusage.service.rules.stream_slots import StreamShare
from streamusage.service.store.change_feed import SAMPLES_KEPT_FROM, read_counter
from streamusage.service.store.coverage_rows import CoveredServer, load_covered_servers
from streamusage.service.store.schema import samples, servers, stream_key, stream_slots, unchecked_hours
from streamusage.service.store.statements import PreparedStatement
from streamusage.service.store.streams.stream_slots import decode_columns

SERVERS_PER_STEP = 5
"""How many servers are compared at once: they are compared again if a report changes their hour meanwhile."""
_BATCH_SIZE = 300
_DAMAGED = (ValueError, KeyError, msgspec.MsgspecError, zlib.error)
"""What stored figures raise that cannot be decoded."""
_VERIFY = "stored figures of it are damaged; check the store with streamtop store verify"
_OF_SERVERS: tuple[DisagreementKind, ...] = ("counters-log", "sessions-slots")
_OF_ESTATE: tuple[DisagreementKind, ...] = ("origin-edges",)
_CONNECTIONS, _IN, _OUT, _VIEW_TIME = map(FIGURE_NAMES.index, ("connections", "bytes_in", "bytes_out", "view_time_ms"))
_SHARE_COLUMNS = [*map(StreamShare.__struct_fields__.index, ("scope", "name", "connections", "view_time_ms"))]

_SERVER: Any = bindparam("of_server")
_FROM: Any = bindparam("from_ms")
_TO: Any = bindparam("to_ms")
_MINUTES = PreparedStatement(
    select(stream_slots.c.slot, stream_slots.c.streams).where(
        stream_slots.c.server == _SERVER, stream_slots.c.slot >= _FROM, stream_slots.c.slot < _TO
    )
)
_SAMPLES = PreparedStatement(
    select(samples.c.stream, samples.c.slot, samples.c.active).where(
        samples.c.server == _SERVER,
        samples.c.stream.in_(bindparam("streams", expanding=True)),
        samples.c.slot >= _FROM,
        samples.c.slot < _TO,
    ),
    listed="streams",
)


class ComparedHour(NamedTuple):
    """What was found in an hour, and the marks that it had: a later report changes them."""

    hour: int
    marks: Mapping[str, int]
    """By server, or of `ESTATE` alone."""
    findings: Sequence[HourFinding] = ()
    lines: Sequence[str] = ()
    """For the log: what could not be compared."""
    is_folded: bool = False
    """Whether the hour of a server is folded, so that nothing was compared: what was found in it before stays."""


def is_check_due(connection: Connection) -> bool:
    """Return whether an hour can be compared."""
    return _find_servers_due(connection) is not None or _find_estate_due(connection) is not None


def compare_next(connection: Connection, threshold: Threshold, now_ms: int) -> ComparedHour | None:
    """Return what is found in the next hour; `None` if no hour is due, or if cross-checks are off. It only reads."""
    if not threshold.percent:
        return None
    due = _find_servers_due(connection)
    if due is not None:
        return _compare_servers(connection, due, threshold, now_ms)
    due = _find_estate_due(connection)
    return None if due is None else _compare_estate(connection, due, threshold, now_ms)


def save_compared(connection: Connection, compared: ComparedHour | None, now_ms: int) -> list[str]:
    """Store what was found in an hour, unless a report changed the hour meanwhile; remove all marks if cross-checks
    are off. Return lines for the log.
    """
    if compared is None:
        forget_marks(connection)
        return []
    hour, present = compared.hour, load_marks(connection, compared.hour)
    unchanged = [name for name, mark in compared.marks.items() if present.get(name) == mark]
    if ESTATE in compared.marks:
        if unchanged != list(present):
            return []
        if compared.is_folded:
            unmark_hours(connection, hour, unchanged)
            return []
        lines = save_findings(connection, hour, _OF_ESTATE, None, compared.findings, now_ms)
    else:
        found = [finding for finding in compared.findings if finding.server in unchanged]
        lines = save_findings(connection, hour, _OF_SERVERS, unchanged, found, now_ms)
        if unchanged:
            mark_estate(connection, hour)
    unmark_hours(connection, hour, unchanged)
    return [*compared.lines, *lines]


def _find_servers_due(connection: Connection) -> ComparedHour | None:
    """Return the first marked hour of servers that are summed, with some of them."""
    query = (
        select(unchecked_hours)
        .join(servers, servers.c.server == unchecked_hours.c.server)
        .where(unchecked_hours.c.hour < servers.c.summed_to)
        .order_by(unchecked_hours.c.hour, unchecked_hours.c.server)
        .limit(SERVERS_PER_STEP)
    )
    rows = connection.execute(query).all()
    return (
        ComparedHour(rows[0].hour, {row.server: row.mark for row in rows if row.hour == rows[0].hour}) if rows else None
    )


def _find_estate_due(connection: Connection) -> ComparedHour | None:
    """Return the first hour marked for the estate, if every server of it is summed past the hour."""
    summed = select(func.min(servers.c.summed_to)).where(servers.c.epoch > 0, servers.c.removed == "")
    summed_to = connection.execute(summed).scalar()
    query = select(unchecked_hours).where(unchecked_hours.c.server == ESTATE).order_by(unchecked_hours.c.hour).limit(1)
    row = connection.execute(query).first()
    if row is None or (summed_to is not None and row.hour >= summed_to):
        return None
    return ComparedHour(row.hour, {ESTATE: row.mark})


def _compare_servers(connection: Connection, due: ComparedHour, threshold: Threshold, now_ms: int) -> ComparedHour:
    lines, findings = [], []
    time = Interval(due.hour, due.hour + HOUR_MS)
    for item in load_covered_servers(connection, *time, now_ms, list(due.marks)):
        server, pieces = item.state.server, merge_pieces(item.pieces, *time)
        findings.append(compare_log(server, (piece.reason for piece in pieces), threshold))
        if item.state.minutes_kept_from <= due.hour and _is_complete(pieces):
            try:
                minutes = _load_minutes(connection, server, time)
            except _DAMAGED:
                lines.append(f"hour {due.hour} of {shorten_line(server)} is not compared: {_VERIFY}")
            else:
                by_stream = sum(sum(stream.view_time_ms.values()) for stream in minutes)
                rest_ms = _load_wholes(connection, time, [item])[server].view_time_ms - by_stream
                findings.append(compare_view_time(server, minutes, threshold, rest_ms))
    found = [finding for finding in findings if finding is not None]
    return due._replace(findings=found, lines=lines)


def _compare_estate(connection: Connection, due: ComparedHour, threshold: Threshold, now_ms: int) -> ComparedHour:
    time = Interval(due.hour, due.hour + HOUR_MS)
    in_service = _load_in_service(connection, time, now_ms)
    if any(item.state.hours_kept_from > due.hour for item in in_service):
        return due._replace(is_folded=True)
    try:
        found = _find_in_estate(connection, time, in_service, threshold)
    except _DAMAGED:
        return due._replace(lines=[f"origins and edges of hour {due.hour} are not compared: {_VERIFY}"])
    return due._replace(findings=found)


def _is_complete(pieces: Sequence[Piece]) -> bool:
    """Return whether merged pieces of an hour are live or backfilled, and leave no time out."""
    counted = {Provenance.LIVE, Provenance.BACKFILLED}
    return sum(piece.to_ms - piece.from_ms for piece in pieces if piece.state in counted) == HOUR_MS


def _are_bytes_counted(pieces: Sequence[Piece]) -> bool:
    """Return whether all bytes of the hour are accounted for, although viewers may not be."""
    known = [
        piece._replace(state=Provenance.LIVE)
        if piece.state is Provenance.PARTIAL and are_bytes_complete(piece.reason)
        else piece
        for piece in pieces
    ]
    return _is_complete(known)


def _load_minutes(connection: Connection, server: str, hour: Interval) -> list[MinutesOfStream]:
    """Return the streams of a server by the minutes of an hour."""
    by_stream: dict[StreamId, tuple[dict[int, int], dict[int, int]]] = {}
    within = {"of_server": server, "from_ms": hour.from_ms, "to_ms": hour.to_ms}
    for slot, body in _MINUTES.rows(connection, **within):
        columns = decode_columns(body)
        for scope, name, joined, watched in zip(*(columns[index] for index in _SHARE_COLUMNS), strict=True):
            connections, view_times = by_stream.setdefault(StreamId(scope, name), ({}, {}))
            connections[slot] = connections.get(slot, 0) + joined
            view_times[slot] = view_times.get(slot, 0) + watched
    active = _load_samples(connection, server, by_stream, hour)
    return [MinutesOfStream(*minutes, active.get(stream, {})) for stream, minutes in by_stream.items()]


def _load_samples(
    connection: Connection, server: str, streams: Collection[StreamId], time: Interval
) -> dict[StreamId, dict[int, int]]:
    """Return the subscribers of streams of a server by slot, of the slots that have a sample which is not hidden."""
    first = max(time.from_ms, read_counter(connection, SAMPLES_KEPT_FROM))
    keys = {stream_key(*stream): stream for stream in streams}
    ordered = sorted(keys)
    found: dict[StreamId, dict[int, int]] = {}
    for start in range(0, len(ordered), _BATCH_SIZE):
        batch = ordered[start : start + _BATCH_SIZE]
        within = {"of_server": server, "streams": batch, "from_ms": first, "to_ms": time.to_ms}
        for key, slot, active in _SAMPLES.rows(connection, **within):
            found.setdefault(keys[bytes(key)], {})[slot] = active
    return found


def _find_in_estate(
    connection: Connection, time: Interval, in_service: Sequence[CoveredServer], threshold: Threshold
) -> list[HourFinding]:
    streams = _load_streams(connection, time, [item.state.server for item in in_service], with_minutes=False)
    estate = _load_estate(connection, time, in_service, streams)
    carriers: dict[StreamId, list[CarriedStream]] = {}
    for server, of_server in streams.items():
        for stream, figures in of_server.items():
            carriers.setdefault(stream, []).append(
                CarriedStream(
                    server,
                    connections=figures.sums[_CONNECTIONS],
                    view_time_ms=figures.sums[_VIEW_TIME],
                    bytes_in=figures.sums[_IN],
                    bytes_out=figures.sums[_OUT],
                    is_measured=figures.traffic == "measured",
                )
            )
    suspected = {
        stream: some
        for stream, some in carriers.items()
        if compare_relays(stream, some, estate, threshold).finding is not None
    }
    found = []
    if suspected:
        names = {carrier.server for some in suspected.values() for carrier in some}
        minutes = _load_streams(connection, time, sorted(names), with_minutes=True)
        for stream, some in suspected.items():
            of_stream = {carrier.server: minutes[carrier.server][stream] for carrier in some}
            if not _is_read_at_ends(connection, stream, of_stream, time):
                continue
            finding = compare_relays(stream, some, estate, threshold, _uncertain_bytes(of_stream, estate)).finding
            if finding is not None:
                found.append(finding)
    return found


def _load_in_service(connection: Connection, time: Interval, now_ms: int) -> list[CoveredServer]:
    """Return the servers that were in service during an hour, those included whose figures are not known."""
    removed_at = dict(
        connection.execute(select(servers.c.server, servers.c.removed_at).where(servers.c.removed != "")).all()
    )
    return [
        item
        for item in load_covered_servers(connection, *time, now_ms)
        if (item.state.since is None or item.state.since < time.to_ms)
        and (removed_at.get(item.state.server) or time.to_ms) > time.from_ms
    ]


def _load_streams(
    connection: Connection, time: Interval, names: Sequence[str], *, with_minutes: bool
) -> dict[str, StreamsOfDay]:
    """Return the figures of an hour by server and stream."""
    return {
        server: sum_streams([(start, hour)], time, with_minutes=with_minutes)
        for server, start, hour in iterate_stored_hours(connection, time, names, with_minutes=with_minutes)
    }


def _load_wholes(connection: Connection, time: Interval, items: Sequence[CoveredServer]) -> dict[str, Rollup]:
    """Return the figures of servers in an hour, by server."""
    summed_to = {item.state.server: item.state.summed_to for item in items}
    hours = load_hours(connection, time, summed_to, list(summed_to))
    return {server: of_server.get(time.from_ms, EMPTY_HOUR).whole for server, of_server in hours.items()}


def _load_estate(
    connection: Connection, time: Interval, in_service: Sequence[CoveredServer], streams: Mapping[str, StreamsOfDay]
) -> dict[str, ServerHour]:
    """Return the origins and edges among these servers, by name."""
    relays = [item for item in in_service if item.state.role != "standalone"]
    wholes = _load_wholes(connection, time, relays)
    estate = {}
    for item in relays:
        server = item.state.server
        whole = wholes[server]
        by_stream = sum_figures(list(streams.get(server, {}).values()))
        estate[server] = ServerHour(
            server,
            item.state.role,
            _are_bytes_counted(merge_pieces(item.pieces, *time)),
            rest_in=whole.bytes_in - by_stream[_IN],
            rest_out=whole.bytes_out - by_stream[_OUT],
        )
    return estate


def _uncertain_bytes(of_stream: Mapping[str, StreamDay], estate: Mapping[str, ServerHour]) -> int:
    """Return how many bytes of a stream may be on the other side of the hour's ends on one server."""
    sent, received = [0] * MINUTES_OF_HOUR, [0] * MINUTES_OF_HOUR
    for server, figures in of_stream.items():
        is_origin = estate[server].role == "origin"
        minutes = figures.minutes.bytes_out if is_origin else figures.minutes.bytes_in
        side = sent if is_origin else received
        side[:] = map(add, side, unpack_minutes(minutes))
    return boundary_bytes(sent, received)


def _is_read_at_ends(
    connection: Connection, stream: StreamId, of_stream: Mapping[str, StreamDay], time: Interval
) -> bool:
    """Return whether each server that moved bytes of a stream in the first or last minute of an hour was read then.

    Otherwise bytes of a pause between two readings may have been filed in the wrong hour.
    """
    for server, figures in of_stream.items():
        moved = [*map(add, *map(unpack_minutes, (figures.minutes.bytes_in, figures.minutes.bytes_out)))]
        for minute in (0, MINUTES_OF_HOUR - 1):
            slot = time.from_ms + minute * SLOT_MS
            if moved[minute] and not _load_samples(connection, server, [stream], Interval(slot, slot + SLOT_MS)):
                return False
    return True
