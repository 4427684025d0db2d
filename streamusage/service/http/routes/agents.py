"""Operations of agents: an epoch for their journal, their reports, and the service's clock."""

import asyncio
from functools import partial
from urllib.parse import unquote

import msgspec
from starlette.responses import Response

from streamusage.api.report import Acknowledgement, ClockQuestion, ClockReading, EpochRequest, Refusal, Report
from streamusage.service.errors import EpochTooHighError, PartsPendingError
from streamusage.service.http import operations as api
from streamusage.service.http.context import Call, Handlers, Service
from streamusage.service.http.errors import NOT_FOUND, ApiError
from streamusage.service.http.replies import stamp_reply
from streamusage.service.http.report_decoding import SMALL_BYTES, count_rows, decode_report
from streamusage.service.http.requests import BodyLimit, decode_body, path_below
from streamusage.service.http.responses import json_response
from streamusage.service.http.server.exchange import RECEIVED_AT
from streamusage.service.ingest.reports import (
    ingest_report,
    issue_epoch,
    locks_of_report,
    locks_of_server,
    quarantine_report,
    record_source_state,
)
from streamusage.service.rules.parts import LARGEST_WHOLE, split_report
from streamusage.service.store.report_parts import encode_part

OTHER_SERVER = "the report names another server than its path; nothing was changed"

_AGENTS = "/api/v1/agents/"
_SMALL_BODY = BodyLimit(64 * 1024)
_APPLY_SECONDS = 10.0
"""How long the acknowledgement of a report waits until its parts are applied. It is kept without that, but the agent's
next report is refused before."""


def agent_handlers(service: Service) -> Handlers:
    """Return the handlers under `/api/v1/agents/{server}`, for that server's agent only."""

    async def epochs(call: Call) -> Response:
        server = _server(call, "/epochs")
        with service.in_flight.counted(server):
            return await _issue(call, server)

    async def _issue(call: Call, server: str) -> Response:
        async with service.bodies.read_body(call.request, _SMALL_BODY) as body:
            try:
                epoch_request = await decode_body(body, EpochRequest)
            except msgspec.ValidationError as error:
                raise ApiError(422, f"not an epoch request: {error}; nothing was changed") from None
        service.clock.see_machine(server, epoch_request.machine)
        now_ms = service.clock.now_ms()
        issued = await service.write(
            lambda connection: issue_epoch(connection, server, epoch_request, now_ms), locks_of_server(server)
        )
        if isinstance(issued, PartsPendingError):
            service.parts.announce_work()
        if isinstance(issued, EpochTooHighError | PartsPendingError):
            raise issued
        return json_response(stamp_reply(issued, _received_at_ms(service, call), service.clock))

    async def reports(call: Call) -> Response:
        server = _server(call, "/reports")
        with service.in_flight.counted(server):
            return await _ingest(call, server)

    async def _ingest(call: Call, server: str) -> Response:
        received_at_ms = _received_at_ms(service, call)
        verdict, has_parts = await _judge(call, server)
        if isinstance(verdict, PartsPendingError):
            service.parts.announce_work()  # perhaps the process that accepted them has ended
            raise verdict
        if has_parts and isinstance(verdict, Acknowledgement):
            await service.parts.wait_until_applied(server, _APPLY_SECONDS)
        return _answer(service, verdict, received_at_ms)

    async def _judge(call: Call, server: str) -> tuple[Acknowledgement | Refusal | PartsPendingError, bool]:
        """Return the verdict on the report of a request, and whether it was to be accepted in parts."""
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
                return await service.write(
                    lambda connection: quarantine_report(connection, server, body, reason, now_ms),
                    locks_of_server(server),
                ), False
            if report.server != server:
                raise ApiError(400, OTHER_SERVER)
            report = service.names.admit(report)
            service.clock.see_machine(server, report.machine)
            parts: list[bytes] = []
            if len(body) > SMALL_BYTES and count_rows(report) > LARGEST_WHOLE:
                parts = await asyncio.to_thread(_encode_parts, report, now_ms)
            write = partial(ingest_report, report=report, body=body, now_ms=now_ms, parts=parts)
            # Accepting in parts writes no samples; and the names of a large report are not hashed in the event loop.
            locks = locks_of_server(server) if parts else locks_of_report(report)
            try:
                return await service.write(write, locks), bool(parts)
            finally:
                if parts:  # also if the client went away, or the answer of the store is unknown
                    service.parts.announce_work()

    async def clock(call: Call) -> Response:
        server = _server(call, "/clock")
        with service.in_flight.counted(server):
            async with service.bodies.read_body(call.request, _SMALL_BODY) as body:
                try:
                    question = await decode_body(body, ClockQuestion)
                except msgspec.ValidationError as error:
                    raise ApiError(422, f"not a question for the clock: {error}; nothing was changed") from None
        service.clock.see_machine(server, question.machine)
        received_at_ms = _received_at_ms(service, call)
        source = question.source
        if source is not None:
            now_ms = service.clock.now_ms()
            await service.write(
                lambda connection: record_source_state(connection, server, source, now_ms), locks_of_server(server)
            )
        reading = ClockReading(now=service.clock.now_ms(), received_at=received_at_ms, clock=service.clock.word)
        return json_response(reading)

    return {api.EPOCHS: epochs, api.REPORTS: reports, api.CLOCK: clock}


def _encode_parts(report: Report, now_ms: int) -> list[bytes]:
    return [encode_part(part) for part in split_report(report, now_ms)]


def quarantine_reason(error: msgspec.ValidationError) -> str:
    """Return why a report of an unknown form is quarantined."""
    return f"report quarantined for an operator, its form is unknown: {error}"


def _received_at_ms(service: Service, call: Call) -> int:
    """Return when the request arrived; on another HTTP server than ours, now."""
    return int(call.request.scope.get(RECEIVED_AT, service.clock.now_ms()))


def _answer(service: Service, verdict: Acknowledgement | Refusal, received_at_ms: int) -> Response:
    verdict = stamp_reply(verdict, received_at_ms, service.clock)
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
