"""The service under other HTTP servers, used through their public options only, for `bench.service.reports --server`.

`python -m bench.service.asgi_servers KIND --listen HOST:PORT --store URL --tokens FILE` serves the same application and
the same reports. Reports are answered by an ASGI application in front of the routes, because these servers have no
other way in. hypercorn, granian and uvicorn are not dependencies of the project: install those to be measured.
"""

import asyncio
import gc
import os
import socket
import sys
from pathlib import Path
from typing import Any

import click
from starlette.types import ASGIApp, Receive, Scope, Send

from streamusage.core.clock import SystemClock, boot_id
from streamusage.service.http.app import make_app
from streamusage.service.http.context import Service
from streamusage.service.http.direct_reports import DirectReports
from streamusage.service.http.server.connection_limits import ConnectionLimits
from streamusage.service.metrics import Metrics
from streamusage.service.store.store import open_store
from streamusage.service.store.writing.writer import Writer
from streamusage.service.tokens import read_tokens
from streamusage.service.trusted_clock import TrustedClock

KINDS = ("own-asgi", "uvicorn", "uvicorn-h11", "granian", "hypercorn")


class AsgiReports:
    """Answers ordinary reports as an ASGI application; passes every other request on."""

    def __init__(self, app: ASGIApp, direct: DirectReports) -> None:
        self._app = app
        self._direct = direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        subject = None
        if scope["type"] == "http" and scope["method"] == "POST":
            subject = self._direct.match(scope["raw_path"], scope["headers"])
        if subject is None:
            await self._app(scope, receive, send)
            return
        request = _Request(scope["raw_path"], subject)
        more_body = True
        while more_body:
            message = await receive()
            request.body += message.get("body", b"")
            more_body = message.get("more_body", False)
        assert self._direct.handle(request)  # type: ignore[arg-type]
        status, body = await request.answered
        headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class _Request:
    def __init__(self, url: bytes, subject: Any) -> None:
        self.url = url
        self.direct_subject = subject
        self.received_at_ms = 0
        self.body = b""
        self.answered: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

    def answer(self, status: int, body: bytes, _more_headers: bytes = b"") -> bool:
        self.answered.set_result((status, body))
        return True


async def serve(kind: str, app: ASGIApp, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    if kind == "own-asgi":
        from streamusage.service.http.server.http_server import HttpServer

        server = HttpServer(app, SystemClock(), ConnectionLimits())
        await server.start(listener, backlog=2048)
        await server.serve()
    elif kind.startswith("uvicorn"):
        import uvicorn

        http = "h11" if kind == "uvicorn-h11" else "httptools"
        config = uvicorn.Config(
            app, http=http, loop="asyncio", ws="none", lifespan="off", access_log=False, log_level="error",
            proxy_headers=False, timeout_keep_alive=75, limit_concurrency=50_000,
        )  # fmt: skip
        await uvicorn.Server(config).serve(sockets=[listener])
    elif kind == "granian":
        from granian.constants import Interfaces
        from granian.http import HTTP1Settings
        from granian.server.embed import Server

        listener.close()
        limits = HTTP1Settings(header_read_timeout=15_000, max_buffer_size=128 * 1024)
        embedded = Server(
            app, port=port, interface=Interfaces.ASGINL, backlog=2048, http1_settings=limits, log_enabled=False,
            websockets=False,
        )  # fmt: skip
        await embedded.serve()
    else:
        from hypercorn.asyncio import serve as serve_hypercorn
        from hypercorn.config import Config

        configuration = Config()
        configuration.bind = [f"fd://{listener.detach()}"]
        configuration.keep_alive_timeout = configuration.read_timeout = 75
        configuration.h11_max_incomplete_size = 128 * 1024
        await serve_hypercorn(app, configuration, shutdown_trigger=asyncio.Event().wait)  # type: ignore[arg-type]


async def run(kind: str, listen: str, store_url: str, tokens: str) -> None:
    host, _, port = listen.rpartition(":")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(port)))
    listener.listen(2048)
    listener.setblocking(False)
    clock, metrics = SystemClock(), Metrics()
    store = open_store(store_url, clock.now_ms())
    trusted = TrustedClock.open(clock, boot_id(), store)
    writer = Writer(store, metrics.observe_commit)
    service = Service(store, writer, read_tokens(Path(tokens), os.environ), trusted, metrics)
    app = AsgiReports(make_app(service), DirectReports(service))
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    address = f"http://{host}:{listener.getsockname()[1]}"
    serving = asyncio.create_task(serve(kind, app, listener))
    await asyncio.sleep(1)
    click.echo(f"listens at {address}", err=True)
    await serving


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--listen", required=True)
@click.option("--store", "store_url", required=True)
@click.option("--tokens", required=True)
def main(kind: str, listen: str, store_url: str, tokens: str) -> None:
    """Serve until killed."""
    sys.setswitchinterval(0.0005)
    asyncio.run(run(kind, listen, store_url, tokens))


if __name__ == "__main__":
    main()
