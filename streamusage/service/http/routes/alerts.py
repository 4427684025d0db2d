"""Alerts under `/api/v1/alerts`: the list, silences, and test messages."""

import secrets

import msgspec
from sqlalchemy import Connection
from starlette.responses import Response

from streamusage.api.alerts import AlertList, DeliveryTestRequest, Silence, SilenceRequest, SilenceResult, Silences
from streamusage.core.text import quote_input
from streamusage.service.alerts.listing import list_alerts
from streamusage.service.alerts.rows.alert_rows import end_silence, load_silences, save_silence
from streamusage.service.http import operations as api
from streamusage.service.http.context import ADMIN_BODY, Call, Handlers, Service
from streamusage.service.http.errors import NOT_FOUND, ApiError
from streamusage.service.http.requests import decode_body, path_below
from streamusage.service.http.responses import compressed_json, json_response
from streamusage.service.store.audit import record_audit
from streamusage.service.store.engines.locks import LockSet

_SILENCES = "/api/v1/alerts/silences/"
_LONGEST_PATTERN = 1_000
_MOST_MATCHERS = 16


def alert_handlers(service: Service) -> Handlers:
    """Return the handlers of alerts."""

    async def alerts(call: Call) -> Response:
        now_ms = service.clock.now_ms()
        from_memory, is_configured = service.alerts.memory_alerts, service.alert_settings is not None

        def work(connection: Connection) -> AlertList:
            return list_alerts(connection, from_memory, is_configured, now_ms)

        return await compressed_json(call.request, await service.read(work))

    async def silences(call: Call) -> Response:
        now_ms = service.clock.now_ms()
        found = await service.read(lambda connection: load_silences(connection, now_ms))
        return await compressed_json(call.request, Silences(now=now_ms, silences=found))

    async def silence(call: Call) -> Response:
        async with service.bodies.read_body(call.request, ADMIN_BODY) as body:
            try:
                wanted = await decode_body(body, SilenceRequest)
            except msgspec.ValidationError as error:
                raise ApiError(422, f"not a silence: {error}; nothing was silenced") from None
        _check(wanted)
        now_ms = service.clock.now_ms()
        begun = Silence(
            id=secrets.token_hex(4),
            matchers=wanted.matchers,
            created_at=now_ms,
            ends_at=now_ms + wanted.for_ms,
            by=call.client_name,
            reason=wanted.reason.strip(),
        )

        def work(connection: Connection) -> None:
            save_silence(connection, begun)
            record_audit(connection, call.client_name, f"silence alerts {begun.id}", now_ms, records=0)

        await service.write(work, LockSet())
        return json_response(SilenceResult(now=now_ms, silence=begun))

    async def end(call: Call) -> Response:
        key, now_ms = path_below(call.request, _SILENCES), service.clock.now_ms()

        def work(connection: Connection) -> Silence:
            ended = end_silence(connection, key, now_ms)
            if ended is None:
                raise ApiError(404, f"no silence {quote_input(key)} is in force; nothing was changed")
            record_audit(connection, call.client_name, f"end silence {ended.id}", now_ms, records=0)
            return ended

        if not key or "/" in key:
            raise ApiError(404, NOT_FOUND)
        return json_response(SilenceResult(now=now_ms, silence=await service.write(work, LockSet())))

    async def test(call: Call) -> Response:
        async with service.bodies.read_body(call.request, ADMIN_BODY) as body:
            try:
                wanted = await decode_body(body, DeliveryTestRequest)
            except msgspec.ValidationError as error:
                raise ApiError(422, f"not a request for a test: {error}; nothing was sent") from None
        settings = service.alert_settings
        if settings is None:
            raise ApiError(
                409,
                "this process of the service has no alerts file; nothing was sent: start it with --alerts FILE, or use "
                "streamtop alerts test NAME --file FILE",
            )
        receiver = settings.receiver(wanted.receiver)
        if receiver is None:
            known = ", ".join(known.name for known in settings.receivers) or "none"
            raise ApiError(
                404, f"no receiver {quote_input(wanted.receiver)} is configured; nothing was sent; known: {known}"
            )
        return json_response(await service.alerts.test(receiver))

    return {
        api.ALERTS: alerts,
        api.SILENCES: silences,
        api.SILENCE: silence,
        api.END_SILENCE: end,
        api.TEST_RECEIVER: test,
    }


def _check(wanted: SilenceRequest) -> None:
    if not wanted.reason.strip():
        raise ApiError(422, "a silence needs a reason; nothing was silenced")
    if len(wanted.matchers) > _MOST_MATCHERS:
        raise ApiError(422, f"a silence has at most {_MOST_MATCHERS} matchers; nothing was silenced")
    for label, pattern in wanted.matchers.items():
        if not 1 <= len(label) <= 64 or len(pattern) > _LONGEST_PATTERN:
            raise ApiError(422, "a matcher is too long, or has no label; nothing was silenced")
