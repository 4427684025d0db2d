"""Subscribers over time of every live stream at once, for the trend cells of a console's table.

`queries/history.py` answers this for one stream; a trend answers it for all live streams in one read of the store.
"""

from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, select, union

from streamusage.api.extension import Audience, HistoryPoint, Trend, Trends
from streamusage.core.coverage import SLOT_MS, Interval, Provenance
from streamusage.core.usage import StreamId
from streamusage.service.queries.audience import sum_audience
from streamusage.service.queries.history import (
    fold_to_steps,
    known_window,
    select_samples,
    slots_without_samples,
    sum_points,
    with_samples,
)
from streamusage.service.rules.apply import ServerState
from streamusage.service.rules.coverage import is_overdue, merge_pieces
from streamusage.service.rules.repair import is_ahead
from streamusage.service.store.change_feed import SAMPLES_KEPT_FROM, read_counter
from streamusage.service.store.coverage_rows import is_known_server, load_covered_servers
from streamusage.service.store.schema import has_ended, server_sessions, servers


class TrendsCondition(NamedTuple):
    """What may make the trends of one minute uncertain. Two equal conditions show the same time as accounted for."""

    samples_kept_from: int
    servers: int
    not_reporting: tuple[tuple[Any, ...], ...]
    """The servers that owe time, are filed in the future, refused, unreadable or removed, and which of it."""


def trends_condition(connection: Connection, now_ms: int) -> TrendsCondition:
    """Return the present condition. It costs one row of each server."""
    columns = (
        *(servers.c.server, servers.c.watermark, servers.c.sync_interval_ms, servers.c.removed),
        *(servers.c.clock_refused_at, servers.c.source_error_since),
    )
    rows = connection.execute(select(*columns).where(is_known_server()).order_by(servers.c.server)).all()
    conditions = []
    for server, watermark, sync_interval_ms, removed, refused_at, unread_since in rows:
        state = ServerState(server=server, watermark=watermark, sync_interval_ms=sync_interval_ms)
        owes = watermark is None or is_overdue(state, now_ms)
        condition = (owes, is_ahead(watermark, now_ms), refused_at is not None, unread_since is not None, removed)
        if any(condition):
            conditions.append((server, *condition))
    return TrendsCondition(read_counter(connection, SAMPLES_KEPT_FROM), len(rows), tuple(conditions))


def list_trends(connection: Connection, window: Interval, step_ms: int, now_ms: int) -> Trends:
    """Return the trend of every live stream. `window` begins at a multiple of `step_ms`."""
    known = known_window(connection, window, now_ms)
    names: dict[bytes, StreamId] = {}
    reporting: dict[bytes, set[str]] = {}
    live = (
        select(server_sessions.c.stream, server_sessions.c.scope, server_sessions.c.name, server_sessions.c.server)
        .join(servers, servers.c.server == server_sessions.c.server)
        .where(server_sessions.c.live == 1, server_sessions.c.epoch == servers.c.epoch)
        .order_by(server_sessions.c.server, server_sessions.c.publish_id)
    )
    for row in connection.execute(live):
        names[bytes(row.stream)] = StreamId(row.scope, row.name)
        reporting.setdefault(bytes(row.stream), set()).add(row.server)
    sampled: dict[bytes, dict[str, dict[int, tuple[int, int]]]] = {key: {} for key in names}
    sums: dict[str, dict[int, int]] = {}
    # The streams are a subquery: they may be more than a statement takes parameters.
    for server, stream_key, slot, active, highest in connection.execute(select_samples(_streams_of(known), known)):
        of_server = sums.setdefault(server, {})
        of_server[slot] = of_server.get(slot, 0) + active
        if (of_stream := sampled.get(bytes(stream_key))) is not None:
            of_stream.setdefault(server, {})[slot] = active, highest
    covered = load_covered_servers(connection, *known, now_ms)
    estate = {item.state.server: slots_without_samples(merge_pieces(item.pieces, *known)) for item in covered}
    audience = sum_audience([item.state for item in covered], estate, sums, now_ms)
    without_streams = (
        {server: _by_minute(slots, window) for server, slots in estate.items()} if step_ms == SLOT_MS else {}
    )
    trends = []
    for key, stream in names.items():
        concerned = sorted((reporting[key] | sampled[key].keys()) & estate.keys())
        if len(concerned) == 1 and without_streams:
            # Most streams are on one server, whose states are those of all of its streams.
            (server,) = concerned
            before = without_streams[server]
            active = before.active.copy()
            for slot, (figure, _) in sampled[key].get(server, {}).items():
                if slot in estate[server]:
                    active[(slot - window.from_ms) // SLOT_MS] = figure
            trends.append(Trend(scope=stream.scope, name=stream.name, active=active, state=before.state))
            continue
        by_server = [with_samples(estate[server], sampled[key].get(server, {})) for server in concerned]
        points = fold_to_steps(sum_points(by_server), window, step_ms)
        trends.append(
            Trend(
                scope=stream.scope,
                name=stream.name,
                active=[point.active for point in points],
                state=[point.state for point in points],
            )
        )
    points = fold_to_steps(audience, window, step_ms)
    return Trends(
        now=now_ms,
        from_ms=window.from_ms,
        step_ms=step_ms,
        streams=trends,
        audience=Audience(active=[point.active for point in points], state=[point.state for point in points]),
    )


def _streams_of(window: Interval) -> Select[Any]:
    """Return the query for the streams that may have samples in a window: those on air, and those that ended in it."""
    stream = select(server_sessions.c.stream)
    ended = stream.where(has_ended(server_sessions.c.live), server_sessions.c.end_time >= window.from_ms - SLOT_MS)
    return select(union(stream.where(server_sessions.c.live == 1), ended).subquery().c.stream)


class _Minutes(NamedTuple):
    """One server's minutes of the window for a stream that it does not have."""

    active: list[int | None]
    state: list[Provenance | None]


def _by_minute(slots: dict[int, HistoryPoint], window: Interval) -> _Minutes:
    points = [slots.get(slot) for slot in range(window.from_ms, window.to_ms, SLOT_MS)]
    return _Minutes(
        [None if point is None else point.active for point in points],
        [None if point is None else point.state for point in points],
    )
