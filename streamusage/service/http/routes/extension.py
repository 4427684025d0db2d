"""The extension of the API for consoles under `/api/v1`: changes, servers, coverage, placements, trends, history,
import.
"""

import msgspec
from sqlalchemy import Connection
from starlette.responses import Response

from streamusage.api.extension import ImportResult, Servers
from streamusage.core.coverage import SLOT_MS, Interval
from streamusage.core.usage import RECORD_FIELDS, EmptyNameError, UsageRecord, stream_path
from streamusage.core.windows import check_steps
from streamusage.service.accounting.disagreements import list_disagreements
from streamusage.service.accounting.hours import hour_of
from streamusage.service.alerts.listing import summarize_alerts
from streamusage.service.http import operations as api
from streamusage.service.http.context import ADMIN_BODY, Call, Handlers, Service
from streamusage.service.http.errors import ApiError
from streamusage.service.http.operations import LARGEST_NUMBER, LONGEST_NAME
from streamusage.service.http.requests import Query, decode_body, parse_stream, path_below, window_of
from streamusage.service.http.responses import compressed_json, json_response, timed_json
from streamusage.service.http.shared_answers import SharedAnswers, SharedTrends
from streamusage.service.http.timed_json import TimedJson
from streamusage.service.queries.changes import changes_since, changes_state
from streamusage.service.queries.coverage import list_coverage, list_servers
from streamusage.service.queries.history import stream_history
from streamusage.service.queries.placements import list_placements
from streamusage.service.store.change_feed import parse_cursor
from streamusage.service.store.records import import_records

CHANGES_LIMIT = api.LARGEST_PAGE
"""Changes of a page, unless the client asks for fewer."""
MAX_POINTS = 20_000
"""The most points of one history."""
MAX_STEPS = 1_440
"""The most points of each trend."""

_STREAMS = "/api/v1/streams/"
_HISTORY = "/history"


def extension_handlers(service: Service) -> Handlers:
    """Return the handlers under `/api/v1` that consoles use."""
    pages = SharedAnswers()
    shared_trends = SharedTrends(service.answer)

    async def changes(call: Call) -> Response:
        limit = call.query.page_size(CHANGES_LIMIT)
        cursor = call.query.text("cursor") or None
        seen = parse_cursor(cursor) if cursor else None
        now_ms = service.clock.now_ms()

        def find(connection: Connection) -> TimedJson:
            state = changes_state(connection)
            if seen is not None and seen.life != state.life:
                service.store.check_life(connection, seen.life)
            page = pages.find((cursor, limit), state)
            if page is None:
                page = TimedJson(changes_since(connection, cursor, limit, now_ms))
                pages.keep((cursor, limit), state, page)
            return page

        page = await service.answer(find, 0 if seen is None else seen.change)
        return await timed_json(call.request, page, now_ms)

    async def servers(call: Call) -> Response:
        now_ms = service.clock.now_ms()
        from_memory = service.alerts.memory_alerts

        def work(connection: Connection) -> Servers:
            summary = summarize_alerts(connection, from_memory, now_ms)
            return msgspec.structs.replace(list_servers(connection, now_ms), alerts=summary)

        found = msgspec.structs.replace(await service.read(work), clock=service.clock.status())
        return await compressed_json(call.request, found)

    async def coverage(call: Call) -> Response:
        window, server = window_of(call.query), call.query.text("server")
        now_ms = service.clock.now_ms()
        found = await service.read(lambda connection: list_coverage(connection, window, now_ms, server))
        return await compressed_json(call.request, found)

    async def disagreements(call: Call) -> Response:
        window, server = window_of(call.query), call.query.text("server")
        hours = window._replace(from_ms=hour_of(window.from_ms))
        percent, now_ms = service.cross_check.percent, service.clock.now_ms()
        found = await service.read(lambda connection: list_disagreements(connection, hours, server, percent, now_ms))
        return await compressed_json(call.request, found)

    async def placements(call: Call) -> Response:
        window, server = window_of(call.query), call.query.text("server")
        now_ms = service.clock.now_ms()
        found = await service.read(lambda connection: list_placements(connection, window, now_ms, server))
        return await compressed_json(call.request, found)

    async def trends(call: Call) -> Response:
        window, step_ms = _steps(call.query, MAX_STEPS, call.query.number("step") or None)
        now_ms = service.clock.now_ms()
        return await timed_json(call.request, await shared_trends.answer(window, step_ms, now_ms), now_ms)

    async def history(call: Call) -> Response:
        stream = parse_stream(path_below(call.request, _STREAMS).removesuffix(_HISTORY))
        window, step_ms = _steps(call.query, MAX_POINTS, call.query.number("step"))
        now_ms = service.clock.now_ms()
        found = await service.answer(lambda connection: stream_history(connection, stream, window, step_ms, now_ms))
        return await compressed_json(call.request, found)

    async def import_usage_records(call: Call) -> Response:
        async with service.bodies.read_body(call.request, ADMIN_BODY) as body:
            try:
                records = await decode_body(body, list[UsageRecord])
            except msgspec.ValidationError as error:
                raise ApiError(422, f"not an array of usage records: {error}; nothing was imported") from None
            for number, record in enumerate(records, start=1):
                _check_imported(number, record)
            now_ms = service.clock.now_ms()
            imported = await service.write(
                lambda connection: import_records(connection, records, call.client_name, now_ms)
            )
        return json_response(ImportResult(imported=imported, kept=len(records) - imported))

    return {
        api.CHANGES: changes,
        api.SERVERS: servers,
        api.COVERAGE: coverage,
        api.DISAGREEMENTS: disagreements,
        api.PLACEMENTS: placements,
        api.TRENDS: trends,
        api.HISTORY: history,
        api.IMPORT: import_usage_records,
    }


def _check_imported(number: int, record: UsageRecord) -> None:
    """Refuse a record that the store or a path cannot hold; any Stream Manager may have written it. Raises 422."""
    for documented, name in RECORD_FIELDS.items():
        value = getattr(record, name)
        if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
            raise ApiError(422, f"{documented} of record {number} is out of range; nothing was imported")
        if isinstance(value, str) and not 1 <= len(value) <= LONGEST_NAME:
            raise ApiError(
                422, f"{documented} of record {number} must have 1 to {LONGEST_NAME} characters; nothing was imported"
            )
    try:
        stream_path(record.stream)
    except (EmptyNameError, UnicodeEncodeError):
        raise ApiError(422, f"the scope of record {number} cannot be written as a path; nothing was imported") from None


def _steps(query: Query, most: int, step_ms: int | None) -> tuple[Interval, int]:
    """Return the window, extended to begin at a multiple of the step, and the step in milliseconds."""
    window = window_of(query)
    step_ms = SLOT_MS if step_ms is None else step_ms
    return check_steps(window, step_ms, most), step_ms
