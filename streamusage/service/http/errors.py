"""Failures as the documented API tells them: a status and `{"errorMessage", "timestamp"}`, on every path."""

import msgspec
from starlette.responses import Response

JSON = "application/json"


class ApiError(Exception):
    """A request that is answered with a failure. The message says what happened and what to do."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


def error_response(status: int, message: str, now_ms: int, headers: dict[str, str] | None = None) -> Response:
    body = msgspec.json.encode({"errorMessage": message, "timestamp": now_ms})
    return Response(body, status, headers, JSON)


def json_response(content: object, status: int = 200) -> Response:
    """`content` is anything that msgspec can encode."""
    return Response(msgspec.json.encode(content), status, media_type=JSON)
