"""Parameters, bodies, answers, examples and failures of each route in `/openapi.json`.

The schemas come from the types that agents, clients and the service itself encode and decode.
"""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

from streamusage.api.daily import Adjustments, CloseResult, DailySums
from streamusage.api.extension import (
    Audit,
    Changes,
    Coverage,
    Daily,
    History,
    ImportResult,
    LiveStream,
    Orphans,
    Placements,
    Servers,
    Trends,
)
from streamusage.api.report import Acknowledgement, EpochIssued, EpochRequest, Refusal, Report
from streamusage.core.usage import UsageRecord
from streamusage.service.http import openapi_examples as examples

_JSON = "application/json"
_SCHEMAS = "#/components/schemas/"
_LARGEST = 2**53

RECORD = {
    "name": "stream1",
    "scope": "live",
    "startTime": 1525079735737,
    "endTime": 1525079744557,
    "duration": 8820,
    "aciveSubscribers": 2,
    "maxSubscribers": 2,
    "lostSubscribers": 2,
    "totalSubscribers": 4,
    "updated": 1525079744558,
}
_FAILURE = {"errorMessage": "what happened, what was kept and what to do next", "timestamp": 1525079744558}
_FAILURES = {
    400: "The request is invalid, or the token on a documented path; nothing was done",
    401: "The token is wrong or missing",
    403: "The token's role does not suffice; nothing was done",
    404: "Not found",
    408: "The request arrived too slowly; nothing was done",
    409: "Conflicts with the present state; nothing was changed",
    413: "The body is too large, compressed or decompressed; nothing was done",
    415: "The body's content coding is not supported; nothing was done",
    422: "The body is JSON of another form; nothing was changed, a report is quarantined",
    431: "The request's head is too large; nothing was done",
    503: "The store could not be read or written; nothing was changed; retry",
}


def build_document(app: FastAPI) -> dict[str, Any]:
    """Return the application's OpenAPI document, built once."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes, summary=_SUMMARY)
        # A path template cannot express a scope of several segments: show scope and name.
        document["paths"] = {
            path.replace("{scope_and_name}", "{scope}/{name}"): item for path, item in document["paths"].items()
        }
        _, schemas = msgspec.json.schema_components(_TYPES, ref_template=_SCHEMAS + "{name}")
        document["components"] = {
            "schemas": schemas | {"Failure": _FAILURE_SCHEMA},
            "securitySchemes": {
                "accessToken": {"type": "apiKey", "in": "query", "name": "accessToken"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        }
        app.openapi_schema = document
    return app.openapi_schema


_SUMMARY = "Usage records of live streams and their provenance"
_TYPES = [
    UsageRecord,
    LiveStream,
    Placements,
    Changes,
    Servers,
    Coverage,
    Daily,
    DailySums,
    Adjustments,
    CloseResult,
    History,
    Trends,
    ImportResult,
    Orphans,
    Audit,
    Report,
    EpochRequest,
    EpochIssued,
    Acknowledgement,
    Refusal,
]
_FAILURE_SCHEMA = {
    "type": "object",
    "required": ["errorMessage", "timestamp"],
    "properties": {"errorMessage": {"type": "string"}, "timestamp": {"type": "integer"}},
    "example": _FAILURE,
}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": _SCHEMAS + name}


def _array(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _ref(name)}


def _content(schema: dict[str, Any], example: Any = None) -> dict[str, Any]:
    return {_JSON: {"schema": schema} | ({} if example is None else {"example": example})}


def _operation(
    answer: dict[str, Any] | None,
    *failures: int,
    example: Any = None,
    parameters: list[dict[str, Any]] | None = None,
    body: dict[str, Any] | None = None,
    body_example: Any = None,
    security: list[dict[str, list[str]]] | None = None,
    refusals: tuple[int, ...] = (),
    also: dict[int, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    ok: dict[str, Any] = {"description": "Done"}
    if answer is not None:
        ok["content"] = _content(answer, example)
    responses: dict[int, dict[str, Any]] = {200: ok} | (also or {})
    for status in (*failures, 408, 431, 503):
        responses[status] = {"description": _FAILURES[status], "content": _content(_ref("Failure"), _FAILURE)}
    for status in refusals:
        shape = {"anyOf": [_ref("Refusal"), _ref("Failure")]}
        responses[status] = {"description": _FAILURES[status], "content": _content(shape)}
    extra: dict[str, Any] = {"parameters": parameters or [], "security": security or []}
    if body is not None:
        extra["requestBody"] = {"required": True, "content": _content(body, body_example)}
    # Without a response class FastAPI would document JSON of any shape.
    return {"responses": responses, "openapi_extra": extra} | ({} if answer else {"response_class": Response})


def _parameter(name: str, schema: dict[str, Any], *, where: str = "query", needed: bool = False, **more: Any) -> Any:
    return {"name": name, "in": where, "required": needed or where == "path", "schema": schema} | more


_MILLIS = {"type": "integer", "minimum": 0, "maximum": _LARGEST}
_DAY = {"type": "string", "format": "date"}
_TEXT = {"type": "string", "minLength": 1, "maxLength": 4096}
_BY_QUERY: list[dict[str, list[str]]] = [{"accessToken": []}]
_BY_EITHER: list[dict[str, list[str]]] = [{"bearer": []}, {"accessToken": []}]
_STREAM = [
    _parameter("scope", _TEXT, where="path", description="May have several segments, separated by slashes"),
    _parameter("name", _TEXT, where="path", description="A slash inside the name is encoded as %2F"),
]
_SERVER = [_parameter("server", {"type": "string", "minLength": 1, "maxLength": 64}, where="path")]
_WINDOW = [_parameter("from", _MILLIS, needed=True), _parameter("to", _MILLIS, needed=True)]
_ONE_SERVER = [_parameter("server", {"type": "string"})]
_PAGE = [
    _parameter("from", _MILLIS),
    _parameter("to", _MILLIS),
    _parameter("limit", {"type": "integer", "minimum": 1, "maximum": 10_000}),
]
_START_TIME = _parameter(
    "startTime", {"type": "integer", "minimum": -_LARGEST, "maximum": _LARGEST}, description="Start time of one session"
)
_STATUS = {"type": "object", "properties": {"status": {"type": "string"}, "now": {"type": "integer"}}}

READ_ALL = _operation(
    _array("UsageRecord"),
    400,
    example=[RECORD],
    security=_BY_QUERY,
    parameters=[_parameter("If-None-Match", {"type": "string"}, where="header")],
    also={304: {"description": "Unchanged since that ETag"}},
)
READ_STREAM = _operation(_array("UsageRecord"), 400, 404, example=[RECORD], security=_BY_QUERY, parameters=_STREAM)
DELETE_ALL = _operation(None, 400, security=_BY_QUERY)
DELETE_STREAM = _operation(
    None, 400, 404, security=_BY_QUERY, parameters=[*_STREAM, _START_TIME],
    also={200: {"description": "Deleted. With startTime the body is the deleted record, otherwise it is empty"}},
)  # fmt: skip
LIVE = _operation(_array("LiveStream"), example=examples.LIVE)
CHANGES = _operation(
    _ref("Changes"),
    400, 401, 403,
    security=_BY_EITHER,
    parameters=[
        _parameter("cursor", {"type": "string"}),
        _parameter("limit", {"type": "integer", "minimum": 1, "maximum": 10_000}),
    ],
    example={
        "now": 1525079744558, "cursor": "8d0c3f9a5b7e1c24.2a.0", "reset": False, "more": False,
        "records": [RECORD | {"live": True, "provenance": "live"}],
        "deleted": [{"scope": "live", "name": "stream2", "startTime": 1525079735737}],
    },
)  # fmt: skip
SERVERS = _operation(_ref("Servers"), 400, 401, 403, example=examples.SERVERS, security=_BY_EITHER)
COVERAGE = _operation(
    _ref("Coverage"),
    400, 401, 403,
    example=examples.COVERAGE,
    security=_BY_EITHER,
    parameters=[*_WINDOW, *_ONE_SERVER],
)  # fmt: skip
_DAYS = [
    _parameter("from", _DAY, needed=True),
    _parameter("to", _DAY, needed=True),
    _parameter("tz", {"type": "string"}, example="Europe/Berlin"),
    *_ONE_SERVER,
]
DAILY = _operation(_ref("Daily"), 400, 401, 403, example=examples.DAILY, security=_BY_EITHER, parameters=_DAYS)
DAILY_SUMS = _operation(
    _ref("DailySums"),
    400, 401, 403,
    example=examples.DAILY_SUMS,
    security=_BY_EITHER,
    parameters=[
        *_DAYS,
        _parameter("by", {"enum": ["day", "month"]}),
        _parameter("group", {"enum": ["server", "role", "all"]}),
    ],
)  # fmt: skip
ADJUSTMENTS = _operation(
    _ref("Adjustments"), 400, 401, 403, example=examples.ADJUSTMENTS, security=_BY_EITHER, parameters=_DAYS
)
CLOSE_DAY = _operation(
    _ref("CloseResult"),
    400, 401, 403, 404, 409, 413, 415, 422,
    example=examples.CLOSED,
    security=_BY_EITHER,
    body={
        "type": "object",
        "required": ["day"],
        "additionalProperties": False,
        "properties": {
            "day": _DAY,
            "tz": {"type": "string", "default": "UTC"},
            "server": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
    },
    body_example={"day": "2026-11-20", "tz": "Europe/Berlin", "server": "edge-3"},
)  # fmt: skip
_STEP = _parameter("step", {"type": "integer", "minimum": 60_000, "multipleOf": 60_000})
HISTORY = _operation(
    _ref("History"),
    400, 401, 403,
    example=examples.HISTORY,
    security=_BY_EITHER,
    parameters=[*_STREAM, *_WINDOW, _STEP],
)  # fmt: skip
TRENDS = _operation(
    _ref("Trends"),
    400, 401, 403,
    example=examples.TRENDS,
    security=_BY_EITHER,
    parameters=[*_WINDOW, _STEP],
)  # fmt: skip
PLACEMENTS = _operation(
    _ref("Placements"),
    400, 401, 403,
    example=examples.PLACEMENTS,
    security=_BY_EITHER,
    parameters=[*_WINDOW, *_ONE_SERVER],
)  # fmt: skip
IMPORT = _operation(
    _ref("ImportResult"),
    400, 401, 403, 413, 415, 422,
    security=_BY_EITHER,
    example={"imported": 1, "kept": 0},
    body=_array("UsageRecord"),
    body_example=[RECORD],
)  # fmt: skip
REMOVE_SERVER = _operation(
    {
        "type": "object",
        "properties": {
            "now": {"type": "integer"},
            "server": {"type": "string"},
            "removed": {"enum": ["in order", "by force"]},
            "sessions": {"type": "integer"},
        },
    },
    400, 401, 403, 404, 409,
    security=_BY_EITHER,
    parameters=[*_SERVER, _parameter("force", {"type": "boolean"})],
    example={"now": 1525079744558, "server": "edge-1", "removed": "in order", "sessions": 3},
)  # fmt: skip
ORPHANS = _operation(_ref("Orphans"), 400, 401, 403, example=examples.ORPHANS, security=_BY_EITHER, parameters=_PAGE)
AUDIT = _operation(_ref("Audit"), 400, 401, 403, example=examples.AUDIT, security=_BY_EITHER, parameters=_PAGE)
EPOCHS = _operation(
    _ref("EpochIssued"),
    400, 401, 403, 404, 413, 415, 422,
    example=examples.EPOCH,
    security=_BY_EITHER,
    parameters=_SERVER,
    body=_ref("EpochRequest"),
    body_example={"journal": "0f6a2d", "epoch": 0},
)  # fmt: skip
REPORTS = _operation(
    _ref("Acknowledgement"),
    400, 401, 403, 404, 413, 415,
    security=_BY_EITHER,
    parameters=_SERVER,
    body=_ref("Report"),
    body_example=examples.REPORT,
    refusals=(409, 422),
    example={"epoch": 1, "acknowledged": 7, "now": 1525079744558},
)  # fmt: skip
HEALTH = _operation(_STATUS, example={"status": "ok", "now": examples.NOW})
READY = _operation(_STATUS, example={"status": "ready", "now": examples.NOW})
METRICS = _operation(
    None, 400, 401, 403, security=_BY_EITHER,
    also={200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)  # fmt: skip
