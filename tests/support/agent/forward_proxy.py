"""An HTTP proxy on a real port, for tunnels (`CONNECT`) and plain requests, with an optional login."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class ForwardProxy:
    """Port and login of the proxy, and the first line of each request that it received."""

    port: int = 0
    login: str | None = None
    requests: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            line, _, fields = head.partition(b"\r\n")
            method, target, _ = line.decode().split(" ", 2)
            self.requests.append(f"{method} {target}")
            if self.login is not None and base64.b64encode(self.login.encode()) not in fields:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            address = urlsplit(f"//{target}" if method == "CONNECT" else target)
            onward_reader, onward = await asyncio.open_connection(address.hostname, address.port)
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                onward.write(b"%s %s HTTP/1.1\r\n" % (method.encode(), address.path.encode()) + fields)
            await asyncio.gather(_relay(reader, onward), _relay(onward_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
    finally:
        writer.close()


@asynccontextmanager
async def forwarding(login: str | None = None) -> AsyncIterator[ForwardProxy]:
    """Run a proxy while the block runs."""
    proxy = ForwardProxy(login=login)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
