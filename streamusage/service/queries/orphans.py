"""Queries the orphan ledger: what servers reported of records after their deletion."""

from sqlalchemy import Connection, select

from streamusage.api.extension import Orphan, Orphans
from streamusage.core.coverage import Interval
from streamusage.service.store.schema import orphans


def list_orphans(connection: Connection, window: Interval, limit: int, now_ms: int) -> Orphans:
    """Return the orphans whose newest row arrived in the window, newest first."""
    query = select(orphans).where(orphans.c.last_at >= window.from_ms, orphans.c.last_at < window.to_ms)
    of_row = (orphans.c.scope, orphans.c.name, orphans.c.server, orphans.c.epoch, orphans.c.start_time)
    order = (orphans.c.last_at.desc(), *of_row, orphans.c.publish_id)
    rows = connection.execute(query.order_by(*order).limit(limit + 1)).all()
    return Orphans(
        now=now_ms,
        more=len(rows) > limit,
        orphans=[
            Orphan(
                scope=row.scope,
                name=row.name,
                start_time=row.start_time,
                server=row.server,
                end_time=row.end_time,
                active=row.active,
                highest=row.highest,
                total=row.total,
                first_at=row.first_at,
                last_at=row.last_at,
            )
            for row in rows[:limit]
        ],
    )
