"""Routes for agents: an epoch for their journal, and their reports."""

from urllib.parse import unquote

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from streamusage.api.report import EpochRequest, Refusal, Report
from streamusage.service.http import openapi
from streamusage.service.http.context import Service
from streamusage.service.http.errors import NOT_FOUND, ApiError
from streamusage.service.http.requests import Query, decode_body, path_below
from streamusage.service.http.responses import json_response
from streamusage.service.ingest.reports import ingest_report, issue_epoch, quarantine_report

_AGENTS = "/api/v1/agents/"


def agent_routes(service: Service) -> APIRouter:
    """Return the routes under `/api/v1/agents/{server}`, for that server's agent only."""
    router = APIRouter(tags=["agents"])

    @router.post(
        _AGENTS + "{server:anything}/epochs",
        summary="Issue an epoch; it has no effect until a report uses it",
        **openapi.EPOCHS,
    )
    async def epochs(request: Request) -> Response:
        server = _server(service, request, "/epochs")
        async with service.bodies.read_body(request) as body:
            try:
                epoch_request = await decode_body(body, EpochRequest)
            except msgspec.ValidationError as error:
                raise ApiError(422, f"not an epoch request: {error}; nothing was changed") from None
        now_ms = service.clock.now_ms()
        return json_response(
            await service.write(lambda connection: issue_epoch(connection, server, epoch_request, now_ms))
        )

    @router.post(
        _AGENTS + "{server:anything}/reports",
        summary="Apply a report; answers after the commit",
        **openapi.REPORTS,
    )
    async def reports(request: Request) -> Response:
        server = _server(service, request, "/reports")
        async with service.bodies.read_body(request) as body:
            now_ms = service.clock.now_ms()
            try:
                report = await decode_body(body, Report)
            except msgspec.ValidationError as error:
                reason = f"report quarantined for an operator, its form is unknown: {error}"
                return _answer(
                    service,
                    await service.write(lambda connection: quarantine_report(connection, server, body, reason, now_ms)),
                )
            if report.server != server:
                raise ApiError(400, "the report names another server than its path; nothing was changed")
            return _answer(
                service, await service.write(lambda connection: ingest_report(connection, report, body, now_ms))
            )

    return router


def _answer(service: Service, verdict: msgspec.Struct) -> Response:
    service.metrics.requests.count_report(verdict.reason if isinstance(verdict, Refusal) else "acknowledged")
    if isinstance(verdict, Refusal):
        return json_response(verdict, 422 if verdict.reason == "held" else 409)
    return json_response(verdict)


def _server(service: Service, request: Request, suffix: str) -> str:
    identity = service.identify_by_header(request, Query(request))
    segment = path_below(request, _AGENTS).removesuffix(suffix)
    if "/" in segment:
        raise ApiError(404, NOT_FOUND)
    server = unquote(segment)
    if not identity.may_report_for(server):
        raise ApiError(403, "this token may not report for that server; nothing was changed")
    return server
