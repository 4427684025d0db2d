"""The OpenAPI document, made from the table of operations and from the types that are encoded and decoded."""

from typing import Any

import msgspec

from streamusage.api.report import Refusal
from streamusage.service.http.operations import OPERATIONS, Access, Operation, Parameter

_JSON = "application/json"
_SCHEMAS = "#/components/schemas/"
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
    429: "A limit of the agent is exceeded for now; nothing was changed; retry",
    431: "The request's head is too large; nothing was done",
    503: "The store could not be read or written; nothing was changed; retry",
}
_FAILURES_OF_ALL = (408, 431, 503)
_FAILURE_SCHEMA = {
    "type": "object",
    "required": ["errorMessage", "timestamp"],
    "properties": {"errorMessage": {"type": "string"}, "timestamp": {"type": "integer"}},
    "example": _FAILURE,
}


def build_document(version: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the service of that version."""
    types = [kind for operation in OPERATIONS for kind in (operation.answer, operation.body) if kind is not None]
    schemas, components = msgspec.json.schema_components([*types, Refusal], ref_template=_SCHEMAS + "{name}")
    schema_of = dict(zip(types, schemas, strict=False))  # the last schema is that of Refusal
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "streamtop usage service",
            "summary": "Usage records of live streams and their provenance",
            "version": version,
        },
        "paths": paths,
        "components": {
            "schemas": components | {"Failure": _FAILURE_SCHEMA},
            "securitySchemes": {
                "accessToken": {"type": "apiKey", "in": "query", "name": "accessToken"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _describe(operation: Operation, schema_of: dict[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "tags": [operation.tag],
        "summary": operation.summary,
        "operationId": operation.operation_id,
        "parameters": [_describe_parameter(parameter) for parameter in operation.parameters],
        "security": _SECURITY[operation.access],
        "responses": _describe_responses(operation, schema_of),
    }
    if operation.body is not None:
        content = _content(schema_of[operation.body], operation.body_example)
        described["requestBody"] = {"required": True, "content": content}
    return described


def _describe_responses(operation: Operation, schema_of: dict[Any, Any]) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done"}
    if operation.answer is not None:
        done["content"] = _content(schema_of[operation.answer], operation.example)
    responses: dict[int, Any] = {200: done} | dict(operation.responses or {})
    for status in (*_FAILURES_OF_ACCESS[operation.access], *operation.failures, *_FAILURES_OF_ALL):
        failure = _content({"$ref": _SCHEMAS + "Failure"}, _FAILURE)
        responses[status] = {"description": _FAILURES[status], "content": failure}
    for status in operation.refusals:
        either = {"anyOf": [{"$ref": _SCHEMAS + "Refusal"}, {"$ref": _SCHEMAS + "Failure"}]}
        responses[status] = {"description": _FAILURES[status], "content": _content(either)}
    return {str(status): response for status, response in responses.items()}


def _describe_parameter(parameter: Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.is_required,
        "schema": parameter.schema,
    }
    if parameter.description:
        described["description"] = parameter.description
    if parameter.example is not None:
        described["example"] = parameter.example
    return described


def _content(schema: Any, example: Any = None) -> dict[str, Any]:
    return {_JSON: {"schema": schema} | ({} if example is None else {"example": example})}


_BY_QUERY: list[dict[str, list[str]]] = [{"accessToken": []}]
_BY_EITHER: list[dict[str, list[str]]] = [{"bearer": []}, {"accessToken": []}]
_SECURITY = {
    Access.ANYONE: [],
    Access.DOCUMENTED_READER: _BY_QUERY,
    Access.DOCUMENTED_ADMIN: _BY_QUERY,
    Access.READER: _BY_EITHER,
    Access.CUSTOMER: _BY_EITHER,
    Access.ADMIN: _BY_EITHER,
    Access.AGENT: _BY_EITHER,
}
_FAILURES_OF_ACCESS: dict[Access, tuple[int, ...]] = {
    Access.ANYONE: (),
    Access.DOCUMENTED_READER: (400,),
    Access.DOCUMENTED_ADMIN: (400,),
    Access.READER: (400, 401, 403),
    Access.CUSTOMER: (400, 401, 403),
    Access.ADMIN: (400, 401, 403),
    Access.AGENT: (400, 401, 403),
}
