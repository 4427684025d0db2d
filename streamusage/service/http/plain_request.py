"""A request that is answered without the application, and its answer, at the lowest possible cost.

It takes the place where the server keeps a connection's current request, and has the attributes that the server reads
there.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

Headers = Sequence[tuple[bytes, bytes]]


class DirectHandler(Protocol):
    """Answers some requests without the application."""

    def match(self, url: bytes, headers: Headers) -> Any:
        """Return the request context if this path handles the POST, else `None` to fall through to the application."""

    def handle(self, request: "PlainRequest") -> bool:
        """Answer a complete request, now or later. Return `False` to fall through to the application."""


class HttpConnection(Protocol):
    """The connection that a request answers on."""

    def send(self, data: bytes) -> bool:
        """Send the bytes. Return `False` if the client has disconnected."""

    def close(self) -> None:
        """Close after everything is sent."""

    def default_headers(self) -> Iterable[tuple[bytes, bytes]]:
        """Return the headers of every answer."""

    def on_response_complete(self) -> None:
        """Continue with the next request."""


class _NoWaiter:
    def set(self) -> None:
        pass


class PlainRequest:
    """One request whose `body` is complete when `DirectHandler.handle` receives it; `subject` is the result of
    `match`.
    """

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
        """Whether the answer is sent: it goes out in one piece."""
        return self.response_complete

    def answer(self, status: int, body: bytes, more_headers: bytes = b"") -> bool:
        """Send the answer and let the connection continue. Return `False` if the client has disconnected."""
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
