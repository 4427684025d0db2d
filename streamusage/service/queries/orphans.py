"""Queries the orphan ledger: what servers reported of records after their deletion."""

from typing import Any

from sqlalchemy import Connection, select

from streamusage.service.store.schema import orphans


def list_orphans(connection: Connection, from_ms: int, to_ms: int, limit: int) -> dict[str, Any]:
    """Return the orphans whose newest row arrived in the window, newest first, as `GET /api/v1/orphans`."""
    query = select(orphans).where(orphans.c.last_at >= from_ms, orphans.c.last_at < to_ms)
    order = (orphans.c.last_at.desc(), orphans.c.scope, orphans.c.name, orphans.c.server, orphans.c.epoch)
    rows = connection.execute(query.order_by(*order).limit(limit + 1)).all()
    return {
        "more": len(rows) > limit,
        "orphans": [
            {
                "scope": row.scope,
                "name": row.name,
                "startTime": row.start_time,
                "server": row.server,
                "endTime": row.end_time,
                "active": row.active,
                "highest": row.highest,
                "total": row.total,
                "first_at": row.first_at,
                "last_at": row.last_at,
            }
            for row in rows[:limit]
        ],
    }
