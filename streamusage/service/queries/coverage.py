"""Reads servers and their coverage from the store, and folds them into what the API answers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, func, select

from streamusage.api.report import Peak, PhaseChange, higher_peak
from streamusage.core.coverage import SLOT_MS, Interval, Provenance, slot_of
from streamusage.service.rules.apply import Late, Piece, ServerState
from streamusage.service.rules.coverage import LateSlot, deltas, is_overdue, merged, owed_pieces
from streamusage.service.store.change_feed import SLOTS_KEPT_FROM, counter
from streamusage.service.store.schema import held, outages, server_sessions, servers, slot_connections, slots, spans
from streamusage.service.store.server_rows import piece_of, state_of

_PHASES = msgspec.json.Decoder(list[PhaseChange])


class Watched(NamedTuple):
    """A server that reported at least once, and what of its time is accounted for inside a window."""

    state: ServerState
    """Its `since` is no earlier than what retention left."""
    pieces: list[Piece]
    """Stored and owed, oldest first, not merged."""


def watched(
    connection: Connection, from_ms: int, to_ms: int, now_ms: int, only: Sequence[str] | None = None
) -> list[Watched]:
    """The servers by name, each with its pieces that meet the window. `only` names those that are wanted."""
    query = select(servers).where(servers.c.epoch > 0).order_by(servers.c.server)
    pieces_query = select(spans).where(spans.c.to_ms > from_ms, spans.c.from_ms < to_ms).order_by(spans.c.from_ms)
    if only is not None:
        query = query.where(servers.c.server.in_(only))
        pieces_query = pieces_query.where(spans.c.server.in_(only))
    kept_from = counter(connection, SLOTS_KEPT_FROM)
    rows = connection.execute(query).all()
    removed = {row.server for row in rows if row.removed}
    states = [_kept(state_of(row), kept_from) for row in rows]
    pieces: dict[str, list[Piece]] = {state.server: [] for state in states}
    for row in connection.execute(pieces_query):
        pieces.setdefault(row.server, []).append(piece_of(row))
    kept_aside: dict[str, list[Interval]] = {}
    for row in connection.execute(select(held.c.server, held.c.from_ms, held.c.to_ms).where(held.c.open == 1)):
        kept_aside.setdefault(row.server, []).append(Interval(row.from_ms, row.to_ms))
    for state in states:
        if state.server in removed:  # it is out of service: what it never reported is not owed
            continue
        pieces[state.server] += owed_pieces(state, kept_aside.get(state.server, []), now_ms)
    return [Watched(state, pieces[state.server]) for state in states]


def _kept(state: ServerState, kept_from: int) -> ServerState:
    if state.since is None or state.since >= kept_from:
        return state
    return msgspec.structs.replace(state, since=kept_from)


def servers_answer(connection: Connection, now_ms: int) -> list[dict[str, Any]]:
    """The servers as `GET /api/v1/servers` tells them."""
    active = dict(
        connection.execute(
            select(server_sessions.c.server, func.sum(server_sessions.c.active))
            .join(servers, servers.c.server == server_sessions.c.server)
            .where(
                server_sessions.c.live == 1,
                server_sessions.c.epoch == servers.c.epoch,
                servers.c.unreachable == 0,
                servers.c.removed == "",
            )
            .group_by(server_sessions.c.server)
        ).all()
    )
    rows = connection.execute(select(servers).where(servers.c.epoch > 0).order_by(servers.c.server))
    return [_server_answer(row, int(active.get(row.server, 0)), now_ms) for row in rows]


def coverage_answer(
    connection: Connection, from_ms: int, to_ms: int, now_ms: int, server: str | None
) -> list[dict[str, Any]]:
    """The servers' spans inside the window as `GET /api/v1/coverage` tells them."""
    only = None if server is None else [server]
    late_slots = _late_slots(connection, slot_of(from_ms), to_ms, only)
    outages_of = _outages(connection, from_ms, to_ms, only)
    answer = []
    for state, pieces in watched(connection, from_ms, to_ms, now_ms, only):
        inside = merged(pieces, from_ms, to_ms)
        answer.append(
            {
                "server": state.server,
                "since": state.since,
                "watermark": state.watermark,
                "spans": [
                    {
                        "from": piece.from_ms,
                        "to": piece.to_ms,
                        "state": piece.state,
                        "detected_at": piece.detected_at,
                        "filled_at": piece.filled_at,
                        "reason": piece.reason or None,
                        "delta": delta and delta._asdict(),
                    }
                    for piece, delta in zip(inside, deltas(inside, late_slots.get(state.server, [])), strict=True)
                ],
                "outages": outages_of.get(state.server, []),
            }
        )
    return answer


def provenance_of_server(item: Watched, now_ms: int) -> Provenance:
    """How the newest figures of a server came."""
    newest = item.pieces[-1].state if item.pieces else Provenance.LIVE
    return newest if newest != Provenance.LIVE or not is_overdue(item.state, now_ms) else Provenance.MISSING


def _server_answer(row: Row[Any], active: int, now_ms: int) -> dict[str, Any]:
    state = state_of(row)
    overdue = not row.removed and is_overdue(state, now_ms)
    reports = state.last_sync_at is not None and now_ms - state.last_sync_at <= state.late_after_ms
    return {
        "server": state.server,
        "role": state.role,
        "state": "removed" if row.removed else "live" if reports else "unreachable",
        "since": state.since,
        "last_sync_at": state.last_sync_at,
        "watermark": state.watermark,
        "sync_interval_ms": state.sync_interval_ms,
        "phase": state.phase,
        "epoch": state.epoch,
        "revision": state.acknowledged,
        "owed_ms": now_ms - state.watermark if overdue and state.watermark is not None else 0,
        "active_subscribers": active,
        "clock_offset_ms": state.clock_offset_ms,
        "removed": row.removed or None,
        "removed_at": row.removed_at if row.removed else None,
    }


def _outages(
    connection: Connection, from_ms: int, to_ms: int, only: Sequence[str] | None
) -> dict[str, list[dict[str, Any]]]:
    """What the agents told of their outages that meet the window, by server, oldest first."""
    query = select(outages).where(outages.c.to_ms >= from_ms, outages.c.from_ms < to_ms).order_by(outages.c.from_ms)
    if only is not None:
        query = query.where(outages.c.server.in_(only))
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.server, []).append(
            {
                "from": row.from_ms,
                "to": row.to_ms,
                "phases": _PHASES.decode(row.phases),
                "failed_attempts": row.failed_attempts,
                "error": row.error,
                "left_out": row.left_out,
            }
        )
    return found


def _late_slots(
    connection: Connection, from_slot: int, to_ms: int, only: Sequence[str] | None
) -> dict[str, list[LateSlot]]:
    """The slots, by server, that hold anything of a gap: all epochs of a slot taken together."""
    not_live = (
        select(spans.c.server)
        .where(
            spans.c.server == slots.c.server,
            spans.c.state != Provenance.LIVE.value,
            spans.c.to_ms > slots.c.slot,
            spans.c.from_ms < slots.c.slot + SLOT_MS,
        )
        .exists()
    )
    query = select(slots).where(slots.c.slot >= from_slot, slots.c.slot < to_ms, not_live)
    counts = select(slot_connections).where(
        slot_connections.c.slot >= from_slot, slot_connections.c.slot < to_ms, slot_connections.c.late_connections > 0
    )
    if only is not None:
        query = query.where(slots.c.server.in_(only))
        counts = counts.where(slot_connections.c.server.in_(only))
    protocols: dict[tuple[str, int], dict[str, int]] = {}
    for row in connection.execute(counts):
        of_slot = protocols.setdefault((row.server, row.slot), {})
        of_slot[row.protocol] = of_slot.get(row.protocol, 0) + row.late_connections
    found: dict[tuple[str, int], LateSlot] = {}
    for row in connection.execute(query):
        key = (row.server, row.slot)
        one = LateSlot(
            row.slot,
            Late(
                connections=protocols.get(key, {}),
                bytes_in=row.late_bytes_in,
                bytes_out=row.late_bytes_out,
                view_time_ms=row.late_view_time_ms,
            ),
            _peak(row.peak_in_bps, row.peak_in_at),
            _peak(row.peak_out_bps, row.peak_out_at),
        )
        found[key] = _together(found[key], one) if key in found else one
    result: dict[str, list[LateSlot]] = {}
    for (server, _), late_slot in found.items():
        result.setdefault(server, []).append(late_slot)
    return result


def _together(one: LateSlot, other: LateSlot) -> LateSlot:
    late = Late(
        connections=one.late.connections,
        bytes_in=one.late.bytes_in + other.late.bytes_in,
        bytes_out=one.late.bytes_out + other.late.bytes_out,
        view_time_ms=one.late.view_time_ms + other.late.view_time_ms,
    )
    return LateSlot(one.slot, late, higher_peak(one.peak_in, other.peak_in), higher_peak(one.peak_out, other.peak_out))


def _peak(bps: int | None, at: int | None) -> Peak | None:
    return None if bps is None or at is None else Peak(bps, at, 0)
