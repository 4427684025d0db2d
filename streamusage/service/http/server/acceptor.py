"""Accepts connections, within the limit of connections and of open files.

asyncio's own loop accepts a whole backlog at once and logs a traceback for each connection that finds no open file.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl

from streamusage.service.http.server.connection import Connection, ServingState
from streamusage.service.http.server.exchange import STATUS_LINES

log = logging.getLogger(__name__)

_ACCEPTS_AT_ONCE = 64
"""Connections that are accepted before requests are served again."""

_RETRY_SECONDS = 0.1
_LOG_INTERVAL_SECONDS = 60.0
_TLS_SHUTDOWN_SECONDS = 1.0
"""How long a closed TLS connection waits for the client's own close: an idle client may never send it."""

_NO_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Acceptor:
    """Accepts the connections of one listening socket. For the thread of the event loop only."""

    def __init__(self, state: ServingState, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        self._state = state
        self._listener = listener
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._opening: dict[asyncio.Task[None], float] = {}
        """Connections whose TLS handshake is not complete, with their start, oldest first."""
        self._reserve: int | None = os.open(os.devnull, os.O_RDONLY)
        """A file to close when files run out, so that a connection can be accepted and answered."""
        self._next_log_at = 0.0
        self._resume: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        self._loop.add_reader(listener.fileno(), self._accept)

    def close(self) -> None:
        """Stop accepting, and drop the connections whose handshake is not complete."""
        if self._resume is not None:
            self._resume.cancel()
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()
        for task in list(self._opening):
            task.cancel()
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._handle_no_file(error)
                return
            connection.setblocking(False)
            if len(self._state.connections) + len(self._opening) >= self._state.limits.connections:
                self._make_room()
            task = self._loop.create_task(self._open(connection))
            self._opening[task] = self._loop.time()
            task.add_done_callback(self._forget)

    async def _open(self, connection: socket.socket) -> None:
        """Create the connection, after the handshake of TLS. A client that fails it is dropped."""
        timeouts = (
            {"ssl_handshake_timeout": self._state.limits.head_seconds, "ssl_shutdown_timeout": _TLS_SHUTDOWN_SECONDS}
            if self._tls is not None
            else {}
        )
        try:
            await self._loop.connect_accepted_socket(
                lambda: Connection(self._state), connection, ssl=self._tls, **timeouts
            )
        except (OSError, asyncio.CancelledError):  # SSLError and TimeoutError are kinds of OSError
            connection.close()

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._opening.pop(task, None)

    def _make_room(self) -> None:
        """Close the oldest connections that wait without a request; the new one is answered 503 if there is none."""
        oldest = next(iter(self._opening.items()), None) if self._tls is not None else None
        if oldest is not None and self._state.has_waited(oldest[1], self._loop.time()):
            self._opening.pop(oldest[0])
            oldest[0].cancel()
        else:
            self._state.close_waiting(self._loop.time())

    def _handle_no_file(self, error: OSError) -> None:
        """Answer one connection 503 with the reserve file, and log at most one line a minute."""
        now = self._loop.time()
        closed = self._state.close_waiting(now) if error.errno in _NO_FILES else 0
        if now >= self._next_log_at:
            self._next_log_at = now + _LOG_INTERVAL_SECONDS
            log.error(
                "cannot accept connections: %s; closed %d that had waited without a request, others are refused; "
                "raise the limit of open files or lower --limit connections=N",
                error.strerror,
                closed,
            )
        if error.errno in _NO_FILES and self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None
            with contextlib.suppress(OSError):
                self._refuse(self._listener.accept()[0])
        if self._reserve is None:
            with contextlib.suppress(OSError):
                self._reserve = os.open(os.devnull, os.O_RDONLY)
        # The listener stays readable: without a pause, the loop would do nothing else.
        self._loop.remove_reader(self._listener.fileno())
        self._resume = self._loop.call_later(
            _RETRY_SECONDS, self._loop.add_reader, self._listener.fileno(), self._accept
        )

    def _refuse(self, connection: socket.socket) -> None:
        with connection:
            connection.setblocking(False)
            self._state.count_refusal("connections")
            if self._tls is None:
                body = self._state.failure_body("the service has no open file left; nothing was done; retry")
                head = b"content-type: application/json\r\nretry-after: 5\r\nconnection: close\r\n"
                connection.send(STATUS_LINES[503] + head + b"content-length: %d\r\n\r\n%b" % (len(body), body))
