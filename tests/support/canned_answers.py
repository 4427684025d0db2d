"""An HTTP server on a real port with canned replies, for replies that a well-behaved service never sends."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

RESET = b"\0reset"
"""Instead of an answer: the connection is reset."""
Responder = Callable[["ReceivedRequest"], "bytes | Awaitable[bytes]"]


class ReceivedRequest:
    """A request as the server received it."""

    def __init__(self, head: bytes, body: bytes) -> None:
        line, *headers = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = line.split(" ", 2)
        self.path, _, self.query = self.target.partition("?")
        self.headers = {name.lower(): value.strip() for name, _, value in (h.partition(":") for h in headers if h)}
        self.body = body


def reply(status: int, body: bytes | str = b"", kind: str = "application/json", **headers: str) -> bytes:
    """Return a whole HTTP reply. Underscores in header names become hyphens."""
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Canned", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class CannedServer:
    """Replies to each request with `respond(request)`, and keeps the requests in `requests`."""

    def __init__(self, respond: Responder) -> None:
        self.respond = respond
        self.requests: list[ReceivedRequest] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            request = ReceivedRequest(head, b"")
            if length := int(request.headers.get("content-length", 0)):
                request.body = await reader.readexactly(length)
            self.requests.append(request)
            response = self.respond(request)
            answer = response if isinstance(response, bytes) else await response
            if answer == RESET:
                no_linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
                writer.transport.abort()
                return
            writer.write(answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
