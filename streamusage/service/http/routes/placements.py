"""Which server carried which stream, and when: `GET /api/v1/carriers`, for a gap view by streams.

A server's coverage says how its time is accounted for; this says whose time that was.
"""

from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection, or_, select
from starlette.requests import Request
from starlette.responses import Response

from streamusage.service.http import openapi
from streamusage.service.http.context import Service
from streamusage.service.http.errors import ApiError
from streamusage.service.http.requests import Query
from streamusage.service.http.responses import answer
from streamusage.service.store.schema import server_sessions


def carrier_routes(service: Service) -> APIRouter:
    """The route of carriers."""
    router = APIRouter(tags=["extension"])

    @router.get("/api/v1/carriers", summary="Which server carried which stream, and when", **openapi.CARRIERS)
    async def carriers(request: Request) -> Response:
        query = Query(request)
        service.reader(request, query)
        from_ms, to_ms = query.needed_number("from"), query.needed_number("to")
        if from_ms < 0 or to_ms < from_ms:
            raise ApiError(400, "from and to must be UTC milliseconds, to not before from")
        server = query.text("server")
        now_ms = service.clock.now_ms()
        found = await service.read(lambda connection: carriers_answer(connection, from_ms, to_ms, server))
        return await answer(request, {"now": now_ms, "carriers": found})

    return router


def carriers_answer(connection: Connection, from_ms: int, to_ms: int, server: str | None) -> list[dict[str, Any]]:
    """One entry for every publish that a server carried inside the window, oldest first.

    Of a publish that was live when its server was last heard of, `to` is null: how long it went on is not known yet.
    """
    table = server_sessions
    query = (
        select(table.c.scope, table.c.name, table.c.server, table.c.start_time, table.c.end_time, table.c.live)
        .where(table.c.start_time < to_ms, or_(table.c.end_time > from_ms, table.c.live == 1))
        .order_by(table.c.start_time, table.c.server, table.c.publish_id)
    )
    if server is not None:
        query = query.where(table.c.server == server)
    return [
        {
            "scope": row.scope,
            "name": row.name,
            "server": row.server,
            "from": row.start_time,
            "to": None if row.live else row.end_time,
        }
        for row in connection.execute(query)
    ]
