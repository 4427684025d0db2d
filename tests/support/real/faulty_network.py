"""A network between agent and service that cuts, delays, doubles and loses messages, and repeats old requests."""

import asyncio
import contextlib
from random import Random

from tests.support.real.processes import free_port
from tests.support.waiting import LONGEST_WAIT_S


class FaultyNetwork:
    """Forwards HTTP requests to a port, one per connection, with a fault in about every second request."""

    def __init__(self, to_port: int, seed: int) -> None:
        self.port = free_port()
        self.faults: dict[str, int] = {}
        """Number of injected faults by kind."""
        self.is_faultless = False
        self._to_port = to_port
        self._random = Random(seed)
        self._old_requests: list[bytes] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def _injects(self, fault: str, probability: float) -> bool:
        if self.is_faultless or self._random.random() >= probability:
            return False
        self.faults[fault] = self.faults.get(fault, 0) + 1
        return True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError, asyncio.CancelledError):
            request = await read_request(reader)
            if self._injects("request cut", 0.1):
                await self._forward(request[: self._random.randrange(len(request))], is_cut=True)
                return
            if self._injects("delayed", 0.1):
                await asyncio.sleep(self._random.random())
            if self._old_requests and self._injects("old request repeated", 0.1):
                await self._forward(self._random.choice(self._old_requests))
            if self._injects("doubled", 0.1):
                await self._forward(request)
            self._old_requests = [*self._old_requests[-20:], request]
            response = await self._forward(request)
            if self._injects("response lost", 0.1):
                return
            if self._injects("response cut", 0.1):
                response = response[: self._random.randrange(len(response) + 1)]
            writer.write(response)
            await writer.drain()
        writer.close()

    async def _forward(self, request: bytes, is_cut: bool = False) -> bytes:
        """Return the service's response. A cut request gets none; its connection is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        try:
            writer.write(request)
            await writer.drain()
            return b"" if is_cut else await asyncio.wait_for(reader.read(), LONGEST_WAIT_S)
        except TimeoutError:
            return b""
        finally:
            writer.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Return one HTTP request, with a head that requests to close the connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    head = head.replace(b"\r\nConnection: keep-alive", b"\r\nConnection: close")
    return head + await reader.readexactly(length)
