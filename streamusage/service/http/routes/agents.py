"""Operations of agents: an epoch for their journal, and their reports."""

import asyncio
from urllib.parse import unquote

import msgspec
from starlette.responses import Response

from streamusage.api.report import EpochRequest, Refusal
from streamusage.service.errors import EpochTooHighError
from streamusage.service.http import operations as api
from streamusage.service.http.context import Call, Handlers, Service
from streamusage.service.http.errors import NOT_FOUND, ApiError
from streamusage.service.http.report_decoding import SMALL_BYTES, decode_report
from streamusage.service.http.requests import BodyLimit, decode_body, path_below
from streamusage.service.http.responses import json_response
from streamusage.service.ingest.reports import ingest_report, issue_epoch, quarantine_report

OTHER_SERVER = "the report names another server than its path; nothing was changed"

_AGENTS = "/api/v1/agents/"
_EPOCH_BODY = BodyLimit(64 * 1024)


def agent_handlers(service: Service) -> Handlers:
    """Return the handlers under `/api/v1/agents/{server}`, for that server's agent only."""

    async def epochs(call: Call) -> Response:
        server = _server(call, "/epochs")
        with service.in_flight.counted(server):
            return await _issue(call, server)

    async def _issue(call: Call, server: str) -> Response:
        async with service.bodies.read_body(call.request, _EPOCH_BODY) as body:
            try:
                epoch_request = await decode_body(body, EpochRequest)
            except msgspec.ValidationError as error:
                raise ApiError(422, f"not an epoch request: {error}; nothing was changed") from None
        now_ms = service.clock.now_ms()
        issued = await service.write(lambda connection: issue_epoch(connection, server, epoch_request, now_ms))
        if isinstance(issued, EpochTooHighError):
            raise issued
        return json_response(issued)

    async def reports(call: Call) -> Response:
        server = _server(call, "/reports")
        with service.in_flight.counted(server):
            return await _ingest(call, server)

    async def _ingest(call: Call, server: str) -> Response:
        limits = service.limits
        async with service.bodies.read_body(call.request, BodyLimit(limits.report_bytes, "report_bytes")) as body:
            now_ms = service.clock.now_ms()
            try:
                if len(body) <= SMALL_BYTES:
                    report = decode_report(body, limits)
                else:
                    report = await asyncio.to_thread(decode_report, body, limits)
            except msgspec.ValidationError as error:
                reason = quarantine_reason(error)
                return _answer(
                    service,
                    await service.write(lambda connection: quarantine_report(connection, server, body, reason, now_ms)),
                )
            if report.server != server:
                raise ApiError(400, OTHER_SERVER)
            service.names.check(report)
            return _answer(
                service, await service.write(lambda connection: ingest_report(connection, report, body, now_ms))
            )

    return {api.EPOCHS: epochs, api.REPORTS: reports}


def quarantine_reason(error: msgspec.ValidationError) -> str:
    """Return why a report of an unknown form is quarantined."""
    return f"report quarantined for an operator, its form is unknown: {error}"


def _answer(service: Service, verdict: msgspec.Struct) -> Response:
    service.metrics.requests.count_report(verdict.reason if isinstance(verdict, Refusal) else "acknowledged")
    if isinstance(verdict, Refusal):
        return json_response(verdict, 422 if verdict.reason == "held" else 409)
    return json_response(verdict)


def _server(call: Call, suffix: str) -> str:
    segment = path_below(call.request, _AGENTS).removesuffix(suffix)
    if "/" in segment:
        raise ApiError(404, NOT_FOUND)
    server = unquote(segment)
    if call.client is None or not call.client.may_report_for(server):
        raise ApiError(403, "this token may not report for that server; nothing was changed")
    return server
