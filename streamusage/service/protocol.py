"""HTTP connections within limits: how large a request's head may be, how long a request may take to come, and how long
a reader may let an answer wait. Whoever is outside of them is told so in the documented shape, and hung up on.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from streamusage.clock import Clock


@dataclass(frozen=True)
class ConnectionLimits:
    """Of one connection; `connections` is how many there may be at once."""

    head_bytes: int = 128 * 1024
    """Holds a scope and a name of 4,096 characters each, percent-encoded at their longest."""
    head_seconds: float = 15.0
    request_seconds: float = 300.0
    stall_seconds: float = 60.0
    connections: int = 50_000


_LINGER_SECONDS = 2.0
"""How long what is still coming is read and dropped after an early answer, so that the answer arrives."""


class Direct(Protocol):
    """What answers some requests without the application."""

    def takes(self, scope: Any) -> bool:
        """Whether it may be for this request, by its head."""

    def begin(self, cycle: RequestResponseCycle) -> bool:
        """Answers a request that is all there, now or later; `False` where the application is to answer."""


def bounded_protocol(clock: Clock, limits: ConnectionLimits, direct: Direct | None = None) -> type[HttpToolsProtocol]:
    """The protocol that a server speaks on each of its connections."""

    class Bounded(_BoundedProtocol):
        pass

    Bounded.clock, Bounded.limits, Bounded.direct = clock, limits, direct
    return Bounded


class _BoundedProtocol(HttpToolsProtocol):
    clock: Clock
    limits: ConnectionLimits
    direct: Direct | None = None
    _to_come: tuple[RequestResponseCycle, ASGI3Application] | None = None
    """A request that is for `direct` once its body is there."""
    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = True
    _in_message = False
    _answered = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._answer(503, "the service has as many connections as it can hold; ask again")
            return
        self._deadline = self.loop.call_later(self.limits.head_seconds, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        for timer in (self._deadline, self._stalled):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        if self._answered:  # hung up on: what still comes is dropped
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > self.limits.head_bytes:
            self._answer(431, f"the request's head is larger than {self.limits.head_bytes} bytes; nothing was done")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_message = True
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.limits.head_seconds, self._head_is_late)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_head = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head, self._in_message, self._head_bytes = True, False, 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._to_come is not None and not self._to_come[0].more_body:
            cycle, app = self._to_come
            self._to_come = None
            self._start_whole(cycle, app)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if self.direct is None or not self.direct.takes(cycle.scope):
            super()._start_asgi_task(cycle, app)
        elif cycle.more_body:
            self._to_come = cycle, app
        else:
            self._start_whole(cycle, app)

    def _start_whole(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if self.direct is None or not self.direct.begin(cycle):
            super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_message and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self._wait(_LINGER_SECONDS, self.transport.close)

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

    def _head_is_late(self) -> None:
        if self._in_head:
            self._answer(408, f"no whole request came within {self.limits.head_seconds:g} s; nothing was done")
        else:
            rest = max(0.0, self.limits.request_seconds - self.limits.head_seconds)
            self._wait(rest, lambda: self._answer(408, "the request's body came too slowly; nothing was done"))

    def _wait(self, seconds: float, then: object) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, then)  # type: ignore[arg-type]

    def _answer(self, status: int, message: str) -> None:
        """Answers without the application, then hangs up."""
        if self._answered or self.transport.is_closing():
            return
        self._answered = True
        if self.cycle is None or not self.cycle.response_started:
            body = msgspec.json.encode({"errorMessage": message, "timestamp": self.clock.now_ms()})
            head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
            self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()
