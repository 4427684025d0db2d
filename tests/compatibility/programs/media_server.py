"""A media server that an agent can read: the statistics page of nginx-rtmp over HTTP, as a test sets it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

UPTIME_S = 3_600
DATE = "Sat, 14 Mar 2026 11:59:00 GMT"
"""The answer's date less the uptime names the life of the server, so that both stand still."""


@dataclass
class Connection:
    """A publisher or a viewer."""

    stream: str
    since_ms: int
    publishes: bool = False


@dataclass
class MediaServer:
    """What the page shows. `connections` are by their number."""

    bytes_in: int = 0
    bytes_out: int = 0
    connections: dict[int, Connection] = field(default_factory=dict)
    now_ms: int = 0
    """Up to when the connections have lasted."""

    def page(self) -> bytes:
        streams = "".join(
            f"<stream><name>{name}</name>{self._clients(name)}</stream>"
            for name in sorted({connection.stream for connection in self.connections.values()})
        )
        return (
            f"<?xml version='1.0' encoding='utf-8' ?><rtmp><pid>4711</pid><uptime>{UPTIME_S}</uptime>"
            f"<bytes_in>{self.bytes_in}</bytes_in><bytes_out>{self.bytes_out}</bytes_out>"
            f"<server><application><name>live</name><live>{streams}</live></application></server></rtmp>"
        ).encode()

    def _clients(self, stream: str) -> str:
        return "".join(
            f"<client><id>{number}</id><address>127.0.0.1</address><time>{max(0, self.now_ms - each.since_ms)}</time>"
            f"<flashver>LNX 9</flashver>{'<publishing/>' if each.publishes else ''}<active/></client>"
            for number, each in sorted(self.connections.items())
            if each.stream == stream
        )


@contextmanager
def serving(server: MediaServer) -> Iterator[str]:
    """Answer requests for the page on a free port; yields its URL."""
    with serving_page(server.page, lambda: DATE) as url:
        yield url


@contextmanager
def serving_page(page: Callable[[], bytes], date: Callable[[], str]) -> Iterator[str]:
    """Answer requests with the page and the date of that moment, on a free port; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page()
            self.send_response_only(200)
            self.send_header("Date", date())
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_address[1]}/stat"
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
