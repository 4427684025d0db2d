"""Operations of operators: server removal and repair, orphans, the audit log, health and metrics."""

import asyncio
from urllib.parse import unquote

from prometheus_client.core import Metric
from sqlalchemy import Connection
from starlette.responses import Response

from streamusage.service.alerts.listing import alert_metrics
from streamusage.service.errors import StoreError
from streamusage.service.http import operations as api
from streamusage.service.http.context import Call, Handlers, Service
from streamusage.service.http.errors import NOT_FOUND, ApiError
from streamusage.service.http.requests import optional_window_of, path_below
from streamusage.service.http.responses import compressed_json, json_response
from streamusage.service.ingest.server_removal import remove_server
from streamusage.service.ingest.server_repair import plan_server_repair, repair_server
from streamusage.service.metrics import clock_metrics, format_metrics, store_metrics
from streamusage.service.queries.orphans import list_orphans
from streamusage.service.store.audit import list_audit_entries
from streamusage.service.store.change_feed import set_counter
from streamusage.service.store.engines.locks import LockSet

_ENTRIES = 1_000
"""Entries of a page, unless the client asks for another number."""
READY_SECONDS = 5.0
READY_FOR_MS = 1_000
"""How long an answer of `/readyz` is reused: a write to the store costs, and the request needs no token."""

INCLUDED_METRICS = ("process", "estate")
"""Parts of the metrics: those of the process that answers, and those that every process on a store has."""

_SERVERS = "/api/v1/servers/"
_REPAIR = "/repair"


def operator_handlers(service: Service) -> Handlers:
    """Return the handlers under `/api/v1` for operators, of `/healthz`, `/readyz` and `/metrics`."""
    readiness = _Readiness(service)

    async def remove(call: Call) -> Response:
        segment = path_below(call.request, _SERVERS)
        if not segment or "/" in segment:
            raise ApiError(404, NOT_FOUND)
        call.query.allow_only({"accessToken", "force"})
        force = call.query.text("force")
        if force not in {None, "true", "false"}:
            raise ApiError(400, "force must be true or false; nothing was done")
        server, now_ms = unquote(segment), service.clock.now_ms()
        removed = await service.write(
            lambda connection: remove_server(connection, server, call.client_name, now_ms, force=force == "true")
        )
        return json_response(removed)

    async def repair(call: Call) -> Response:
        segment = path_below(call.request, _SERVERS).removesuffix(_REPAIR)
        if not segment or "/" in segment:
            raise ApiError(404, NOT_FOUND)
        call.query.allow_only({"accessToken", "dry"})
        dry = call.query.text("dry")
        if dry not in {None, "true", "false"}:
            raise ApiError(400, "dry must be true or false; nothing was done")
        server, now_ms = unquote(segment), service.clock.now_ms()
        if dry != "false":
            return json_response(
                await service.read(lambda connection: plan_server_repair(connection, server, call.client_name, now_ms))
            )
        service.clock.require_trust("nothing was repaired")
        return json_response(
            await service.write(lambda connection: repair_server(connection, server, call.client_name, now_ms))
        )

    async def orphans(call: Call) -> Response:
        window, limit = optional_window_of(call.query), call.query.page_size(_ENTRIES)
        now_ms = service.clock.now_ms()
        found = await service.read(lambda connection: list_orphans(connection, window, limit, now_ms))
        return await compressed_json(call.request, found)

    async def audit(call: Call) -> Response:
        window, limit = optional_window_of(call.query), call.query.page_size(_ENTRIES)
        now_ms = service.clock.now_ms()
        found = await service.read(lambda connection: list_audit_entries(connection, window, limit, now_ms))
        return await compressed_json(call.request, found)

    async def healthz(_call: Call) -> Response:
        return json_response(api.HealthStatus(status="ok", now=service.clock.now_ms()))

    async def readyz(_call: Call) -> Response:
        fault = await readiness.fault()
        if fault is not None:
            raise ApiError(503, fault, {"Retry-After": "5"})
        clock = service.clock
        message = clock.describe_doubt() or None
        return json_response(api.HealthStatus(status="ready", now=clock.now_ms(), clock=clock.word, message=message))

    async def metrics(call: Call) -> Response:
        call.query.allow_only({"accessToken", "include"})
        include = call.query.text("include")
        if include not in {None, *INCLUDED_METRICS}:
            raise ApiError(
                400, f"include must be {' or '.join(INCLUDED_METRICS)}; without it, all metrics are returned"
            )
        families: list[Metric] = []
        if include != "estate":
            families += [*service.metrics.process_families(), *clock_metrics(service.clock.status())]
        if include != "process":
            now_ms, most = service.clock.now_ms(), service.metrics.limits.servers
            from_memory = service.alerts.memory_alerts

            def read(connection: Connection) -> list[Metric]:
                return [*store_metrics(connection, now_ms, most), *alert_metrics(connection, from_memory, now_ms)]

            families += await service.read(read)
            estate = service.metrics.estate
            families += await estate.families(service.read, service.account_zones[0], service.clock.now_ms)
        accept = call.request.headers.get("accept", "")
        text = await service.in_thread(lambda: format_metrics(families, accept))
        return Response(text.body, media_type=text.content_type)

    return {
        api.REMOVE_SERVER: remove,
        api.REPAIR_SERVER: repair,
        api.ORPHANS: orphans,
        api.AUDIT: audit,
        api.HEALTH: healthz,
        api.READY: readyz,
        api.METRICS: metrics,
    }


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
                await self._service.write(lambda connection: set_counter(connection, "ready_at", now_ms), LockSet())
        except StoreError as error:
            return str(error)
        except TimeoutError:
            return f"the store did not complete a write within {READY_SECONDS:g} s"
        return None
