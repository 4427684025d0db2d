"""Placements: which server carried which stream, and when.

A server's coverage says how its time is accounted for; its placements say which streams that time belongs to.
"""

from sqlalchemy import Connection, or_, select

from streamusage.api.extension import Placement, Placements
from streamusage.core.coverage import Interval
from streamusage.service.store.schema import server_sessions


def list_placements(connection: Connection, window: Interval, now_ms: int, server: str | None) -> Placements:
    """Return one entry for each publish that a server carried inside the window, oldest first.

    `to_ms` is `None` for a publish that was live at its server's last report: its end is not known yet.
    """
    table = server_sessions
    query = (
        select(table.c.scope, table.c.name, table.c.server, table.c.start_time, table.c.end_time, table.c.live)
        .where(table.c.start_time < window.to_ms, or_(table.c.end_time > window.from_ms, table.c.live == 1))
        .order_by(table.c.start_time, table.c.server, table.c.publish_id)
    )
    if server is not None:
        query = query.where(table.c.server == server)
    return Placements(
        now=now_ms,
        carriers=[
            Placement(
                scope=row.scope,
                name=row.name,
                server=row.server,
                from_ms=row.start_time,
                to_ms=None if row.live else row.end_time,
            )
            for row in connection.execute(query)
        ],
    )
