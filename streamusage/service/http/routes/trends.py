"""Subscribers over time of every live stream at once: `GET /api/v1/trends`, for the trend cells of a console's table.

What `streams/{scope}/{name}/history` says of one stream, this says of all that are live, in one read of the store.
"""

from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection, select
from starlette.requests import Request
from starlette.responses import Response

from streamusage.core.coverage import SLOT_MS, Interval
from streamusage.core.usage import StreamId
from streamusage.service.http import openapi
from streamusage.service.http.context import Service
from streamusage.service.http.errors import ApiError
from streamusage.service.http.requests import Query
from streamusage.service.http.responses import answer
from streamusage.service.queries.coverage import watched
from streamusage.service.queries.history import added, folded, server_points, told_of
from streamusage.service.rules.apply import Piece
from streamusage.service.rules.coverage import merged
from streamusage.service.store.schema import samples, server_sessions, servers

MOST_STEPS = 1_440


def trend_routes(service: Service) -> APIRouter:
    """The route of trends."""
    router = APIRouter(tags=["extension"])

    @router.get("/api/v1/trends", summary="Subscribers of every live stream over time", **openapi.TRENDS)
    async def trends(request: Request) -> Response:
        query = Query(request)
        service.reader(request, query)
        from_ms, to_ms = query.needed_number("from"), query.needed_number("to")
        step_ms = query.number("step") or SLOT_MS
        if from_ms < 0 or to_ms < from_ms:
            raise ApiError(400, "from and to must be UTC milliseconds, to not before from")
        if step_ms <= 0 or step_ms % SLOT_MS:
            raise ApiError(400, f"step must be whole minutes in milliseconds, such as {SLOT_MS}")
        if (to_ms - from_ms) // step_ms > MOST_STEPS:
            raise ApiError(400, f"at most {MOST_STEPS} steps can be asked for at once; make step larger")
        cut = Interval(from_ms - from_ms % step_ms, to_ms)
        now_ms = service.clock.now_ms()
        found = await service.read(lambda connection: trends_answer(connection, cut, step_ms, now_ms))
        return await answer(request, {"now": now_ms, "from": cut.from_ms, "step_ms": step_ms, "streams": found})

    return router


def trends_answer(connection: Connection, window: Interval, step_ms: int, now_ms: int) -> list[dict[str, Any]]:
    """The trends as they are told. The window is cut at steps."""
    told = told_of(connection, window, now_ms)
    names: dict[bytes, StreamId] = {}
    reporting: dict[bytes, set[str]] = {}
    live = (
        select(server_sessions.c.stream, server_sessions.c.scope, server_sessions.c.name, server_sessions.c.server)
        .join(servers, servers.c.server == server_sessions.c.server)
        .where(server_sessions.c.live == 1, server_sessions.c.epoch == servers.c.epoch)
    )
    for row in connection.execute(live):
        names[row.stream] = StreamId(row.scope, row.name)
        reporting.setdefault(row.stream, set()).add(row.server)
    sampled: dict[bytes, dict[str, dict[int, tuple[int, int]]]] = {key: {} for key in names}
    # Every sample of the window, not only those of the live streams: there may be more of these than a statement takes.
    for sample in connection.execute(
        select(samples.c.server, samples.c.slot, samples.c.stream, samples.c.active, samples.c.highest).where(
            samples.c.slot >= told.from_ms, samples.c.slot < told.to_ms
        )
    ):
        if sample.stream in sampled:
            sampled[sample.stream].setdefault(sample.server, {})[sample.slot] = sample.active, sample.highest
    estate: dict[str, list[Piece]] = {
        item.state.server: merged(item.pieces, *told) for item in watched(connection, *told, now_ms)
    }
    trends = []
    for key, stream in names.items():
        concerned = sorted((reporting[key] | sampled[key].keys()) & estate.keys())
        by_server = [server_points(estate[server], sampled[key].get(server, {})) for server in concerned]
        points = folded(added(by_server), window, step_ms)
        trends.append(
            {
                "scope": stream.scope,
                "name": stream.name,
                "active": [point.active for point in points],
                "state": [point.state for point in points],
            }
        )
    return trends
