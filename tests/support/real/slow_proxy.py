"""A TCP proxy that delays requests on their way to a server, and its responses on their way back."""

import asyncio
import contextlib

from tests.support.real.processes import free_port


class SlowProxy:
    """Forwards each connection. `before_seconds` delays the request, `after_seconds` the response."""

    def __init__(self, to_port: int) -> None:
        self.port = free_port()
        self.before_seconds = self.after_seconds = 0.0
        self._to_port = to_port
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "SlowProxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
            await asyncio.gather(
                _forward(reader, server_writer, self.before_seconds),
                _forward(server_reader, writer, self.after_seconds),
            )


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Forward everything, the first bytes after a delay."""
    with contextlib.suppress(OSError):
        delay_seconds = seconds
        while received := await reader.read(65_536):
            await asyncio.sleep(delay_seconds)
            delay_seconds = 0.0
            writer.write(received)
            await writer.drain()
    writer.close()
