"""An HTTP server on a real port whose replies a test defines byte for byte."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


def answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """Return a whole HTTP reply. Underscores in header names become hyphens."""
    fields = {"Content-Length": str(len(body)), "Connection": "close"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


class Answers:
    """The replies, request by request (the last is repeated), and the received requests."""

    def __init__(self, port: int, scheme: str) -> None:
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.next: list[bytes | Callable[[bytes], bytes]] = []
        self.requests: list[bytes] = []

    def take(self, request: bytes) -> bytes:
        self.requests.append(request)
        chosen = self.next.pop(0) if len(self.next) > 1 else self.next[0]
        return chosen if isinstance(chosen, bytes) else chosen(request)


@asynccontextmanager
async def answering(tls: ssl.SSLContext | None = None) -> AsyncIterator[Answers]:
    """Run a server while the block runs."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
            )
            writer.write(answers.take(head + await reader.readexactly(length)))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    answers = Answers(server.sockets[0].getsockname()[1], "https" if tls else "http")
    async with server:
        yield answers
