"""The service as an ASGI application: its routes, and one shape for every failure."""

import logging
import re
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamusage.service.agents import agent_routes
from streamusage.service.carriers import carrier_routes
from streamusage.service.context import Service
from streamusage.service.documented import documented_routes
from streamusage.service.errors import ApiError, error_response
from streamusage.service.extension import extension_routes
from streamusage.service.store import StoreError

log = logging.getLogger(__name__)
access_log = logging.getLogger("streamusage.service.access")

_TOKEN = re.compile(r"(accessToken(?:=|%3D))[^&?%\s]*", re.IGNORECASE)
_WHAT = {404: "there is nothing at this path", 405: "this path does not know that method"}


def make_app(service: Service) -> ASGIApp:
    """The application over the service's parts. Whoever makes it opens and closes those."""
    app = FastAPI(
        title="streamtop usage service",
        version=_version(),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )

    @app.exception_handler(ApiError)
    async def refused(_request: Request, error: ApiError) -> Response:
        return error_response(error.status, error.message, service.clock.now_ms(), error.headers)

    @app.exception_handler(HTTPException)
    async def not_served(_request: Request, error: HTTPException) -> Response:
        message = _WHAT.get(error.status_code, str(error.detail))
        headers = dict(error.headers) if error.headers else None
        return error_response(error.status_code, message, service.clock.now_ms(), headers)

    @app.exception_handler(StoreError)
    async def not_kept(_request: Request, error: StoreError) -> Response:
        return error_response(503, str(error), service.clock.now_ms(), {"Retry-After": "5"})

    @app.exception_handler(Exception)
    async def failed(_request: Request, _error: Exception) -> Response:
        message = "the service failed on this request and says why in its log; nothing was changed"
        return error_response(500, message, service.clock.now_ms())

    app.include_router(documented_routes(service))
    app.include_router(extension_routes(service))
    app.include_router(carrier_routes(service))
    app.include_router(agent_routes(service))
    return _Outermost(app, service)


def redacted(path: str) -> str:
    """A path as it may stand in a log: a token that slipped into it is taken out, and nothing in it is a control."""
    return ascii(_TOKEN.sub(r"\1[redacted]", path))[1:-1]


class _Outermost:
    """Writes a line for every request, with the path alone and never the query, and logs what was not foreseen."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._clock = service.clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0
        began_ms = self._clock.elapsed_ms()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        shown = f"{scope['method']} {redacted(scope['raw_path'].decode('latin-1'))}"
        try:
            await self._app(scope, receive, sending)
        except Exception:
            log.exception("%s failed", shown)
            if not status:
                raise
        finally:
            access_log.info("%s %s %d ms", shown, status or "aborted", self._clock.elapsed_ms() - began_ms)


def _version() -> str:
    try:
        return version("streamtop")
    except PackageNotFoundError:
        return "unknown"
