"""HTTP connections within limits: the size of a request's head, the time in which a request must arrive, and how long
a client may leave an answer unread. A request outside the limits gets an answer in the documented shape, then the
connection is closed.
"""

import asyncio
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from streamusage.core.clock import Clock
from streamusage.service.http.plain_request import DirectHandler, PlainRequest


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits of one connection; `connections` is how many may be open at once."""

    head_bytes: int = 128 * 1024
    """Fits a scope and a name of 4,096 characters each, percent-encoded at their longest."""
    head_seconds: float = 15.0
    request_seconds: float = 300.0
    stall_seconds: float = 60.0
    idle_seconds: float = 75.0
    """Between two requests: longer than an agent's sync interval, so that the agent keeps its connection."""
    connections: int = 50_000


_LINGER_SECONDS = 2.0
"""How long arriving data is read and dropped after an early answer, so that the client receives the answer."""


class Deadline:
    """The one timer of a connection. Calls the callback that was set last, once, unless it is cleared or set again.

    Setting it again is cheap: it only notes the new time. For the thread of the event loop only.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due = math.inf
        self._callback: Callable[[], None]
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call `callback` after so many seconds, instead of what was set before."""
        self._due, self._callback = self._loop.time() + seconds, callback
        if self._timer is not None:
            if self._timer.when() <= self._due:  # it checks the new time when it fires
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due, self._check)

    def clear(self) -> None:
        """Call nothing until it is set again."""
        self._due = math.inf

    def close(self) -> None:
        """End the timer for good, so that nothing references the connection."""
        self.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        if self._due == math.inf:
            return
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._check)
            return
        self._due = math.inf
        self._callback()


def bounded_protocol(
    clock: Clock, limits: ConnectionLimits, direct: DirectHandler | None = None
) -> type[HttpToolsProtocol]:
    """Return the protocol class that a server uses for each of its connections."""

    class Bounded(_BoundedProtocol):
        pass

    Bounded.clock, Bounded.limits, Bounded.direct = clock, limits, direct
    return Bounded


class _BoundedProtocol(HttpToolsProtocol):
    clock: Clock
    limits: ConnectionLimits
    direct: DirectHandler | None = None
    _deadline: Deadline
    _stalled: asyncio.TimerHandle | None = None
    _request: PlainRequest | None = None
    """A request for `direct` whose body is arriving."""
    _url = b""
    _headers: list[tuple[bytes, bytes]]
    _head_bytes = 0
    """Received bytes that are neither body nor a whole request: a head, or the framing around the parts of a body."""
    _in_head = True
    _in_message = False
    _is_first = True
    _answered = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline = Deadline(self.loop)
        if len(self.connections) > self.limits.connections:
            self._answer(503, "the service has reached its limit of connections; retry")
            return
        self._deadline.set(self.limits.head_seconds, self._head_timed_out)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._deadline.close()
        if self._stalled is not None:
            self._stalled.cancel()

    def data_received(self, data: bytes) -> None:
        if self._answered:  # closing: later data is dropped
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > self.limits.head_bytes:
            self._answer(431, f"the request's head is larger than {self.limits.head_bytes} bytes; nothing was done")

    def on_message_begin(self) -> None:
        self._url, self._headers = b"", []
        self._in_message = True
        if not self._is_first:  # the first request's time runs from the connection's start
            self._deadline.set(self.limits.head_seconds, self._head_timed_out)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers are ignored
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        is_idle = self.cycle is None or self.cycle.response_complete
        if self.direct is not None and is_idle and self.parser.get_method() == b"POST":
            subject = self.direct.match(self._url, self._headers)
            if subject is not None:
                keep_alive = self.parser.get_http_version() == "1.1" and self.parser.should_keep_alive()
                self._request = PlainRequest(self, self._url, subject, keep_alive)
                self.cycle = self._request  # type: ignore[assignment]
                return
        self._pass_to_application()

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        if self._request is None:
            super().on_body(body)
        else:
            self._request.body += body

    def on_message_complete(self) -> None:
        self._in_head, self._in_message, self._is_first, self._head_bytes = True, False, False, 0
        request, self._request = self._request, None
        if request is None:
            super().on_message_complete()
        else:
            request.more_body = False
            if self.direct is None or not self.direct.handle(request):
                self.cycle = None  # type: ignore[assignment]
                self._pass_to_application()
                self.cycle.keep_alive = request.keep_alive
                super().on_body(request.body)
                super().on_message_complete()
        if self.cycle.response_complete:
            self._deadline.set(self.limits.idle_seconds, self.transport.close)
        else:
            self._deadline.clear()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.cycle.more_body:
            self._deadline.set(_LINGER_SECONDS, self.transport.close)
        elif not self._in_message:
            self._deadline.set(self.limits.idle_seconds, self.transport.close)

    def send(self, data: bytes) -> bool:
        if self.transport.is_closing():
            return False
        self.transport.write(data)
        return True

    def close(self) -> None:
        self.transport.close()

    def default_headers(self) -> Iterable[tuple[bytes, bytes]]:
        return self.server_state.default_headers

    def _pass_to_application(self) -> None:
        """Let the server begin the request whose head has arrived."""
        super().on_message_begin()
        super().on_url(self._url)
        for name, value in self._headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.limits.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def send_400_response(self, msg: str) -> None:
        self._answer(400, "this is not a valid HTTP request; nothing was done")

    def _head_timed_out(self) -> None:
        if self._in_head:
            self._answer(408, f"the request did not arrive within {self.limits.head_seconds:g} s; nothing was done")
        else:
            rest = max(0.0, self.limits.request_seconds - self.limits.head_seconds)
            self._deadline.set(rest, self._body_timed_out)

    def _body_timed_out(self) -> None:
        self._answer(408, "the request's body arrived too slowly; nothing was done")

    def _answer(self, status: int, message: str) -> None:
        """Answer without the application, then close. A whole request that arrived before still gets its answer from
        its handler, and nothing after it.
        """
        if self._answered or self.transport.is_closing():
            return
        self._answered = True
        cycle = self.cycle
        is_idle = cycle is None or cycle.response_complete
        if not is_idle and not cycle.more_body:
            cycle.keep_alive = False
            return
        if (cycle is None or not cycle.more_body) if is_idle else not cycle.response_started:
            body = msgspec.json.encode({"errorMessage": message, "timestamp": self.clock.now_ms()})
            head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
            self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()
