"""A check of an operator: an HTTP server that decides about the callbacks of a media server."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self


class OperatorCheck:
    """Refuses every callback whose body contains one of `refused`. It answers while the block runs."""

    def __init__(self, *refused: str, answer: str = "", delay_seconds: float = 0.0) -> None:
        self.refused = refused
        self.answer = answer
        """Status line and headers of every answer, in place of the decision."""
        self.delay_seconds = delay_seconds
        self.bodies: list[str] = []
        self.content_types: list[str] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/check?secret=1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                body = (await reader.readexactly(int(fields.get("content-length", "0")))).decode("latin-1")
                self.bodies.append(body)
                self.content_types.append(fields.get("content-type", ""))
                await asyncio.sleep(self.delay_seconds)
                refuses = any(text in body for text in self.refused)
                status = self.answer or ("403 Forbidden" if refuses else "200 OK")
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode("latin-1"))
                await writer.drain()
                if "HTTP/1.0" in head.partition("\r\n")[0]:  # nginx reads to the end of the connection
                    break
        writer.close()
