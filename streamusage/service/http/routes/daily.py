"""Accounting days under `/api/v1`: daily statistics, their sums, closing a day, and adjustments of closed days."""

import msgspec
from sqlalchemy import Connection
from starlette.responses import Response

from streamusage.api.daily import CloseResult
from streamusage.service.accounting.closing import close_day_by_operator
from streamusage.service.accounting.ledger import list_adjustments
from streamusage.service.http import operations as api
from streamusage.service.http.context import ADMIN_BODY, Call, Handlers, Service
from streamusage.service.http.errors import ApiError
from streamusage.service.http.requests import Query, decode_body
from streamusage.service.http.responses import compressed_json, json_response
from streamusage.service.http.routes.day_parameters import parse_day, parse_days, parse_zone
from streamusage.service.queries.daily import list_daily_statistics
from streamusage.service.queries.daily_streams import STREAM_GROUPS
from streamusage.service.queries.daily_sums import BY, GROUPS, list_daily_sums
from streamusage.service.store.audit import record_audit


def daily_handlers(service: Service) -> Handlers:
    """Return the handlers of accounting days."""
    zones = [tz.key for tz in service.account_zones]

    async def daily(call: Call) -> Response:
        days = parse_days(call.query)
        now_ms, settle_ms = service.clock.now_ms(), service.close_settle_ms
        found = await service.read(
            lambda connection: list_daily_statistics(
                connection, days.first, days.last, days.tz, now_ms, days.server, zones, settle_ms
            )
        )
        return await compressed_json(call.request, msgspec.structs.replace(found, clock=service.clock.word))

    async def sums(call: Call) -> Response:
        days = parse_days(call.query)
        by, group = _choice(call.query, "by", BY), _choice(call.query, "group", GROUPS)
        only = _only_customer(call, group)
        now_ms, settle_ms = service.clock.now_ms(), service.close_settle_ms
        found = await service.read(
            lambda connection: list_daily_sums(
                connection,
                days.first,
                days.last,
                days.tz,
                now_ms,
                days.server,
                zones,
                by,
                group,
                settle_ms,
                customers=service.customers,
                only_customer=only,
            )
        )
        return await compressed_json(call.request, found)

    async def adjustments(call: Call) -> Response:
        days = parse_days(call.query)
        now_ms = service.clock.now_ms()
        found = await service.read(
            lambda connection: list_adjustments(connection, days.tz, days.first, days.last, days.server, now_ms)
        )
        return await compressed_json(call.request, found)

    async def close(call: Call) -> Response:
        async with service.bodies.read_body(call.request, ADMIN_BODY) as body:
            try:
                close_request = await decode_body(body, api.CloseRequest)
            except msgspec.ValidationError as error:
                raise ApiError(422, f"not a request to close a day: {error}; nothing was closed") from None
        day, tz = parse_day("day", close_request.day), parse_zone(close_request.tz)
        now_ms = service.clock.now_ms()

        def closed(connection: Connection) -> CloseResult:
            service.clock.require_trust("no day was closed")
            done = close_day_by_operator(
                connection,
                service.account_zones,
                tz,
                day,
                close_request.server,
                call.client_name,
                service.close_grace_ms,
                now_ms,
                service.customers,
            )
            if done.closed:
                record_audit(
                    connection,
                    call.client_name,
                    f"close day {done.day} {done.tz}",
                    now_ms,
                    records=len(done.closed),
                    server=close_request.server or "",
                )
            return done

        return json_response(await service.write(closed))

    return {api.DAILY: daily, api.DAILY_SUMS: sums, api.ADJUSTMENTS: adjustments, api.CLOSE_DAY: close}


def _only_customer(call: Call, group: str) -> str | None:
    """Return the customer whose figures alone are wanted, or that the token may read; `None` for all."""
    wanted = call.query.text("customer")
    allowed = None if call.client is None else call.client.customer
    if allowed is not None and wanted not in (None, allowed):
        raise ApiError(403, f"this token reads the figures of the customer {allowed} only")
    only = wanted if allowed is None else allowed
    if only is not None and group not in STREAM_GROUPS:
        raise ApiError(
            400 if allowed is None else 403,
            f"figures of {only} alone are by {', '.join(STREAM_GROUPS)}: servers carry the streams of others, too; "
            "give group=customer",
        )
    return only


def _choice(query: Query, name: str, known: tuple[str, ...]) -> str:
    chosen = query.text(name) or known[0]
    if chosen not in known:
        raise ApiError(400, f"{name} must be one of {', '.join(known)}")
    return chosen
