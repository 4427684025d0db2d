"""Servers and their coverage as of now: the stored spans, and the time that is owed after the watermark."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, or_, select

from streamusage.core.coverage import Interval
from streamusage.service.rules.apply import Piece, ServerState
from streamusage.service.rules.coverage import ahead_pieces, owed_pieces
from streamusage.service.rules.epoch_repair import LARGEST_EPOCH
from streamusage.service.rules.repair import is_ahead
from streamusage.service.rules.utc_days import DAY_MS
from streamusage.service.store.change_feed import SLOTS_KEPT_FROM, read_counter
from streamusage.service.store.schema import held, servers, spans
from streamusage.service.store.server_rows import piece_of_row
from streamusage.service.store.server_states import state_of_row

LONGEST_SPAN_MS = 8 * DAY_MS
"""No span is longer. One of this version lies in one UTC day; a process of an earlier version on the same store writes
longer ones, which are cut within the hour (`long_spans`).
"""


class CoveredServer(NamedTuple):
    """A server that reported at least once, and its coverage inside a window."""

    state: ServerState
    """Its `since` is not before the time that retention discarded."""
    pieces: list[Piece]
    """Stored and owed pieces, oldest first, not merged."""


def load_covered_servers(
    connection: Connection, from_ms: int, to_ms: int, now_ms: int, only: Sequence[str] | None = None
) -> list[CoveredServer]:
    """Return the servers by name, each with the pieces that overlap the window. `only` restricts the servers.

    A server whose reports are refused for their clock, or whose agent cannot read it, is among them even if no report
    was ever accepted.
    """
    query = select(servers).where(is_known_server()).order_by(servers.c.server)
    overlap = and_(spans.c.to_ms > from_ms, spans.c.from_ms < to_ms, spans.c.from_ms > from_ms - LONGEST_SPAN_MS)
    # Servers are named in any case: the index begins with them.
    of_servers = spans.c.server.in_(select(servers.c.server) if only is None else only)
    pieces_query = select(spans).where(overlap, of_servers).order_by(spans.c.from_ms)
    if only is not None:
        query = query.where(servers.c.server.in_(only))
    kept_from = read_counter(connection, SLOTS_KEPT_FROM)
    rows = connection.execute(query).all()
    removed = {row.server for row in rows if row.removed}
    refused_at = {row.server: row.clock_refused_at for row in rows}
    unread_since = {row.server: row.source_error_since for row in rows}
    states = [_kept(state_of_row(row), kept_from) for row in rows]
    pieces: dict[str, list[Piece]] = {state.server: [] for state in states}
    for row in connection.execute(pieces_query):
        pieces.setdefault(row.server, []).append(piece_of_row(row))
    held_reports: dict[str, list[Interval]] = {}
    for row in connection.execute(select(held.c.server, held.c.from_ms, held.c.to_ms).where(held.c.open == 1)):
        held_reports.setdefault(row.server, []).append(Interval(row.from_ms, row.to_ms))
    for state in states:
        if state.server in removed:  # removed servers owe nothing
            continue
        if is_ahead(state.watermark, now_ms):
            # Figures in the future must not hide that the present is not covered.
            pieces[state.server] += ahead_pieces(state, covered_until(connection, state.server, now_ms), now_ms)
        else:
            held_of = held_reports.get(state.server, [])
            pieces[state.server] += owed_pieces(
                state, held_of, now_ms, refused_at[state.server], unread_since[state.server]
            )
    return [CoveredServer(state, pieces[state.server]) for state in states]


def covered_until(connection: Connection, server: str, now_ms: int) -> int | None:
    """Return the end of the server's coverage before now; `None` if all of it lies in the future."""
    newest = select(spans.c.to_ms).where(spans.c.server == server, spans.c.from_ms < now_ms)
    to_ms = connection.execute(newest.order_by(spans.c.from_ms.desc()).limit(1)).scalar()
    return None if to_ms is None else min(to_ms, now_ms)


def is_known_server() -> ColumnElement[bool]:
    """Return the condition of servers that ever reported, or that cannot: their reports are refused for their clock,
    their agent cannot read them, or no epoch can be issued.
    """
    return or_(
        servers.c.epoch > 0,
        servers.c.clock_refused_at.is_not(None),
        servers.c.source_error_since.is_not(None),
        servers.c.issued > LARGEST_EPOCH,
    )


def _kept(state: ServerState, kept_from: int) -> ServerState:
    if state.since is None or state.since >= kept_from:
        return state
    return msgspec.structs.replace(state, since=kept_from)
