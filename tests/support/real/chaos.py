"""A network between agent and service that cuts at any byte, delays, doubles, and lets old requests turn up again."""

import asyncio
import contextlib
from random import Random

from tests.support.real.processes import free_port


class Chaos:
    """Passes HTTP requests on to a port, one a connection, with a fault in about every second one."""

    def __init__(self, to_port: int, seed: int) -> None:
        self.port = free_port()
        self.faults: dict[str, int] = {}
        self.calm = False
        self._to_port = to_port
        self._random = Random(seed)
        self._old: list[bytes] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def _happens(self, fault: str, chance: float) -> bool:
        if self.calm or self._random.random() >= chance:
            return False
        self.faults[fault] = self.faults.get(fault, 0) + 1
        return True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError, asyncio.CancelledError):
            request = await _whole_request(reader)
            if self._happens("request cut", 0.1):
                await self._send(request[: self._random.randrange(len(request))], cut=True)
                return
            if self._happens("delayed", 0.1):
                await asyncio.sleep(self._random.random())
            if self._old and self._happens("old request again", 0.1):
                await self._send(self._random.choice(self._old))
            if self._happens("doubled", 0.1):
                await self._send(request)
            self._old = [*self._old[-20:], request]
            reply = await self._send(request)
            if self._happens("reply lost", 0.1):
                return
            if self._happens("reply cut", 0.1):
                reply = reply[: self._random.randrange(len(reply) + 1)]
            writer.write(reply)
            await writer.drain()
        writer.close()

    async def _send(self, request: bytes, cut: bool = False) -> bytes:
        """The service's whole answer; none to a request that was cut, whose connection just ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        try:
            writer.write(request)
            await writer.drain()
            return b"" if cut else await asyncio.wait_for(reader.read(), 5)
        except TimeoutError:
            return b""
        finally:
            writer.close()


async def _whole_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    head = head.replace(b"\r\nConnection: keep-alive", b"\r\nConnection: close")
    return head + await reader.readexactly(length)
