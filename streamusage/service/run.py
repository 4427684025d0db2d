"""Runs the service: opens the store, listens, and lets sessions stand as owed when their servers fall silent."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import uvicorn

from streamusage.clock import Clock
from streamusage.service.app import make_app
from streamusage.service.closing import GRACE_MS, advance, is_due
from streamusage.service.context import Service
from streamusage.service.reports import mark_owing, owing_changes
from streamusage.service.store import StoreError, open_store
from streamusage.service.tokens import Tokens
from streamusage.service.writer import Writer

log = logging.getLogger(__name__)

OWING_EVERY_SECONDS = 2.0
"""How often it is looked whether a server's figures became overdue, in the clock's time."""

CLOSING_EVERY_SECONDS = 2.0
"""How often it is looked whether an hour can be summed up or a day closed, in the clock's time."""

GRACE_SECONDS = 10
"""How long a stop waits for requests that were accepted."""

_BACKLOG = 2048


class ListenError(Exception):
    """The address cannot be listened on. The text says which and why."""


@dataclass(frozen=True)
class RunningService:
    """A service that answers."""

    host: str
    port: int
    service: Service
    _server: "_Server"
    _serving: "asyncio.Task[None]"

    @property
    def url(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def stop(self) -> None:
        """Asks it to finish what it accepted and end. Safe from a signal handler of the event loop."""
        self._server.should_exit = True

    async def ended(self) -> None:
        """Waits until it was asked to end and has finished."""
        await asyncio.shield(self._serving)


@asynccontextmanager
async def run_service(
    *,
    store_url: str,
    tokens: Tokens,
    clock: Clock,
    host: str = "127.0.0.1",
    port: int = 0,
    account_zones: Sequence[ZoneInfo] = (ZoneInfo("UTC"),),
    close_grace_ms: int = GRACE_MS,
) -> AsyncIterator[RunningService]:
    """The service while the block runs; port 0 takes a free one. Raises `StoreError` or `ListenError` at its start.

    At the end of the block it finishes what it accepted. Signals are the caller's.
    """
    listener = await asyncio.to_thread(_listen, host, port)
    try:
        store = await asyncio.to_thread(open_store, store_url, clock.now_ms())
    except BaseException:
        listener.close()
        raise
    writer = Writer(store)
    service = Service(store, writer, tokens, clock, account_zones=tuple(account_zones), close_grace_ms=close_grace_ms)
    server = _Server(
        uvicorn.Config(
            make_app(service),
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    watching = asyncio.create_task(_watch_owing(service))
    closing = asyncio.create_task(_close_days(service))
    try:
        await server.accepts.wait()
        yield RunningService(host, listener.getsockname()[1], service, server, serving)
    finally:
        server.should_exit = True
        watching.cancel()
        closing.cancel()
        await asyncio.gather(serving, watching, closing, return_exceptions=True)
        await asyncio.to_thread(writer.stop)
        await asyncio.to_thread(store.close)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepts = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepts.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to whoever runs the service, not to the server."""
        yield


async def _note_owing(service: Service, now_ms: int) -> None:
    if await service.read(lambda connection: owing_changes(connection, now_ms)):
        # Judged again in the writer's transaction: a report may have come in between.
        await service.write(lambda connection: mark_owing(connection, owing_changes(connection, now_ms), now_ms))


async def _watch_owing(service: Service) -> None:
    while True:
        await service.clock.sleep(OWING_EVERY_SECONDS)
        try:
            await _note_owing(service, service.clock.now_ms())
        except StoreError as error:
            log.warning("could not note which servers owe figures: %s", error)
        except Exception:
            log.exception("could not note which servers owe figures")


async def _close_what_is_due(service: Service, now_ms: int) -> None:
    zones = service.account_zones
    while await service.read(lambda connection: is_due(connection, zones, now_ms)):
        await service.write(lambda connection: advance(connection, zones, now_ms))


async def _close_days(service: Service) -> None:
    while True:
        await service.clock.sleep(CLOSING_EVERY_SECONDS)
        try:
            await _close_what_is_due(service, service.clock.now_ms())
        except StoreError as error:
            log.warning("could not sum up hours and close days: %s", error)
        except Exception:
            log.exception("could not sum up hours and close days")


def _listen(host: str, port: int) -> socket.socket:
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
        # Made with its protocol named: only then does asyncio turn off Nagle's algorithm, which costs 40 ms an answer.
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        return listener
    except (OSError, OverflowError, UnicodeError) as error:
        if listener is not None:
            listener.close()
        cause = getattr(error, "strerror", None) or str(error)
        raise ListenError(
            f"cannot listen on {host}:{port}: {cause}; give another address with --listen HOST:PORT"
        ) from None
