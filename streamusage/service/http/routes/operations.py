"""Routes for operators: server removal, orphans, the audit log, health and metrics."""

import asyncio
from urllib.parse import unquote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from streamusage.service.errors import StoreError
from streamusage.service.http import openapi
from streamusage.service.http.context import Service
from streamusage.service.http.errors import NOT_FOUND, ApiError
from streamusage.service.http.requests import LARGEST_NUMBER, Query, path_below
from streamusage.service.http.responses import compressed_json, json_response
from streamusage.service.ingest.server_removal import remove_server
from streamusage.service.metrics import CONTENT_TYPE, store_metrics
from streamusage.service.queries.orphans import list_orphans
from streamusage.service.store.audit import list_audit_entries
from streamusage.service.store.change_feed import set_counter

MAX_ENTRIES = 10_000
READY_SECONDS = 5.0
READY_FOR_MS = 1_000
"""How long an answer of `/readyz` is reused: a write to the store costs, and the request needs no token."""

_SERVERS = "/api/v1/servers/"


def operation_routes(service: Service) -> APIRouter:
    """Return the routes under `/api/v1` for operators, `/healthz`, `/readyz` and `/metrics`."""
    router = APIRouter(tags=["operations"])
    readiness = _Readiness(service)

    @router.delete(_SERVERS + "{server:anything}", summary="Remove a server from the estate", **openapi.REMOVE_SERVER)
    async def remove(request: Request) -> Response:
        query = Query(request)
        identity = service.require_admin(request, query)
        segment = path_below(request, _SERVERS)
        if not segment or "/" in segment:
            raise ApiError(404, NOT_FOUND)
        query.allow_only({"accessToken", "force"})
        force = query.text("force")
        if force not in {None, "true", "false"}:
            raise ApiError(400, "force must be true or false; nothing was done")
        server, now_ms = unquote(segment), service.clock.now_ms()
        changed = await service.write(
            lambda connection: remove_server(connection, server, identity.name, now_ms, force=force == "true")
        )
        how = "by force" if force == "true" else "in order"
        return json_response({"now": now_ms, "server": server, "removed": how, "sessions": changed})

    @router.get("/api/v1/orphans", summary="Reports of deleted records", **openapi.ORPHANS)
    async def orphans(request: Request) -> Response:
        query = Query(request)
        service.require_reader(request, query)
        from_ms, to_ms, limit = _page(query)
        found = await service.read(lambda connection: list_orphans(connection, from_ms, to_ms, limit))
        return await compressed_json(request, {"now": service.clock.now_ms()} | found)

    @router.get("/api/v1/audit", summary="Who deleted, discarded or imported what, and when", **openapi.AUDIT)
    async def audit(request: Request) -> Response:
        query = Query(request)
        service.require_admin(request, query)
        from_ms, to_ms, limit = _page(query)
        found = await service.read(lambda connection: list_audit_entries(connection, from_ms, to_ms, limit))
        return await compressed_json(request, {"now": service.clock.now_ms()} | found)

    @router.get("/healthz", summary="Liveness; needs no token", **openapi.HEALTH)
    async def healthz(request: Request) -> Response:
        return json_response({"status": "ok", "now": service.clock.now_ms()})

    @router.get("/readyz", summary="Readiness: whether the store is writable; needs no token", **openapi.READY)
    async def readyz(request: Request) -> Response:
        fault = await readiness.fault()
        if fault is not None:
            raise ApiError(503, fault, {"Retry-After": "5"})
        return json_response({"status": "ready", "now": service.clock.now_ms()})

    @router.get("/metrics", summary="Metrics for Prometheus", **openapi.METRICS)
    async def metrics(request: Request) -> Response:
        service.require_reader(request, Query(request))
        now_ms = service.clock.now_ms()
        families = await service.read(lambda connection: store_metrics(connection, now_ms))
        return Response(service.metrics.render(families), media_type=CONTENT_TYPE)

    return router


class _Readiness:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = asyncio.Lock()
        self._found_at_ms: int | None = None
        self._fault: str | None = None

    async def fault(self) -> str | None:
        """Return why the store cannot be written; `None` if it can."""
        async with self._lock:
            elapsed_ms = self._service.clock.elapsed_ms()
            if self._found_at_ms is None or elapsed_ms - self._found_at_ms >= READY_FOR_MS:
                self._fault = await self._try()
                self._found_at_ms = elapsed_ms
            return self._fault

    async def _try(self) -> str | None:
        now_ms = self._service.clock.now_ms()
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._service.write(lambda connection: set_counter(connection, "ready_at", now_ms))
        except StoreError as error:
            return str(error)
        except TimeoutError:
            return f"the store did not complete a write within {READY_SECONDS:g} s"
        return None


def _page(query: Query) -> tuple[int, int, int]:
    from_ms, to_ms, limit = query.number("from"), query.number("to"), query.number("limit")
    if limit is not None and not 1 <= limit <= MAX_ENTRIES:
        raise ApiError(400, f"limit must be from 1 to {MAX_ENTRIES}")
    from_ms, to_ms = from_ms or 0, LARGEST_NUMBER if to_ms is None else to_ms
    if to_ms < from_ms:
        raise ApiError(400, "from and to must be UTC milliseconds, to not before from")
    return from_ms, to_ms, limit or 1_000
