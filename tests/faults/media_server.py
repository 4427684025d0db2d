"""A media server in simulated time: it records the truth, and shows an agent what a real server would show."""

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from streamusage.agent.reading import (
    CounterReading,
    EndedConnection,
    PublishReading,
    Reading,
    StreamCounterReading,
    ViewerReading,
)

PROTOCOLS = ("rtmp", "hls")


@dataclass
class Connection:
    """An open connection of a publisher or viewer."""

    number: int
    kind: str
    name: str
    protocol: str
    started_at: int
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass
class StreamTruth:
    """Every unit of one stream."""

    connections: list[int] = field(default_factory=list)
    views: list[tuple[int, int]] = field(default_factory=list)
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def sums(self) -> dict[str, int]:
        view_time_ms = sum(ended - began for began, ended in self.views)
        return {
            "connections": len(self.connections),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "view_time_ms": view_time_ms,
        }


@dataclass
class Truth:
    """Every unit with its time, so that any interval can be summed."""

    connections: list[int] = field(default_factory=list)
    connection_protocols: list[str] = field(default_factory=list)
    bytes_at: list[int] = field(default_factory=list)
    bytes_in: list[int] = field(default_factory=lambda: [0])
    bytes_out: list[int] = field(default_factory=lambda: [0])
    views: list[tuple[int, int]] = field(default_factory=list)
    streams: dict[str, StreamTruth] = field(default_factory=dict)

    def stream(self, name: str) -> StreamTruth:
        return self.streams.setdefault(name, StreamTruth())

    def move_bytes(self, at: int, bytes_in: int, bytes_out: int) -> None:
        self.bytes_at.append(at)
        self.bytes_in.append(self.bytes_in[-1] + bytes_in)
        self.bytes_out.append(self.bytes_out[-1] + bytes_out)

    def bytes_between(self, after: int, upto: int) -> tuple[int, int]:
        """Return the bytes moved after `after` and up to `upto`, in and out."""
        low, high = bisect_right(self.bytes_at, after), bisect_right(self.bytes_at, upto)
        return self.bytes_in[high] - self.bytes_in[low], self.bytes_out[high] - self.bytes_out[low]

    def connections_between(self, from_ms: int, to_ms: int) -> int:
        return sum(from_ms <= at < to_ms for at in self.connections)

    def view_time_between(self, from_ms: int, to_ms: int) -> int:
        return sum(max(0, min(to_ms, ended) - max(from_ms, began)) for began, ended in self.views)


CountsBy = Literal["server", "server and streams", "stream", "connection"]
"""What has a byte counter: the whole server (Node-Media-Server), which may have one for each stream besides
(nginx-rtmp), a stream (Icecast), or each connection (MediaMTX), whose counter disappears with it."""


class MediaServer:
    """Publishers, viewers and counters. With a log it writes a line for each connection that ends normally."""

    def __init__(self, random: Random, now: int, keeps_log: bool = True, counts_by: CountsBy = "server") -> None:
        self.random = random
        self.keeps_log = keeps_log
        self.counts_by = counts_by
        self.truth = Truth()
        self.log: list[EndedConnection] = []
        self.open: dict[int, Connection] = {}
        self.boots = 0
        self.crashes: list[tuple[int, int]] = []
        self.quits = 0
        self._boot(now)

    def _boot(self, now: int) -> None:
        self.boots += 1
        self.boot = f"boot-{self.boots}"
        self.started_at = now
        self.next_number = 1
        self.bytes_in = self.bytes_out = 0
        self.counters: dict[str, tuple[int, int]] = {}
        self.counter_streams: dict[str, str] = {}
        """The stream of each counter."""
        self.stream_bytes: dict[str, tuple[int, int]] = {}
        """Bytes in and out of each stream in this boot."""
        self.joined: Counter[tuple[str, str]] = Counter()
        """How many viewers joined in this boot, by stream and protocol."""
        self.open = {}

    def connect(self, now: int, kind: str, name: str) -> None:
        if kind == "publish" and any(c.kind == "publish" and c.name == name for c in self.open.values()):
            return
        protocol = self.random.choice(PROTOCOLS) if kind == "play" else "rtmp"
        self.open[self.next_number] = Connection(self.next_number, kind, name, protocol, now)
        self.next_number += 1
        of_stream = self.truth.stream(name)
        if kind == "play":
            self.joined[name, protocol] += 1
            self.truth.connections.append(now)
            of_stream.connections.append(now)
            self.truth.connection_protocols.append(protocol)

    def move_bytes(self, now: int) -> None:
        total_in = total_out = 0
        for connection in self.open.values():
            moved = self.random.randrange(1, 50_000)
            moved_in, moved_out = (moved, 0) if connection.kind == "publish" else (0, moved)
            connection.bytes_in += moved_in
            connection.bytes_out += moved_out
            total_in += moved_in
            total_out += moved_out
            self._count(self._counter_of(connection), moved_in, moved_out)
            self.counter_streams[self._counter_of(connection)] = connection.name
            stream_in, stream_out = self.stream_bytes.get(connection.name, (0, 0))
            self.stream_bytes[connection.name] = stream_in + moved_in, stream_out + moved_out
            of_stream = self.truth.stream(connection.name)
            of_stream.bytes_in += moved_in
            of_stream.bytes_out += moved_out
        self.truth.move_bytes(now, total_in, total_out)

    def _counter_of(self, connection: Connection) -> str:
        """Return the key of the counter of a connection's bytes; empty for the server's own."""
        own = {"stream": f" {connection.name}", "connection": f" {connection.number}"}
        suffix = own.get(self.counts_by, "")
        return suffix and f"{self.boot}{suffix}"

    def _count(self, counter: str, bytes_in: int, bytes_out: int) -> None:
        if not counter:
            self.bytes_in += bytes_in
            self.bytes_out += bytes_out
            return
        counted_in, counted_out = self.counters.get(counter, (0, 0))
        self.counters[counter] = counted_in + bytes_in, counted_out + bytes_out

    def disconnect(self, now: int, number: int) -> None:
        connection = self.open.pop(number)
        self._record_view(connection, now)
        if self.counts_by == "connection":
            self.counters.pop(self._counter_of(connection), None)
        self.log.append(
            EndedConnection(
                connection_id=str(number),
                kind="publish" if connection.kind == "publish" else "play",
                scope="live",
                name=connection.name,
                protocol=connection.protocol,
                ended_at=now,
                duration_ms=now - connection.started_at,
                granularity_ms=0,
                bytes_in=connection.bytes_in,
                bytes_out=connection.bytes_out,
                counter=self._counter_of(connection),
            )
        )

    def _record_view(self, connection: Connection, now: int) -> None:
        if connection.kind == "play":
            self.truth.views.append((connection.started_at, now))
            self.truth.stream(connection.name).views.append((connection.started_at, now))

    def quit(self, now: int, started_at: int) -> None:
        """Stop normally, with a log line for each connection, and start again."""
        for number in list(self.open):
            self.disconnect(now, number)
        self.quits += 1
        self._boot(started_at)

    def crash(self, now: int, started_at: int) -> None:
        """Die without a log line, and start again."""
        for connection in self.open.values():
            self._record_view(connection, now)
        self.crashes.append((now, started_at))
        self._boot(started_at)

    def read(self, now: int, cursor: str | None) -> Reading:
        log_from = len(self.log) if cursor is None else int(cursor)
        return Reading(
            at=now,
            boot=self.boot,
            started_at=self.started_at,
            started_granularity_ms=0,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            counters=tuple(
                CounterReading(
                    key=key, bytes_in=bytes_in, bytes_out=bytes_out, scope="live", name=self.counter_streams[key]
                )
                for key, (bytes_in, bytes_out) in self.counters.items()
            ),
            stream_counters=self._stream_counters(),
            stream_traffic="apportioned" if self.counts_by == "server" else "measured",
            publishes=tuple(
                PublishReading(publish_id=str(c.number), scope="live", name=c.name, age_ms=now - c.started_at)
                for c in self.open.values()
                if c.kind == "publish"
            ),
            viewers=tuple(
                ViewerReading(
                    viewer_id=str(c.number),
                    scope="live",
                    name=c.name,
                    protocol=c.protocol,
                    age_ms=now - c.started_at,
                )
                for c in self.open.values()
                if c.kind == "play"
            ),
            ended=tuple(self.log[log_from:]) if self.keeps_log else (),
            cursor=str(len(self.log)),
            logs_ends=self.keeps_log,
        )

    def _stream_counters(self) -> tuple[StreamCounterReading, ...] | None:
        if self.counts_by != "server and streams":
            return None
        return tuple(
            StreamCounterReading(scope="live", name=name, bytes_in=bytes_in, bytes_out=bytes_out)
            for name, (bytes_in, bytes_out) in self.stream_bytes.items()
        )

    def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        return tuple(self.log[int(from_cursor) : int(to_cursor)]) if self.keeps_log else ()
