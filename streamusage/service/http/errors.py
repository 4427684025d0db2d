"""Failures as the documented API reports them: a status and `{"errorMessage", "timestamp"}`, on every path."""

import msgspec
from starlette.responses import Response

from streamusage.service.errors import ConflictError, InvalidRequestError, ObjectNotFoundError, ServiceError, StoreError

JSON = "application/json"
RETRY_AFTER_SECONDS = 5
NOT_FOUND = "not found"

_STATUSES: tuple[tuple[type[ServiceError], int], ...] = (
    (InvalidRequestError, 400),
    (ObjectNotFoundError, 404),
    (ConflictError, 409),
    (StoreError, 503),
)


class ApiError(Exception):
    """A request that is answered with a failure. The message says what happened, what was kept and what to do next."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


def status_of(error: ServiceError) -> int:
    """Return the HTTP status of a domain error; 500 for an error that no route should let through."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def error_response(status: int, message: str, now_ms: int, headers: dict[str, str] | None = None) -> Response:
    """Build the response of a failure in the documented shape. A 503 names the time after which to retry."""
    if status == 503:
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} | (headers or {})
    body = msgspec.json.encode({"errorMessage": message, "timestamp": now_ms})
    return Response(body, status, headers, JSON)
