"""Evidence for billed figures under `/api/v1`: statements, the chain of closings, and corrections."""

import base64
from collections.abc import Callable
from typing import TypeVar

import msgspec
from sqlalchemy import Connection
from starlette.responses import Response

from streamusage.api.evidence import Correction, CorrectionResult, SignedStatement
from streamusage.evidence.statement import NamedKey, to_bytes
from streamusage.service.accounting.chain import read_chain
from streamusage.service.accounting.corrections import approve, list_corrections, propose, reverse
from streamusage.service.http import operations as api
from streamusage.service.http.context import ADMIN_BODY, Call, Handlers, Service
from streamusage.service.http.errors import ApiError
from streamusage.service.http.requests import decode_body
from streamusage.service.http.responses import compressed_json, json_response
from streamusage.service.http.routes.day_parameters import parse_day, parse_days, parse_zone
from streamusage.service.queries.statement import compose_statement
from streamusage.service.store.audit import record_audit

Body = TypeVar("Body")


def evidence_handlers(service: Service) -> Handlers:
    """Return the handlers of evidence."""
    zones = [tz.key for tz in service.account_zones]

    async def statement(call: Call) -> Response:
        days, key = parse_days(call.query), service.statement_key
        service.clock.require_trust("nothing was signed")
        now_ms = service.clock.now_ms()
        named = None if key is None else NamedKey(name=key.public.name, rotations=list(key.rotations))
        found = await service.read(
            lambda connection: to_bytes(
                compose_statement(connection, days.first, days.last, days.tz, days.server, zones, named, now_ms)
            )
        )
        signature = None if key is None else base64.b64encode(key.sign(found)).decode()
        return await compressed_json(
            call.request, SignedStatement(now=now_ms, statement=found.decode(), signature=signature)
        )

    async def chain(call: Call) -> Response:
        first, last = call.query.number("first") or 0, call.query.number("last")
        upto = api.LARGEST_NUMBER if last is None else last
        limit, now_ms = call.query.page_size(api.LARGEST_PAGE), service.clock.now_ms()
        found = await service.read(lambda connection: read_chain(connection, first, upto, limit, now_ms))
        return await compressed_json(call.request, found)

    async def corrections(call: Call) -> Response:
        days = parse_days(call.query)
        now_ms = service.clock.now_ms()
        found = await service.read(
            lambda connection: list_corrections(connection, days.tz, days.first, days.last, days.server, now_ms)
        )
        return await compressed_json(call.request, found)

    async def propose_correction(call: Call) -> Response:
        wanted = await _read_body(service, call, api.CorrectionRequest)
        day, tz = parse_day("day", wanted.day), parse_zone(wanted.tz)
        reason = _check_reason(wanted.reason)
        return await _change(
            service,
            call,
            "propose",
            lambda connection, now_ms: propose(
                connection, tz, day, wanted.server, reason, call.client_name, now_ms, service.approval
            ),
        )

    async def approve_correction(call: Call) -> Response:
        wanted = await _read_body(service, call, api.ApprovalRequest)
        return await _change(
            service,
            call,
            "approve",
            lambda connection, now_ms: approve(connection, wanted.id, call.client_name, now_ms),
        )

    async def reverse_correction(call: Call) -> Response:
        wanted = await _read_body(service, call, api.ReversalRequest)
        reason = _check_reason(wanted.reason)
        return await _change(
            service,
            call,
            "reverse",
            lambda connection, now_ms: reverse(
                connection, wanted.id, reason, call.client_name, now_ms, service.approval
            ),
        )

    return {
        api.STATEMENT: statement,
        api.CHAIN: chain,
        api.CORRECTIONS: corrections,
        api.PROPOSE_CORRECTION: propose_correction,
        api.APPROVE_CORRECTION: approve_correction,
        api.REVERSE_CORRECTION: reverse_correction,
    }


async def _read_body(service: Service, call: Call, shape: type[Body]) -> Body:
    async with service.bodies.read_body(call.request, ADMIN_BODY) as body:
        try:
            return await decode_body(body, shape)
        except msgspec.ValidationError as error:
            raise ApiError(422, f"not a request about a correction: {error}; nothing was changed") from None


def _check_reason(text: str) -> str:
    if not text.strip():
        raise ApiError(422, "a correction needs a reason; nothing was changed")
    return text.strip()


async def _change(service: Service, call: Call, what: str, work: Callable[[Connection, int], Correction]) -> Response:
    """Answer with the correction that `work` makes or changes, and record it in the audit log."""
    now_ms = service.clock.now_ms()

    def changed(connection: Connection) -> Correction:
        service.clock.require_trust("no correction was changed")
        done = work(connection, now_ms)
        record_audit(
            connection,
            call.client_name,
            f"{what} correction {done.id}",
            now_ms,
            records=1,
            server=done.server,
        )
        return done

    return json_response(CorrectionResult(now=now_ms, correction=await service.write(changed)))
