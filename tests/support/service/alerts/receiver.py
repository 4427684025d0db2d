"""A real HTTP receiver of alerts on a port of its own, which can be down, slow, or answer with failures."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Posted:
    """A request that arrived, and the status with which it was answered."""

    path: str
    headers: dict[str, str]
    body: Any
    status: int

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


@dataclass(frozen=True)
class Answer:
    """What the receiver answers."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str = "ok"
    delay_seconds: float = 0.0


class AlertReceiver:
    """The receiver. `answer` decides about each request."""

    def __init__(self) -> None:
        self.answer: Callable[[], Answer] = Answer
        self.posted: list[Posted] = []
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.up()

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def accepted(self) -> list[Posted]:
        """The requests that were answered with 200."""
        return [posted for posted in self.posted if posted.status == 200]

    def events(self) -> list[tuple[str, str]]:
        """Event and subject of each alert in the accepted messages of the generic form, each key once."""
        by_key = {posted.key: posted.body for posted in self.accepted}
        return [
            (body["event"], alert["labels"].get("server") or alert["rule"])
            for body in by_key.values()
            for alert in body["alerts"]
        ]

    def up(self) -> None:
        """Accept connections, on the port of before."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                answer = receiver.answer()
                time.sleep(answer.delay_seconds)
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.posted.append(Posted(self.path, headers, json.loads(content), answer.status))
                body = answer.body.encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a client that has given up

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def down(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextmanager
def alert_receiver() -> Iterator[AlertReceiver]:
    """A receiver for the duration of the block."""
    receiver = AlertReceiver()
    try:
        yield receiver
    finally:
        receiver.down()
