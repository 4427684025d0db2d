"""Accounting days under `/api/v1`: daily statistics, their sums, closing a day, and adjustments of closed days."""

from datetime import date
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from streamusage.core.days import UnknownZoneError, zone
from streamusage.service.accounting.closing import close_day_by_operator
from streamusage.service.accounting.ledger import closed_until, list_adjustments
from streamusage.service.http import openapi
from streamusage.service.http.context import Service
from streamusage.service.http.errors import ApiError
from streamusage.service.http.requests import Query, decode_body
from streamusage.service.http.responses import compressed_json, json_response
from streamusage.service.queries.daily import list_daily_statistics
from streamusage.service.queries.daily_sums import BY, GROUPS, list_daily_sums
from streamusage.service.store.audit import record_audit

MAX_DAYS = 366


class CloseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The day to close, and the server; every server if none is named."""

    day: str
    tz: str = "UTC"
    server: str | None = None


class _Days(NamedTuple):
    first: date
    last: date
    tz: ZoneInfo
    server: str | None


def daily_routes(service: Service) -> APIRouter:
    """Return the routes of accounting days."""
    router = APIRouter(tags=["extension"])
    zones = [tz.key for tz in service.account_zones]

    @router.get("/api/v1/daily", summary="Daily statistics by server", **openapi.DAILY)
    async def daily(request: Request) -> Response:
        query = Query(request)
        service.require_reader(request, query)
        first, last, tz, server = _days(query)
        now_ms = service.clock.now_ms()

        def read(connection: Connection) -> dict[str, Any]:
            found = list_daily_statistics(connection, first, last, tz, now_ms, server, zones, service.close_settle_ms)
            return {"closed_to": closed_until(connection, tz) if tz.key in zones else None, "days": found}

        return await compressed_json(request, {"now": now_ms, "account_zones": zones} | await service.read(read))

    @router.get(
        "/api/v1/daily/sums",
        summary="Daily statistics added up by group of servers, day or month",
        **openapi.DAILY_SUMS,
    )
    async def sums(request: Request) -> Response:
        query = Query(request)
        service.require_reader(request, query)
        first, last, tz, server = _days(query)
        by, group = _choice(query, "by", BY), _choice(query, "group", GROUPS)
        now_ms = service.clock.now_ms()
        found = await service.read(
            lambda connection: list_daily_sums(
                connection, first, last, tz, now_ms, server, zones, by, group, service.close_settle_ms
            )
        )
        return await compressed_json(request, {"now": now_ms, "account_zones": zones, "sums": found})

    @router.get("/api/v1/adjustments", summary="Adjustments of closed days", **openapi.ADJUSTMENTS)
    async def adjustments(request: Request) -> Response:
        query = Query(request)
        service.require_reader(request, query)
        first, last, tz, server = _days(query)
        now_ms = service.clock.now_ms()
        found = await service.read(lambda connection: list_adjustments(connection, tz, first, last, server))
        return await compressed_json(request, {"now": now_ms, "adjustments": found})

    @router.post("/api/v1/days/close", summary="Close a day with the figures that are stored", **openapi.CLOSE_DAY)
    async def close(request: Request) -> Response:
        identity = service.require_admin(request, Query(request))
        async with service.bodies.read_body(request) as body:
            try:
                close_request = await decode_body(body, CloseRequest)
            except msgspec.ValidationError as error:
                raise ApiError(422, f"not a request to close a day: {error}; nothing was closed") from None
        day, tz = _parsed_day("day", close_request.day), _zone(close_request.tz)
        now_ms = service.clock.now_ms()

        def closed(connection: Connection) -> dict[str, Any]:
            done = close_day_by_operator(
                connection,
                service.account_zones,
                tz,
                day,
                close_request.server,
                identity.name,
                service.close_grace_ms,
                now_ms,
            )
            if done["closed"]:
                record_audit(
                    connection,
                    identity.name,
                    f"close day {done['day']} {done['tz']}",
                    now_ms,
                    records=len(done["closed"]),
                    server=close_request.server or "",
                )
            return done

        return json_response({"now": now_ms} | await service.write(closed))

    return router


def _days(query: Query) -> _Days:
    first = _parsed_day("from", query.require_text("from"))
    last = _parsed_day("to", query.require_text("to"))
    if last < first:
        raise ApiError(400, "to must not be before from")
    if (last - first).days >= MAX_DAYS:
        raise ApiError(400, f"a query covers at most {MAX_DAYS} days")
    return _Days(first, last, _zone(query.text("tz") or "UTC"), query.text("server"))


def _zone(name: str) -> ZoneInfo:
    try:
        return zone(name)
    except UnknownZoneError as error:
        raise ApiError(400, str(error)) from None


def _choice(query: Query, name: str, known: tuple[str, ...]) -> str:
    chosen = query.text(name) or known[0]
    if chosen not in known:
        raise ApiError(400, f"{name} must be one of {', '.join(known)}")
    return chosen


def _parsed_day(name: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or text != day.isoformat() or not 1971 <= day.year <= 9998:
        raise ApiError(400, f"{name} must be a day such as 2026-11-21")
    return day
