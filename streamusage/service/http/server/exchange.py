"""One HTTP request and its answer: from an ASGI application, or in one piece without it."""

import asyncio
import logging
import re
from http import HTTPStatus
from typing import Any, Protocol

from starlette.types import ASGIApp, Message, Scope

log = logging.getLogger(__name__)

Headers = list[tuple[bytes, bytes]]

RECEIVED_AT = "streamtop.received_at_ms"
"""Key of the ASGI scope: service time when the request's head had arrived."""

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}

_INVALID_IN_NAME = re.compile(rb'[\x00-\x1f\x7f()<>@,;:\[\]={} \t\\"]')
_INVALID_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class AnswerChannel(Protocol):
    """The connection that a request is answered on."""

    def write(self, data: bytes) -> None:
        """Send the bytes, unless the connection is closing."""

    async def drain(self) -> None:
        """Wait until the client has read enough of what was sent."""

    def resume_reading(self) -> None:
        """Read on: the application waits for more of the body."""

    def close(self) -> None:
        """Close after everything is sent."""

    def is_closing(self) -> bool:
        """Return whether nothing more can be sent."""

    def date_header(self) -> bytes:
        """Return the header line with which every answer begins."""

    def failure_body(self, message: str) -> bytes:
        """Return the body of a failure in the documented shape."""

    def on_response_complete(self) -> None:
        """Continue with the next request."""


class Exchange:
    """A request, whose `body` may still be arriving, and its answer."""

    direct_subject: Any = None
    """The result of `DirectHandler.match`, for a request that is answered by `answer`."""
    scope: Scope | None = None
    """The ASGI scope, for a request that an application answers in `run`."""
    _changed: asyncio.Event | None = None
    _awaits_continue = False
    _has_body = False
    _is_chunked = False
    _bytes_left = 0

    def __init__(self, channel: AnswerChannel, url: bytes, keep_alive: bool, received_at_ms: int) -> None:
        self._channel = channel
        self.received_at_ms = received_at_ms
        """Service time when the request's head had arrived."""
        self.url = url
        self.keep_alive = keep_alive
        self.body = b""
        self.more_body = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False

    def notify(self) -> None:
        """Wake the application: the body has grown or is complete, or the client has disconnected."""
        if self._changed is not None:
            self._changed.set()

    def answer(self, status: int, body: bytes, more_headers: bytes = b"") -> bool:
        """Send a JSON answer in one piece. Return `False` if the client has disconnected."""
        if self.disconnected or self._channel.is_closing():
            return False
        self.response_started = True
        close = b"" if self.keep_alive else b"connection: close\r\n"
        self._channel.write(
            b"%b%b%bcontent-length: %d\r\ncontent-type: application/json\r\n%b\r\n%b"
            % (STATUS_LINES[status], self._channel.date_header(), close, len(body), more_headers, body)
        )
        self._finish()
        return True

    async def run(self, app: ASGIApp) -> None:
        """Let the application answer. If it fails to, send a 500, or close a connection with half an answer."""
        assert self.scope is not None
        self._changed = asyncio.Event()
        if self.body or not self.more_body:
            self._changed.set()
        self._awaits_continue = any(
            name == b"expect" and value.lower() == b"100-continue" for name, value in self.scope["headers"]
        )
        try:
            await app(self.scope, self._receive, self._send)
        except Exception:
            log.exception("a request failed in the application")
        if self.response_complete or self.disconnected:
            return
        if self.response_started:
            self._channel.close()
        else:
            self.keep_alive = False
            self.answer(500, self._channel.failure_body("the request failed in the service; see its log"))

    async def _receive(self) -> Message:
        assert self._changed is not None
        if self._awaits_continue:
            self._awaits_continue = False
            self._channel.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self.disconnected and not self.response_complete:
            self._channel.resume_reading()
            await self._changed.wait()
            self._changed.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self.body = self.body, b""
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def _send(self, message: Message) -> None:
        await self._channel.drain()
        if self.disconnected or self._channel.is_closing():
            return
        if message["type"] == "http.response.start" and not self.response_started:
            self._send_head(message["status"], message["headers"])
        elif message["type"] == "http.response.body" and self.response_started and not self.response_complete:
            self._send_body(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(f"the application sent {message['type']} out of order")

    def _send_head(self, status: int, headers: Headers) -> None:
        self._awaits_continue = False
        lines = [STATUS_LINES[status], self._channel.date_header()]
        has_length = has_close = False
        for name, value in headers:
            if _INVALID_IN_NAME.search(name) or _INVALID_IN_VALUE.search(value):
                raise RuntimeError(f"the application sent an invalid header {name!r}")
            if name == b"content-length":
                has_length, self._bytes_left = True, int(value)
            elif name == b"connection" and value.lower() == b"close":
                has_close, self.keep_alive = True, False
            lines += (name, b": ", value, b"\r\n")
        if not self.keep_alive and not has_close:
            lines.append(b"connection: close\r\n")
        assert self.scope is not None
        self._has_body = self.scope["method"] != "HEAD" and status not in {204, 304}
        self._is_chunked = self._has_body and not has_length
        if self._is_chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        lines.append(b"\r\n")
        self.response_started = True
        self._channel.write(b"".join(lines))

    def _send_body(self, body: bytes, more_body: bool) -> None:
        if self._is_chunked:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            self._channel.write(chunk if more_body else chunk + b"0\r\n\r\n")
        elif self._has_body:
            self._bytes_left -= len(body)
            if self._bytes_left < 0 or (self._bytes_left and not more_body):
                raise RuntimeError("the application sent a body of another length than it announced")
            self._channel.write(body)
        if not more_body:
            self._finish()

    def _finish(self) -> None:
        self.response_complete = True
        self.notify()
        if not self.keep_alive:
            self._channel.close()
        self._channel.on_response_complete()
