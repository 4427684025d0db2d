"""Queries servers and their coverage."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import ColumnElement, Connection, Row, Table, and_, func, or_, select

from streamusage.api.daily import GapDelta
from streamusage.api.extension import Coverage, CoverageSpan, Outage, Repair, ServerCoverage, Servers, ServerStatus
from streamusage.api.report import Peak, PhaseChange, higher_peak
from streamusage.core.coverage import SLOT_MS, Interval, Provenance, slot_of
from streamusage.core.figures import SLOT_SUM_NAMES, late_slot_sums
from streamusage.service.rules.apply import LateFigures, Piece, ServerState
from streamusage.service.rules.coverage import LateSlot, backfilled_deltas, is_overdue, merge_pieces
from streamusage.service.rules.epoch_repair import has_exhausted_epochs
from streamusage.service.rules.repair import is_ahead, is_filed_ahead
from streamusage.service.store.change_feed import SLOTS_KEPT_FROM, read_counter
from streamusage.service.store.coverage_rows import CoveredServer, is_known_server, load_covered_servers
from streamusage.service.store.schema import outages, server_sessions, servers, slot_connections, slots
from streamusage.service.store.server_states import (
    clock_refusal_of_row,
    source_failure_of_row,
    state_of_row,
)

_PHASES = msgspec.json.Decoder(list[PhaseChange])
_GAPS_A_QUERY = 50


def list_servers(connection: Connection, now_ms: int) -> Servers:
    """Return every server that ever reported, or whose reports are refused, or whose agent cannot read it, by name."""
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
    rows = connection.execute(select(servers).where(is_known_server()).order_by(servers.c.server))
    return Servers(now=now_ms, servers=[_server_status(row, int(active.get(row.server, 0)), now_ms) for row in rows])


def list_coverage(connection: Connection, window: Interval, now_ms: int, server: str | None) -> Coverage:
    """Return the spans inside the window, of one server or of all."""
    from_ms, to_ms = window
    only = None if server is None else [server]
    kept_from = read_counter(connection, SLOTS_KEPT_FROM)
    outages_of = _outages(connection, from_ms, to_ms, only)
    covered = [
        (state, merge_pieces(pieces, from_ms, to_ms))
        for state, pieces in load_covered_servers(connection, from_ms, to_ms, now_ms, only)
    ]
    minutes_from = {state.server: max(kept_from, state.minutes_kept_from) for state, _ in covered}
    late_slots = _late_slots(
        connection,
        [gap for state, inside in covered for gap in _gaps(state.server, inside, minutes_from[state.server])],
    )
    found = []
    for state, inside in covered:
        deltas = backfilled_deltas(inside, late_slots.get(state.server, []), minutes_from[state.server])
        found.append(
            ServerCoverage(
                server=state.server,
                since=state.since,
                watermark=state.watermark,
                spans=[_coverage_span(piece, delta) for piece, delta in zip(inside, deltas, strict=True)],
                outages=outages_of.get(state.server, []),
            )
        )
    return Coverage(now=now_ms, from_ms=from_ms, to_ms=to_ms, servers=found)


def _coverage_span(piece: Piece, delta: GapDelta | None) -> CoverageSpan:
    return CoverageSpan(
        from_ms=piece.from_ms,
        to_ms=piece.to_ms,
        state=piece.state,
        detected_at=piece.detected_at,
        filled_at=piece.filled_at,
        reason=piece.reason or None,
        delta=delta,
    )


def provenance_of_server(item: CoveredServer, now_ms: int) -> Provenance:
    """Return the provenance of a server's newest figures."""
    newest = item.pieces[-1].state if item.pieces else Provenance.LIVE
    return newest if newest != Provenance.LIVE or not is_overdue(item.state, now_ms) else Provenance.MISSING


def _server_status(row: Row[Any], active: int, now_ms: int) -> ServerStatus:
    state = state_of_row(row)
    refusal = clock_refusal_of_row(row)
    failure = source_failure_of_row(row)
    owed_from = state.watermark if failure is None or state.watermark is not None else failure.since_ms
    overdue = not row.removed and (is_overdue(state, now_ms) or state.watermark is None)
    reports = state.last_sync_at is not None and now_ms - state.last_sync_at <= state.late_after_ms
    return ServerStatus(
        server=state.server,
        role=state.role,
        state="removed" if row.removed else "live" if reports else "unreachable",
        since=state.since,
        last_sync_at=state.last_sync_at,
        watermark=state.watermark,
        sync_interval_ms=state.sync_interval_ms,
        phase=state.phase,
        epoch=state.epoch,
        revision=state.acknowledged,
        owed_ms=max(0, now_ms - owed_from) if overdue and owed_from is not None else 0,
        active_subscribers=active,
        unseen_subscribers=active if active and row.owes else UNSET,
        clock_offset_ms=state.clock_offset_ms,
        removed=row.removed or None,
        removed_at=row.removed_at if row.removed else None,
        machine_offset_ms=state.machine_offset_ms,
        clock_refused_at=None if refusal is None else refusal.at_ms,
        clock_refused_by_ms=0 if refusal is None else refusal.by_ms,
        repair=_repair(state, now_ms),
        source_error=UNSET if failure is None else failure.error,
        source_error_since=UNSET if failure is None else failure.since_ms,
        source_error_at=UNSET if failure is None else failure.reported_at_ms,
    )


def _repair(state: ServerState, now_ms: int) -> Repair | UnsetType:
    if is_filed_ahead(state, now_ms):
        return "filed in the future"
    if has_exhausted_epochs(state):
        return "epochs used up"
    return "closed in advance" if is_ahead(state.closed_to, now_ms) else UNSET


def _outages(connection: Connection, from_ms: int, to_ms: int, only: Sequence[str] | None) -> dict[str, list[Outage]]:
    """Return the outages that agents reported and that overlap the window, by server, oldest first."""
    query = select(outages).where(outages.c.to_ms >= from_ms, outages.c.from_ms < to_ms).order_by(outages.c.from_ms)
    if only is not None:
        query = query.where(outages.c.server.in_(only))
    found: dict[str, list[Outage]] = {}
    for row in connection.execute(query):
        outage = Outage(
            from_ms=row.from_ms,
            to_ms=row.to_ms,
            phases=_PHASES.decode(row.phases),
            failed_attempts=row.failed_attempts,
            error=row.error,
            left_out=row.left_out,
        )
        found.setdefault(row.server, []).append(outage)
    return found


class _Gap(NamedTuple):
    """Slots of a server that contain a part of a gap."""

    server: str
    first: int
    upto: int
    """The end; no slot begins there or later."""


def _gaps(server: str, pieces: Sequence[Piece], kept_from: int) -> list[_Gap]:
    """Return the slots of the pieces that are not live, oldest first and each once."""
    gaps: list[_Gap] = []
    for piece in pieces:
        if piece.state is Provenance.LIVE or piece.to_ms <= kept_from:
            continue
        first, upto = max(slot_of(piece.from_ms), kept_from), slot_of(piece.to_ms - 1) + SLOT_MS
        if gaps and first <= gaps[-1].upto:
            gaps[-1] = gaps[-1]._replace(upto=max(upto, gaps[-1].upto))
        else:
            gaps.append(_Gap(server, first, upto))
    return gaps


def _late_slots(connection: Connection, gaps: Sequence[_Gap]) -> dict[str, list[LateSlot]]:
    """Return the slots that contain any part of a gap, by server. All epochs of a slot are combined."""
    found: dict[str, list[LateSlot]] = {}
    in_time = sorted(gaps, key=lambda gap: gap.first)  # so that a query reads few partitions
    for start in range(0, len(in_time), _GAPS_A_QUERY):
        for server, late_slots in _slots_of_gaps(connection, in_time[start : start + _GAPS_A_QUERY]).items():
            found.setdefault(server, []).extend(late_slots)
    return found


def _slots_of_gaps(connection: Connection, gaps: Sequence[_Gap]) -> dict[str, list[LateSlot]]:
    # All of them lie inside these bounds: without them every partition would be searched.
    bounds = (min(gap.first for gap in gaps), max(gap.upto for gap in gaps))

    def of_gaps(table: Table) -> ColumnElement[bool]:
        inside = (
            and_(table.c.server == server, table.c.slot >= first, table.c.slot < upto) for server, first, upto in gaps
        )
        return and_(table.c.slot >= bounds[0], table.c.slot < bounds[1], or_(*inside))

    query = select(slots).where(of_gaps(slots))
    counts = select(slot_connections).where(of_gaps(slot_connections), slot_connections.c.late_connections > 0)
    protocols: dict[tuple[str, int], dict[str, int]] = {}
    for row in connection.execute(counts):
        of_slot = protocols.setdefault((row.server, row.slot), {})
        of_slot[row.protocol] = of_slot.get(row.protocol, 0) + row.late_connections
    found: dict[tuple[str, int], LateSlot] = {}
    for row in connection.execute(query):
        key = (row.server, row.slot)
        late_slot = LateSlot(
            row.slot,
            LateFigures(connections=protocols.get(key, {}), **late_slot_sums(row)),
            _peak(row.peak_in_bps, row.peak_in_at),
            _peak(row.peak_out_bps, row.peak_out_at),
        )
        found[key] = _merge_epochs(found[key], late_slot) if key in found else late_slot
    result: dict[str, list[LateSlot]] = {}
    for (server, _), late_slot in found.items():
        result.setdefault(server, []).append(late_slot)
    return result


def _merge_epochs(slot: LateSlot, other: LateSlot) -> LateSlot:
    late = LateFigures(
        connections=slot.late.connections,
        **{name: getattr(slot.late, name) + getattr(other.late, name) for name in SLOT_SUM_NAMES},
    )
    return LateSlot(
        slot.slot, late, higher_peak(slot.peak_in, other.peak_in), higher_peak(slot.peak_out, other.peak_out)
    )


def _peak(bps: int | None, at: int | None) -> Peak | None:
    return None if bps is None or at is None else Peak(bps, at, 0)
