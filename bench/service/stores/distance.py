"""A database that is some milliseconds away: a relay that holds back what the server sends.

With it, a write is as slow as its round trips, and the cores are idle meanwhile: what the writes of several processes
wait for is each other, or the distance.
"""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from sqlalchemy.engine import make_url

_PIECE_BYTES = 64 * 1024


class _Relay:
    def __init__(self, host: str, port: int, delay_s: float) -> None:
        self._host, self._port, self._delay_s = host, port, delay_s

    async def serve(self, started: "Future[int]", over: threading.Event) -> None:
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        async with server:
            started.set_result(server.sockets[0].getsockname()[1])
            await asyncio.to_thread(over.wait)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(self._host, self._port)
        with suppress(ConnectionError, asyncio.CancelledError):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._copy(reader, to_server, 0))
                tasks.create_task(self._copy(from_server, writer, self._delay_s))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        while piece := await reader.read(_PIECE_BYTES):
            if delay_s:
                loop.call_later(delay_s, writer.write, piece)
            else:
                writer.write(piece)
        loop.call_later(delay_s, writer.close)


@contextmanager
def at_distance(url: str, delay_s: float) -> Iterator[str]:
    """Yield the URL at which the database of `url` answers so much later; `url` itself without a delay."""
    if not delay_s:
        yield url
        return
    parsed = make_url(url)
    relay = _Relay(parsed.host or "127.0.0.1", parsed.port or 5432, delay_s)
    started: Future[int] = Future()
    over = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(relay.serve(started, over)))
    thread.start()
    try:
        yield parsed.set(port=started.result()).render_as_string()
    finally:
        over.set()
        thread.join()
