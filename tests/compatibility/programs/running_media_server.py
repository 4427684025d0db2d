"""A media server in real time: nginx-rtmp's statistics page and its access log, and the sums of both as the truth."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

from tests.compatibility.programs.media_server import serving_page

BYTES_IN_PER_S = 40_000
BYTES_OUT_PER_S = 30_000


@dataclass
class _Client:
    stream: str
    publishes: bool
    began_s: float
    bytes: int = 0


@dataclass
class Truth:
    """What the media server counted."""

    connections: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    logged_view_s: int = 0
    """Of viewers, each rounded down to whole seconds, as nginx does."""


@dataclass
class RunningMediaServer:
    """Publishers and viewers who move bytes as time passes. Each of them is on the page, and in the log at its end."""

    log: Path
    truth: Truth = field(default_factory=Truth)
    _clients: dict[int, _Client] = field(default_factory=dict)
    _number: int = 0
    _started_s: float = field(default_factory=time.monotonic)
    _moved_s: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.log.touch()

    def publish(self, stream: str) -> int:
        """Connect a publisher. Returns its number."""
        return self._connect(stream, publishes=True)

    def watch(self, stream: str) -> int:
        """Connect a viewer. Returns its number."""
        return self._connect(stream, publishes=False)

    def disconnect(self, *numbers: int) -> None:
        """End connections, with a line in the log for each."""
        with self._lock:
            self._move()
            for number in numbers:
                client = self._clients.pop(number)
                duration_s = int(self._moved_s - client.began_s)
                received, sent = (client.bytes, 0) if client.publishes else (0, client.bytes)
                if not client.publishes:
                    self.truth.logged_view_s += duration_s
                command = "PUBLISH" if client.publishes else "PLAY"
                with self.log.open("a") as log:
                    log.write(
                        f'{time.time():.3f} {number} 127.0.0.1 "{command}" "live" "{client.stream}" "" '
                        f'rx={received} tx={sent} t={duration_s} "LNX 9"\n'
                    )

    def page(self) -> bytes:
        """Return the statistics page."""
        with self._lock:
            self._move()
            streams = "".join(
                f"<stream><name>{name}</name>{self._list_clients(name)}</stream>"
                for name in sorted({client.stream for client in self._clients.values()})
            )
            uptime_s = int(time.time()) - int(time.time() - (self._moved_s - self._started_s))
            return (
                f"<?xml version='1.0' encoding='utf-8' ?><rtmp><pid>4711</pid><uptime>{uptime_s}</uptime>"
                f"<bytes_in>{self.truth.bytes_in}</bytes_in><bytes_out>{self.truth.bytes_out}</bytes_out>"
                f"<server><application><name>live</name><live>{streams}</live></application></server></rtmp>"
            ).encode()

    def _connect(self, stream: str, *, publishes: bool) -> int:
        with self._lock:
            self._move()
            self._number += 1
            self._clients[self._number] = _Client(stream, publishes, self._moved_s)
            self.truth.connections += not publishes
            return self._number

    def _move(self) -> None:
        """Count the bytes since the last call."""
        now_s = time.monotonic()
        passed_s, self._moved_s = now_s - self._moved_s, now_s
        for client in self._clients.values():
            moved = int(passed_s * (BYTES_IN_PER_S if client.publishes else BYTES_OUT_PER_S))
            client.bytes += moved
            if client.publishes:
                self.truth.bytes_in += moved
            else:
                self.truth.bytes_out += moved

    def _list_clients(self, stream: str) -> str:
        return "".join(
            f"<client><id>{number}</id><address>127.0.0.1</address>"
            f"<time>{int((self._moved_s - client.began_s) * 1000)}</time>"
            f"<flashver>LNX 9</flashver>{'<publishing/>' if client.publishes else ''}<active/></client>"
            for number, client in sorted(self._clients.items())
            if client.stream == stream
        )


@contextmanager
def serving(server: RunningMediaServer) -> Iterator[str]:
    """Answer requests for the page on a free port; yields its URL."""
    with serving_page(server.page, lambda: formatdate(usegmt=True)) as url:
        yield url
