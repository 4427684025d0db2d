"""Subscribers of a stream over time: the servers added up per slot, then folded to steps.

A slot's figure is null if nothing is known of it. If the figures of some servers are known and others are not, it is
the known part, and its state shows that it is incomplete.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select

from streamusage.api.extension import History, HistoryPoint, ServerShare
from streamusage.core.coverage import SLOT_MS, Interval, Provenance, slot_of, worst
from streamusage.core.usage import StreamId
from streamusage.service.errors import WindowTooLongError
from streamusage.service.queries.coverage import provenance_of_server
from streamusage.service.rules.apply import Piece
from streamusage.service.rules.coverage import merge_pieces
from streamusage.service.store.change_feed import SAMPLES_KEPT_FROM, read_counter
from streamusage.service.store.coverage_rows import load_covered_servers
from streamusage.service.store.schema import samples, server_sessions, servers, stream_key

KNOWN = frozenset({Provenance.LIVE, Provenance.BACKFILLED, Provenance.PARTIAL})
MAX_HISTORY_DAYS = 400
"""The longest window of a query: the work grows with every minute."""
AHEAD_MS = 3_600_000
"""How far after now samples may be: an agent's clock may be ahead."""


def known_window(connection: Connection, window: Interval, now_ms: int) -> Interval:
    """Return the part of a window for which samples may exist: discarded samples are unknown, not zero.

    Raises `WindowTooLongError`.
    """
    known = window.clip(read_counter(connection, SAMPLES_KEPT_FROM), slot_of(now_ms + AHEAD_MS))
    if known.length_ms > MAX_HISTORY_DAYS * 86_400_000:
        raise WindowTooLongError(f"a query covers at most {MAX_HISTORY_DAYS} days; make the window shorter")
    return known


def select_samples(streams: Any, window: Interval) -> Select[Any]:
    """Return the query for the samples of these streams, or of a query's, on all servers, slot by slot.

    Every server with a sample of a stream has, or had, a publish of it, which is kept as long as the sample.
    """
    parts = (
        select(server_sessions.c.server, server_sessions.c.stream)
        .where(server_sessions.c.stream.in_(streams))
        .distinct()
        .subquery()
    )
    return (
        select(samples.c.server, samples.c.stream, samples.c.slot, samples.c.active, samples.c.highest)
        .join_from(parts, samples, and_(samples.c.server == parts.c.server, samples.c.stream == parts.c.stream))
        .where(samples.c.slot >= window.from_ms, samples.c.slot < window.to_ms)
    )


def stream_history(connection: Connection, stream: StreamId, window: Interval, step_ms: int, now_ms: int) -> History:
    """Return the stream's history. `window` begins at a multiple of `step_ms`."""
    key = stream_key(stream.scope, stream.name)
    known = known_window(connection, window, now_ms)
    sampled: dict[str, dict[int, tuple[int, int]]] = {}
    for row in connection.execute(select_samples([key], known)):
        sampled.setdefault(row.server, {})[row.slot] = row.active, row.highest
    live: dict[str, int] = dict(
        connection.execute(
            select(server_sessions.c.server, func.sum(server_sessions.c.active))
            .join(servers, servers.c.server == server_sessions.c.server)
            .where(
                server_sessions.c.stream == key,
                server_sessions.c.live == 1,
                server_sessions.c.epoch == servers.c.epoch,
            )
            .group_by(server_sessions.c.server)
        ).all()
    )
    estate = load_covered_servers(connection, *known, now_ms, sorted({*sampled, *live}))
    by_server = [
        with_samples(slots_without_samples(merge_pieces(item.pieces, *known)), sampled.get(item.state.server, {}))
        for item in estate
    ]
    return History(
        now=now_ms,
        step_ms=step_ms,
        points=fold_to_steps(sum_points(by_server), window, step_ms),
        servers=[
            ServerShare(
                server=item.state.server,
                active=int(live[item.state.server]),
                state=provenance_of_server(item, now_ms),
            )
            for item in estate
            if item.state.server in live
        ],
    )


def slots_without_samples(pieces: Iterable[Piece]) -> dict[int, HistoryPoint]:
    """Return one server's slots for a stream that it does not have: zero for a covered slot, null for unknown."""
    states: dict[int, list[Provenance]] = {}
    for piece in pieces:
        for slot in range(slot_of(piece.from_ms), piece.to_ms, SLOT_MS):
            states.setdefault(slot, []).append(piece.state)
    points = {}
    for slot, present in states.items():
        figure = 0 if KNOWN.intersection(present) else None
        points[slot] = HistoryPoint(slot, figure, figure, worst(present))
    return points


def with_samples(slots: dict[int, HistoryPoint], sampled: dict[int, tuple[int, int]]) -> dict[int, HistoryPoint]:
    """Return one server's slots with the samples of a stream, where there are any."""
    return slots | {
        slot: HistoryPoint(slot, *figures, slots[slot].state) for slot, figures in sampled.items() if slot in slots
    }


def sum_points(by_server: Iterable[dict[int, HistoryPoint]]) -> dict[int, HistoryPoint]:
    """Return the servers' slots added up. The state is the worst of the servers'."""
    total: dict[int, HistoryPoint] = {}
    for points in by_server:
        for slot, point in points.items():
            so_far = total.get(slot)
            total[slot] = point if so_far is None else _sum(so_far, point)
    return total


def fold_to_steps(slots: dict[int, HistoryPoint], window: Interval, step_ms: int) -> list[HistoryPoint]:
    """Return the steps of the window: the newest known active figure in each, the highest, and the worst state."""
    by_step: dict[int, list[HistoryPoint]] = {}
    for slot in sorted(slots):
        if window.from_ms <= slot < window.to_ms:
            by_step.setdefault((slot - window.from_ms) // step_ms, []).append(slots[slot])
    points = []
    for number, at in enumerate(range(window.from_ms, window.to_ms, step_ms)):
        inside = by_step.get(number, [])
        with_figures = [point for point in inside if point.active is not None]
        points.append(
            HistoryPoint(
                at,
                with_figures[-1].active if with_figures else None,
                max((point.highest or 0 for point in with_figures), default=None),
                worst(point.state for point in inside if point.state),
            )
        )
    return points


def _sum(point: HistoryPoint, other: HistoryPoint) -> HistoryPoint:
    if point.active is None or other.active is None:
        known = other if point.active is None else point
        active, highest = known.active, known.highest
    else:
        active, highest = point.active + other.active, (point.highest or 0) + (other.highest or 0)
    return HistoryPoint(point.at, active, highest, worst(state for state in (point.state, other.state) if state))
