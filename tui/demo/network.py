"""The network between one agent and the service: a relay on loopback that can be cut and healed."""

import asyncio
import contextlib


class Relay:
    """Forwards TCP connections to a port of this machine, until it is cut."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._server: asyncio.Server | None = None
        self._port = 0
        self._passing: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port of the relay; the same before and after a cut."""
        return self._port

    async def heal(self) -> None:
        """Listen again; does nothing if the relay is not cut."""
        if self._server is not None and self._server.is_serving():
            return
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Stop listening and break every connection."""
        if self._server is not None:
            self._server.close()
        for passing in list(self._passing):
            passing.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
            await asyncio.gather(_pump(reader, to_writer), _pump(to_reader, writer))
        except (OSError, asyncio.CancelledError):
            # A cut: only `cut` cancels, and it waits for this task.
            pass
        finally:
            self._passing.discard(task)
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        with contextlib.suppress(OSError):
            writer.close()
