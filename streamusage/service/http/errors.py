"""Failures as the documented API reports them: a status and `{"errorMessage", "timestamp"}`, on every path."""

import msgspec
from starlette.responses import Response

from streamusage.service.errors import (
    ConflictError,
    InvalidRequestError,
    LimitExceededError,
    ObjectNotFoundError,
    ServiceError,
    StoreError,
)

JSON = "application/json"
RETRY_AFTER_SECONDS = 5
NOT_FOUND = "not found"

_STATUSES: tuple[tuple[type[ServiceError], int], ...] = (
    (InvalidRequestError, 400),
    (ObjectNotFoundError, 404),
    (ConflictError, 409),
    (StoreError, 503),
)

_LIMIT_STATUSES = {
    "json-depth": 422,
    "streams-per-day": 429,
    "protocols-per-day": 429,
    "requests-in-flight": 429,
    "connections": 503,
}
"""Statuses of requests that exceed a limit, if not 413."""

_RETRY_AFTER = {429: 30, 503: RETRY_AFTER_SECONDS}
"""Seconds after which a client may retry, by status."""


class ApiError(Exception):
    """A request that is answered with a failure. The message says what happened, what was kept and what to do next."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


def status_of(error: ServiceError) -> int:
    """Return the HTTP status of a domain error; 500 for an error that no route should let through."""
    if isinstance(error, LimitExceededError):
        return _LIMIT_STATUSES.get(error.limit, 413)
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def retry_after_seconds(status: int) -> int | None:
    """Return the seconds after which to retry; `None` for a status that a repetition does not change."""
    return _RETRY_AFTER.get(status)


def error_response(status: int, message: str, now_ms: int, headers: dict[str, str] | None = None) -> Response:
    """Build the response of a failure in the documented shape. A 429 and a 503 name the time after which to retry."""
    if status in _RETRY_AFTER:
        headers = {"Retry-After": str(_RETRY_AFTER[status])} | (headers or {})
    body = msgspec.json.encode({"errorMessage": message, "timestamp": now_ms})
    return Response(body, status, headers, JSON)
