"""Streams that moved from a server that is not seen: a newer session ends the older one until it is seen again.

A server is not seen while it owes newer figures, also where its agent reports that it cannot read it.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select

from streamusage.service.store.schema import server_sessions, servers
from streamusage.service.store.statements import PreparedStatement

_STREAMS_A_QUERY = 300

_STREAMS: Any = bindparam("streams", expanding=True)
_NEWEST_STARTS = PreparedStatement(
    select(server_sessions.c.stream, func.max(server_sessions.c.session_start))
    .join(servers, servers.c.server == server_sessions.c.server)
    .where(server_sessions.c.stream.in_(_STREAMS), server_sessions.c.anchors == 1, servers.c.removed != "by force")
    .group_by(server_sessions.c.stream),
    listed="streams",
)
_UNSEEN = PreparedStatement(
    select(server_sessions.c.stream, server_sessions.c.session_start)
    .join(servers, servers.c.server == server_sessions.c.server)
    .where(
        server_sessions.c.stream.in_(_STREAMS),
        server_sessions.c.live == 1,
        or_(servers.c.unreachable == 1, servers.c.owes != ""),
    )
    .distinct(),
    listed="streams",
)


def load_newest_starts(connection: Connection, streams: Collection[bytes]) -> dict[bytes, int]:
    """Return the start of the newest session of each stream on an origin or a standalone server."""
    return dict(_rows(connection, _NEWEST_STARTS, streams))


def load_unseen_sessions(connection: Connection, streams: Collection[bytes]) -> list[tuple[bytes, int]]:
    """Return stream and start of the sessions of these streams on servers that are not seen.

    A newer session may end them, and its removal return them.
    """
    return _rows(connection, _UNSEEN, streams)


def _rows(connection: Connection, statement: PreparedStatement, streams: Collection[bytes]) -> list[tuple[bytes, int]]:
    ordered = sorted(streams)
    return [
        (bytes(stream), start_time)
        for first in range(0, len(ordered), _STREAMS_A_QUERY)
        for stream, start_time in statement.rows(connection, streams=ordered[first : first + _STREAMS_A_QUERY])
    ]
