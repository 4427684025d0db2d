"""The documented list of live streams, one entry for each server that publishes or relays a stream."""

from sqlalchemy import Connection, select

from streamusage.api.extension import LiveStream
from streamusage.service.store.schema import server_sessions, servers


def list_live_streams(connection: Connection) -> list[LiveStream]:
    """Return the live streams by name and server. Unreachable and removed servers have none."""
    query = (
        select(server_sessions, servers.c.role)
        .join(servers, servers.c.server == server_sessions.c.server)
        .where(
            server_sessions.c.live == 1,
            server_sessions.c.epoch == servers.c.epoch,
            servers.c.unreachable == 0,
            servers.c.removed == "",
        )
        .order_by(server_sessions.c.scope, server_sessions.c.name, server_sessions.c.server)
    )
    return [
        LiveStream(
            name=row.name,
            scope=row.scope,
            type=row.role,
            server_address=row.server,
            current_subscribers=row.active,
            start_time=row.start_time,
        )
        for row in connection.execute(query)
    ]
