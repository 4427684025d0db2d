"""A request that is answered without the application, and its answer, at as little cost as can be.

It stands where the server keeps the request that a connection is at, and has what the server looks at there.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

Headers = Sequence[tuple[bytes, bytes]]


class DirectHandler(Protocol):
    """What answers some requests by itself."""

    def match(self, url: bytes, headers: Headers) -> Any:
        """What it makes of a POST that may be for it, by the head; `None` where the application is to answer."""

    def handle(self, request: "PlainRequest") -> bool:
        """Answers a request that is all there, now or later; `False` where the application is to answer after all."""


class HttpConnection(Protocol):
    """What a request asks of its connection."""

    def send(self, data: bytes) -> bool:
        """Sends; `False` where nobody is there any more."""

    def close(self) -> None:
        """Hangs up once everything is sent."""

    def default_headers(self) -> Iterable[tuple[bytes, bytes]]:
        """What every answer has."""

    def on_response_complete(self) -> None:
        """Goes on to the next request."""


class _NoWaiter:
    def set(self) -> None:
        pass


class PlainRequest:
    """One request, whose `body` is all there when `DirectHandler.handle` is given it; `subject` is what `DirectHandler.match` made."""

    message_event = _NoWaiter()

    def __init__(self, connection: HttpConnection, url: bytes, subject: Any, keep_alive: bool) -> None:
        self._connection = connection
        self.url = url
        self.subject = subject
        self.keep_alive = keep_alive
        self.body = b""
        self.more_body = True
        self.disconnected = False
        self.response_complete = False

    @property
    def response_started(self) -> bool:
        """An answer goes out in one piece."""
        return self.response_complete

    def answer(self, status: int, body: bytes, more_headers: bytes = b"") -> bool:
        """Sends the answer and lets the connection go on; `False` where nobody is there any more."""
        if self.disconnected:
            return False
        head = [STATUS_LINE[status]]
        for name, value in self._connection.default_headers():
            head += (name, b": ", value, b"\r\n")
        if not self.keep_alive:
            head.append(b"connection: close\r\n")
        head.append(b"content-length: %d\r\ncontent-type: application/json\r\n%b\r\n" % (len(body), more_headers))
        self.response_complete = True
        if not self._connection.send(b"".join(head) + body):
            return False
        if not self.keep_alive:
            self._connection.close()
        self._connection.on_response_complete()
        return True
