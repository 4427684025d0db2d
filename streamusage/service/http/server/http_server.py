"""An HTTP/1.1 server for one ASGI application: accepts connections, and stops without losing an answer."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

from starlette.types import ASGIApp

from streamusage.core.clock import Clock
from streamusage.service.http.server.acceptor import Acceptor
from streamusage.service.http.server.connection import DirectHandler, ServingState
from streamusage.service.http.server.connection_limits import ConnectionLimits

log = logging.getLogger(__name__)

GRACE_SECONDS = 10
"""How long a stop waits for requests that were accepted."""

_STOP_CHECK_SECONDS = 0.05


class HttpServer:
    """Serves `app` on one listening socket, TCP or Unix, from `start` to `request_stop`. Signals are the caller's.

    `direct` answers some requests without the application.
    """

    def __init__(
        self,
        app: ASGIApp,
        clock: Clock,
        limits: ConnectionLimits | None = None,
        direct: DirectHandler | None = None,
        on_refusal: Callable[[str], None] | None = None,
    ) -> None:
        self.server_state = ServingState(app, clock, limits or ConnectionLimits(), direct, on_refusal=on_refusal)
        self._stop_requested = asyncio.Event()
        self._acceptor: Acceptor | None = None

    async def start(self, listener: socket.socket, tls: ssl.SSLContext | None = None, backlog: int = 100) -> None:
        """Accept connections."""
        listener.listen(backlog)
        self._acceptor = Acceptor(self.server_state, listener, tls)

    def request_stop(self) -> None:
        """Let `serve` end. For the thread of the event loop only."""
        self._stop_requested.set()

    async def serve(self) -> None:
        """Wait for `request_stop`, then answer what was accepted, for `GRACE_SECONDS` at most."""
        await self._stop_requested.wait()
        state = self.server_state
        state.is_stopping = True
        if self._acceptor is not None:
            self._acceptor.close()
        for connection in list(state.connections):
            connection.stop()
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                while state.connections or state.tasks:  # noqa: ASYNC110 - a stop may take some milliseconds longer
                    await asyncio.sleep(_STOP_CHECK_SECONDS)
        except TimeoutError:
            log.error(
                "stopped after %d s with %d connections open; their requests were answered 503 or not at all",
                GRACE_SECONDS,
                len(state.connections),
            )
            for connection in list(state.connections):
                connection.give_up()
            for task in list(state.tasks):
                task.cancel()
            await asyncio.sleep(_STOP_CHECK_SECONDS)
            for connection in list(state.connections):
                connection.abort()
