"""The service as an ASGI application: its routes, and one shape for every failure."""

import functools
import logging
from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamusage.core.windows import WindowError
from streamusage.service.errors import LimitExceededError, ServiceError
from streamusage.service.http import openapi
from streamusage.service.http.context import Handler, Handlers, Service
from streamusage.service.http.errors import NOT_FOUND, ApiError, error_response, status_of
from streamusage.service.http.operations import OPERATIONS, STREAM_PATH, Operation
from streamusage.service.http.requests import redact_path
from streamusage.service.http.responses import json_response
from streamusage.service.http.routes.agents import agent_handlers
from streamusage.service.http.routes.alerts import alert_handlers
from streamusage.service.http.routes.daily import daily_handlers
from streamusage.service.http.routes.evidence import evidence_handlers
from streamusage.service.http.routes.extension import extension_handlers
from streamusage.service.http.routes.operations import operator_handlers
from streamusage.service.http.routes.usage import usage_handlers

log = logging.getLogger(__name__)
access_log = logging.getLogger("streamusage.service.access")

FAILED = "the request failed in the service; nothing was changed; the cause is in the service's log"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_MESSAGES = {404: NOT_FOUND, 405: "this path does not support that method"}


def make_app(service: Service) -> ASGIApp:
    """Build the application over the service's parts. The caller opens and closes those."""
    handlers: Handlers = {
        **agent_handlers(service),
        **usage_handlers(service),
        **extension_handlers(service),
        **daily_handlers(service),
        **evidence_handlers(service),
        **alert_handlers(service),
        **operator_handlers(service),
    }

    document = functools.cache(lambda: openapi.build_document(_version()))

    async def openapi_document(_request: Request) -> Response:
        return json_response(document())

    async def service_error(_request: Request, error: Exception) -> Response:
        assert isinstance(error, ServiceError)
        if isinstance(error, LimitExceededError):
            service.metrics.requests.count_refusal(error.limit)
        status = status_of(error)
        if status == 500:
            raise error
        return error_response(status, str(error), service.clock.now_ms())

    async def api_error(_request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)
        return error_response(error.status, error.message, service.clock.now_ms(), error.headers)

    async def window_error(_request: Request, error: Exception) -> Response:
        return error_response(400, str(error), service.clock.now_ms())

    async def http_error(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message = _MESSAGES.get(error.status_code, str(error.detail))
        headers = dict(error.headers) if error.headers else None
        return error_response(error.status_code, message, service.clock.now_ms(), headers)

    async def unexpected(_request: Request, _error: Exception) -> Response:
        return error_response(500, FAILED, service.clock.now_ms())

    routes = [_CountedRoute("/openapi.json", openapi_document)]
    for operation in OPERATIONS:
        endpoint = _endpoint(service, operation, handlers[operation])
        routes.append(_CountedRoute(_route_path(operation), endpoint, methods=[operation.method]))
    app = Starlette(
        routes=routes,
        exception_handlers={
            ApiError: api_error,
            HTTPException: http_error,
            ServiceError: service_error,
            WindowError: window_error,
            Exception: unexpected,
        },
    )
    app.router.redirect_slashes = False
    return _RequestLog(app, service)


def _endpoint(service: Service, operation: Operation, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await handler(service.admit(operation, request))

    return endpoint


def _route_path(operation: Operation) -> str:
    """Return the pattern that matches the operation's undecoded path: a scope may have several segments."""
    return operation.path.replace(STREAM_PATH, "/{scope_and_name:anything}").replace("{server}", "{server:anything}")


class _CountedRoute(Route):
    """A route that stores its own path in the scope, for the metrics."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["streamtop.route"] = self.path
        await super().handle(scope, receive, send)


class _RequestLog:
    """Counts and times every request, logs it by path alone, never with the query, and logs unexpected exceptions."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._requests = service.metrics.requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0
        began = self._requests.begin()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            log.exception("%s failed", _request_line(scope["method"], scope["raw_path"]))
            if not status:
                raise
        finally:
            seconds = self._requests.end(_method(scope), _route(scope), status, began)
            log_request(scope["method"], scope["raw_path"], status, seconds)


def log_request(method: str, raw_path: bytes, status: int, seconds: float) -> None:
    """Log an answered request; status 0 stands for a client that disconnected."""
    if access_log.isEnabledFor(logging.INFO):
        access_log.info("%s %s %d ms", _request_line(method, raw_path), status or "aborted", seconds * 1000)


def _request_line(method: str, raw_path: bytes) -> str:
    return f"{method} {redact_path(raw_path.decode('latin-1'))}"


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _route(scope: Scope) -> str:
    """Return the route's own path, whatever the request's path contains."""
    return str(scope.get("streamtop.route", "none"))


def _version() -> str:
    try:
        return version("streamtop")
    except PackageNotFoundError:
        return "unknown"
