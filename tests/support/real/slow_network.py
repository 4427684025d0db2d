"""A network in front of an HTTP server that a test makes slow, or cuts."""

import asyncio
import contextlib

from tests.support.real.faulty_network import read_request
from tests.support.real.processes import free_port
from tests.support.waiting import LONGEST_WAIT_S


class SlowNetwork:
    """Forwards HTTP requests to a port, one per connection."""

    def __init__(self, to_port: int) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.is_cut = False
        """Whether requests get no response, and do not arrive."""
        self.request_delay_s = 0.0
        """How late requests arrive."""
        self.response_delay_s = 0.0
        """How late responses arrive."""
        self.responses = 0
        self.late_responses = 0
        self._delays: list[float] = []
        self._to_port = to_port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def close(self) -> None:
        """Stop serving, and cut what is under way."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def delay_next_response(self, seconds: float) -> None:
        """Make the response of the next request late, and no other."""
        self._delays.append(seconds)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            request = await read_request(reader)
            if not self.is_cut:
                delay_s = self._delays.pop() if self._delays else self.response_delay_s
                await asyncio.sleep(self.request_delay_s)
                response = await self._forward(request)
                await asyncio.sleep(delay_s)
                self.responses += 1
                self.late_responses += delay_s > 0
                writer.write(response)
                await writer.drain()
        writer.close()

    async def _forward(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        try:
            writer.write(request)
            await writer.drain()
            return await asyncio.wait_for(reader.read(), LONGEST_WAIT_S)
        finally:
            writer.close()
