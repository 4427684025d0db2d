"""One HTTP/1.1 connection within limits: the size of a request's head, the time in which a request must arrive, and
how long a client may leave an answer unread.

httptools parses, through its documented callbacks. A request outside the limits gets an answer in the documented
shape, then the connection is closed.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from itertools import islice
from typing import Any, Protocol
from urllib.parse import unquote

import httptools
import msgspec
from starlette.types import ASGIApp, Scope

from streamusage.core.clock import Clock
from streamusage.service.http.server.connection_limits import ConnectionLimits, Deadline
from streamusage.service.http.server.exchange import RECEIVED_AT, STATUS_LINES, Exchange, Headers

log = logging.getLogger(__name__)

_LINGER_SECONDS = 2.0
"""How long arriving data is read and dropped after an early answer, so that the client receives the answer."""

_SHORTEST_WAIT_SECONDS = 1.0
"""How long a connection without a request is safe from being closed for a new one."""

_CLOSED_AT_ONCE = 16
_MOST_EXAMINED = 2_000
"""How many waiting connections are closed at once, and how many connections are examined for that."""

_NO_ROOM = "the service has reached its limit of {} connections (--limit connections=N); nothing was done; retry"
_STOPPED = "the service was stopped before the request was done; whether a change was kept is unknown; retry"

_UNREAD_BODY_BYTES = 64 * 1024
"""How much of a body is buffered until the application receives it."""


class DirectHandler(Protocol):
    """Answers some requests without the application."""

    def match(self, url: bytes, headers: Headers) -> Any:
        """Return the request context if this path handles the POST, else `None` to fall through to the application."""

    def handle(self, exchange: Exchange) -> bool:
        """Answer a complete request, now or later. Return `False` to fall through to the application."""


@dataclass
class ServingState:
    """What the connections of one server share."""

    app: ASGIApp
    clock: Clock
    limits: ConnectionLimits
    direct: DirectHandler | None = None
    is_stopping: bool = False
    on_refusal: Callable[[str], None] | None = None
    """Receives the name of the limit that a refused connection exceeds."""
    connections: dict["Connection", None] = field(default_factory=dict)
    """The open connections, oldest first."""
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _date_second: int = -1
    _date_header: bytes = b""

    def date_header(self) -> bytes:
        """Return the header line of the current second."""
        second = self.clock.now_ms() // 1000
        if second != self._date_second:
            self._date_second = second
            self._date_header = f"date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self._date_header

    def count_refusal(self, limit: str) -> None:
        """Count a connection that exceeds the limit of that name."""
        if self.on_refusal is not None:
            self.on_refusal(limit)

    def has_waited(self, since: float, now: float) -> bool:
        """Return whether a connection has had the time to send a request."""
        return now - since >= _SHORTEST_WAIT_SECONDS

    def close_waiting(self, now: float) -> int:
        """Close the oldest connections that wait without a request, and return how many: first those that never sent
        one, else idle ones.
        """
        half_open: list[Connection] = []
        idle: list[Connection] = []
        for connection in islice(self.connections, _MOST_EXAMINED):
            if connection.is_waiting and self.has_waited(connection.waiting_since, now):
                (idle if connection.has_answered else half_open).append(connection)
                if len(half_open) == _CLOSED_AT_ONCE:
                    break
        closed = half_open or idle[:1]
        for connection in closed:
            connection.give_way()
        return len(closed)

    def failure_body(self, message: str) -> bytes:
        """Return the body of a failure in the documented shape."""
        return msgspec.json.encode({"errorMessage": message, "timestamp": self.clock.now_ms()})


class Connection(asyncio.Protocol):
    """Parses requests and answers them one after another, pipelined ones in their order."""

    transport: asyncio.Transport
    _deadline: Deadline
    _stalled: asyncio.TimerHandle | None = None
    _writable: asyncio.Event | None = None
    """Set as soon as the client has read enough; `None` while nothing waits."""
    _url = b""
    _headers: Headers
    _head_bytes = 0
    """Received bytes that are neither body nor a whole request: a head, or the framing around the parts of a body."""
    _in_head = True
    _in_message = False
    _is_first = True
    _is_rejected = False
    _receiving: Exchange | None = None
    """The request whose head has arrived and whose body has not."""
    waiting_since = 0.0
    """When the connection was opened, or its last answer was sent, in the time of the loop."""
    has_answered = False

    def __init__(self, state: ServingState) -> None:
        self._state = state
        self._limits = state.limits
        self._loop = asyncio.get_running_loop()
        self._unanswered: deque[Exchange] = deque()
        """Requests in their order. The first is being answered."""
        self._parser = httptools.HttpRequestParser(self)
        # A request behind the last one of a connection must not suppress the answer of that one.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being received or answered: the client is idle, or has not sent a whole head."""
        return not self._unanswered and self._receiving is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time of the first request."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.waiting_since = self._loop.time()
        self._deadline = Deadline(self._loop)
        self._state.connections[self] = None
        if self._state.is_stopping:
            self.transport.close()
            return
        if len(self._state.connections) > self._limits.connections:
            self.give_way()
            return
        self._deadline.set(self._limits.head_seconds, self._head_timed_out)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whatever waits for the client."""
        self._state.connections.pop(self, None)
        self._deadline.close()
        self.resume_writing()
        for exchange in self._unanswered:
            exchange.disconnected = True
            exchange.notify()
        del self._parser  # it references this connection

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived. After a rejection nothing is read any more."""
        if self._is_rejected:
            return
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # it was answered as a request without an upgrade
        except httptools.HttpParserError:
            self._reject(400, "this is not a valid HTTP request; nothing was done")
        if self._head_bytes > self._limits.head_bytes:
            self._reject(431, f"the request's head is larger than {self._limits.head_bytes} bytes; nothing was done")

    # callbacks of the parser

    def on_message_begin(self) -> None:
        """Start the time of a later request."""
        self._url, self._headers = b"", []
        self._in_message = True
        if not self._is_first:  # the first request's time runs from the connection's start
            self._deadline.set(self._limits.head_seconds, self._head_timed_out)

    def on_url(self, url: bytes) -> None:
        """Collect the URL, which may come in pieces."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header. Trailers are ignored."""
        if self._in_head:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Begin the request, or queue it behind unanswered ones."""
        self._in_head = False
        keep_alive = self._parser.get_http_version() == "1.1" and self._parser.should_keep_alive()
        received_at_ms = self._state.clock.now_ms()
        exchange = self._receiving = Exchange(
            self, self._url, keep_alive and not self._state.is_stopping, received_at_ms
        )
        is_next = not self._unanswered
        if is_next and self._state.direct is not None and self._parser.get_method() == b"POST":
            exchange.direct_subject = self._state.direct.match(self._url, self._headers)
        if exchange.direct_subject is None:
            exchange.scope = self._read_scope(exchange)
        self._unanswered.append(exchange)
        if not is_next:
            self.transport.pause_reading()
        elif exchange.scope is not None:
            self._start_application(exchange)

    def on_body(self, body: bytes) -> None:
        """Buffer a part of the body. What arrives after an early answer is dropped."""
        self._head_bytes = 0
        exchange = self._receiving
        if exchange is None or exchange.response_complete:
            return
        exchange.body += body
        if len(exchange.body) > _UNREAD_BODY_BYTES:
            self.transport.pause_reading()
        exchange.notify()

    def on_message_complete(self) -> None:
        """Answer a direct request, complete the body of any other."""
        self._in_head, self._in_message, self._is_first, self._head_bytes = True, False, False, 0
        exchange, self._receiving = self._receiving, None
        if exchange is not None:
            exchange.more_body = False
            exchange.notify()
            direct = self._state.direct
            if direct is not None and exchange.direct_subject is not None and not direct.handle(exchange):
                exchange.scope = self._read_scope(exchange)
                self._start_application(exchange)
        if self._unanswered:
            self._deadline.clear()
        else:
            self._deadline.set(self._limits.idle_seconds, self.transport.close)

    # calls of the request that is being answered

    def write(self, data: bytes) -> None:
        """Send the bytes, unless the connection is closing."""
        if not self.transport.is_closing():
            self.transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has read enough of what was sent."""
        if self._writable is not None:
            await self._writable.wait()

    def resume_reading(self) -> None:
        """Read on: the application waits for more of the body."""
        self.transport.resume_reading()

    def close(self) -> None:
        """Close after everything is sent."""
        self.transport.close()

    def is_closing(self) -> bool:
        """Return whether nothing more can be sent."""
        return self.transport.is_closing()

    def date_header(self) -> bytes:
        """Return the header line with which every answer begins."""
        return self._state.date_header()

    def failure_body(self, message: str) -> bytes:
        """Return the body of a failure in the documented shape."""
        return self._state.failure_body(message)

    def on_response_complete(self) -> None:
        """Continue with the next request."""
        self._unanswered.popleft()
        self.waiting_since, self.has_answered = self._loop.time(), True
        if self.transport.is_closing():
            return
        self.transport.resume_reading()
        if self._unanswered:
            self._start_application(self._unanswered[0])
        elif self._receiving is not None:
            self._deadline.set(_LINGER_SECONDS, self.transport.close)
        elif not self._in_message:
            self._deadline.set(self._limits.idle_seconds, self.transport.close)

    # flow control

    def pause_writing(self) -> None:
        """Let the application wait, for a limited time, until the client reads."""
        self._writable = asyncio.Event()
        self._stalled = self._loop.call_later(self._limits.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Let the application continue."""
        if self._writable is not None and self._stalled is not None:
            self._writable.set()
            self._stalled.cancel()
            self._writable = self._stalled = None

    # ends

    def stop(self) -> None:
        """Close as soon as every request that has arrived is answered."""
        if self._unanswered:
            self._unanswered[-1].keep_alive = False
        else:
            self.transport.close()

    def give_way(self) -> None:
        """Close for a newer connection, or because there is no room for this one."""
        self._state.connections.pop(self, None)
        self._state.count_refusal("connections")
        if self.has_answered and not self._in_message:
            self.transport.close()
        else:
            self._reject(503, _NO_ROOM.format(f"{self._limits.connections:,}"))

    def give_up(self) -> None:
        """Answer 503 to the request that is being answered, if its answer has not begun, and close."""
        if self._unanswered and not self._unanswered[0].response_started and not self.transport.is_closing():
            exchange = self._unanswered[0]
            exchange.keep_alive = False
            exchange.answer(503, self._state.failure_body(_STOPPED), b"retry-after: 5\r\n")
        self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        self.transport.abort()

    def _head_timed_out(self) -> None:
        if self._in_head:
            self._reject(408, f"the request did not arrive within {self._limits.head_seconds:g} s; nothing was done")
        else:
            rest = max(0.0, self._limits.request_seconds - self._limits.head_seconds)
            self._deadline.set(rest, self._body_timed_out)

    def _body_timed_out(self) -> None:
        self._reject(408, "the request's body arrived too slowly; nothing was done")

    def _reject(self, status: int, message: str) -> None:
        """Answer without the application, then close. Requests that are complete still get their answers, and nothing
        after those.
        """
        if self._is_rejected or self.transport.is_closing():
            return
        self._is_rejected = True
        receiving = self._receiving
        complete = [exchange for exchange in self._unanswered if exchange is not receiving]
        if complete:
            complete[-1].keep_alive = False
            self._unanswered = deque(complete)
            return
        if receiving is None or not receiving.response_started:
            body = self._state.failure_body(message)
            retry = b"retry-after: 5\r\n" if status == 503 else b""
            head = b"content-type: application/json\r\n%bconnection: close\r\ncontent-length: %d\r\n\r\n"
            self.transport.write(STATUS_LINES[status] + head % (retry, len(body)) + body)
        self.transport.close()

    def _start_application(self, exchange: Exchange) -> None:
        task = self._loop.create_task(exchange.run(self._state.app))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    def _read_scope(self, exchange: Exchange) -> Scope:
        """Return the ASGI scope of the request whose head arrived last. An invalid URL raises."""
        url = httptools.parse_url(self._url)
        path = url.path.decode("ascii")
        transport = self.transport
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": self._parser.get_http_version(),
            "server": _address(transport.get_extra_info("sockname")),
            "client": _address(transport.get_extra_info("peername")),
            "scheme": "https" if transport.get_extra_info("sslcontext") else "http",
            "method": self._parser.get_method().decode("ascii"),
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": url.path,
            "query_string": url.query or b"",
            "headers": self._headers,
            RECEIVED_AT: exchange.received_at_ms,
        }


def _address(name: Any) -> tuple[str, int] | None:
    """Return host and port; `None` for a socket that has none."""
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None
