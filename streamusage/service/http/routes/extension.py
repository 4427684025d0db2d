"""The extension of the API for consoles under `/api/v1`: changes, servers, coverage, placements, trends, history,
import.
"""

from typing import Annotated

import msgspec
from fastapi import APIRouter
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from streamusage.core.coverage import SLOT_MS, Interval
from streamusage.core.usage import EmptyNameError, UsageRecord, stream_path
from streamusage.service.http import openapi
from streamusage.service.http.context import Service
from streamusage.service.http.errors import ApiError
from streamusage.service.http.requests import LARGEST_NUMBER, Query, decode_body, parse_stream, path_below
from streamusage.service.http.responses import compressed_json, json_response
from streamusage.service.queries.changes import changes_since
from streamusage.service.queries.coverage import list_coverage, list_servers
from streamusage.service.queries.history import stream_history
from streamusage.service.queries.placements import list_placements
from streamusage.service.queries.trends import list_trends
from streamusage.service.store.records import import_records

CHANGES_LIMIT = MAX_CHANGES = 10_000
MAX_POINTS = 20_000
"""The most points of one history."""
MAX_STEPS = 1_440
"""The most points of each trend."""

_STREAMS = "/api/v1/streams/"
_HISTORY = "/history"

Number = Annotated[int, Meta(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
Name = Annotated[str, Meta(min_length=1, max_length=4096)]


class ImportedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A documented record as any Stream Manager may send it: within bounds, otherwise unchecked."""

    name: Name
    scope: Name
    start_time: Number = msgspec.field(name="startTime")
    end_time: Number = msgspec.field(name="endTime")
    duration: Number
    active_subscribers: Number = msgspec.field(name="aciveSubscribers")
    max_subscribers: Number = msgspec.field(name="maxSubscribers")
    lost_subscribers: Number = msgspec.field(name="lostSubscribers")
    total_subscribers: Number = msgspec.field(name="totalSubscribers")
    updated: Number

    def record(self) -> UsageRecord:
        """Return it as a usage record."""
        return UsageRecord(**msgspec.structs.asdict(self))


def extension_routes(service: Service) -> APIRouter:
    """Return the routes under `/api/v1` that consoles use."""
    router = APIRouter(tags=["extension"])

    @router.get("/api/v1/changes", summary="What changed or was deleted since a cursor", **openapi.CHANGES)
    async def changes(request: Request) -> Response:
        query = Query(request)
        service.require_reader(request, query)
        limit = query.number("limit")
        limit = CHANGES_LIMIT if limit is None else limit
        if not 1 <= limit <= MAX_CHANGES:
            raise ApiError(400, f"limit must be from 1 to {MAX_CHANGES}")
        cursor = query.text("cursor")
        now_ms = service.clock.now_ms()
        return await compressed_json(
            request, await service.read(lambda connection: changes_since(connection, cursor, limit, now_ms))
        )

    @router.get("/api/v1/servers", summary="Servers, their state and what they owe", **openapi.SERVERS)
    async def servers(request: Request) -> Response:
        service.require_reader(request, Query(request))
        now_ms = service.clock.now_ms()
        found = await service.read(lambda connection: list_servers(connection, now_ms))
        return await compressed_json(request, {"now": now_ms, "servers": found})

    @router.get("/api/v1/coverage", summary="Which time is accounted for, and how", **openapi.COVERAGE)
    async def coverage(request: Request) -> Response:
        query = Query(request)
        service.require_reader(request, query)
        window = window_of(query)
        server = query.text("server")
        now_ms = service.clock.now_ms()
        found = await service.read(lambda connection: list_coverage(connection, *window, now_ms, server))
        return await compressed_json(
            request, {"now": now_ms, "from": window.from_ms, "to": window.to_ms, "servers": found}
        )

    @router.get("/api/v1/carriers", summary="Which server carried which stream, and when", **openapi.PLACEMENTS)
    async def placements(request: Request) -> Response:
        query = Query(request)
        service.require_reader(request, query)
        window = window_of(query)
        server = query.text("server")
        now_ms = service.clock.now_ms()
        found = await service.read(lambda connection: list_placements(connection, *window, server))
        return await compressed_json(request, {"now": now_ms, "carriers": found})

    @router.get("/api/v1/trends", summary="Subscribers of every live stream over time", **openapi.TRENDS)
    async def trends(request: Request) -> Response:
        query = Query(request)
        service.require_reader(request, query)
        cut, step_ms = _steps(query, MAX_STEPS, query.number("step") or None)
        now_ms = service.clock.now_ms()
        found = await service.read(lambda connection: list_trends(connection, cut, step_ms, now_ms))
        return await compressed_json(
            request, {"now": now_ms, "from": cut.from_ms, "step_ms": step_ms, "streams": found}
        )

    @router.get(
        _STREAMS + "{scope_and_name:anything}" + _HISTORY,
        summary="Subscribers of a stream over time",
        **openapi.HISTORY,
    )
    async def history(request: Request) -> Response:
        query = Query(request)
        service.require_reader(request, query)
        stream = parse_stream(path_below(request, _STREAMS).removesuffix(_HISTORY))
        cut, step_ms = _steps(query, MAX_POINTS, query.number("step"))
        now_ms = service.clock.now_ms()
        found = await service.read(lambda connection: stream_history(connection, stream, cut, step_ms, now_ms))
        return await compressed_json(request, {"now": now_ms} | found)

    @router.post("/api/v1/import", summary="Import exported usage records", **openapi.IMPORT)
    async def import_usage_records(request: Request) -> Response:
        identity = service.require_admin(request, Query(request))
        async with service.bodies.read_body(request) as body:
            try:
                sent = await decode_body(body, list[ImportedRecord])
            except msgspec.ValidationError as error:
                raise ApiError(422, f"not an array of usage records: {error}; nothing was imported") from None
            records = _imported(sent)
            now_ms = service.clock.now_ms()
            imported = await service.write(
                lambda connection: import_records(connection, records, identity.name, now_ms)
            )
        return json_response({"imported": imported, "kept": len(records) - imported})

    return router


def _imported(sent: list[ImportedRecord]) -> list[UsageRecord]:
    records = [record.record() for record in sent]
    for number, record in enumerate(records, start=1):
        try:
            stream_path(record.stream)
        except (EmptyNameError, UnicodeEncodeError):
            raise ApiError(
                422, f"the scope of record {number} cannot be written as a path; nothing was imported"
            ) from None
    return records


def _steps(query: Query, most: int, step_ms: int | None) -> tuple[Interval, int]:
    """Return the window, extended to begin at a multiple of the step, and the step in milliseconds."""
    window = window_of(query)
    step_ms = SLOT_MS if step_ms is None else step_ms
    if step_ms <= 0 or step_ms % SLOT_MS:
        raise ApiError(400, f"step must be whole minutes in milliseconds, such as {SLOT_MS}")
    if window.length_ms // step_ms > most:
        raise ApiError(400, f"a query covers at most {most} steps; make step larger")
    return Interval(window.from_ms - window.from_ms % step_ms, window.to_ms), step_ms


def window_of(query: Query) -> Interval:
    """Return the window of the parameters `from` and `to`. Raises 400."""
    window = Interval(query.require_number("from"), query.require_number("to"))
    if window.from_ms < 0 or window.to_ms < window.from_ms:
        raise ApiError(400, "from and to must be UTC milliseconds, to not before from")
    return window
