"""A simulated media server for the demo: publishers and viewers are generated from a seed.

It behaves as a real server: cumulative counters, connection ids, a log of ended connections. The same programme and
seed produce the same history, however often it is read, because it advances in whole seconds of its own time.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from random import Random
from typing import Self

import msgspec

from streamusage.agent.reading import EndedConnection, PublishReading, Reading, StreamCounterReading, ViewerReading
from streamusage.core.clock import Clock

TICK_MS = 1_000

PROTOCOLS = {"rtmp": 5.0, "hls": 12.0, "webrtc": 3.0}
"""Protocols of viewers and their relative frequencies."""


@dataclass(frozen=True, eq=False)
class Broadcast:
    """One scheduled publish of the programme."""

    scope: str
    name: str
    from_ms: int
    """UTC milliseconds."""
    to_ms: int
    audience: int
    """Number of viewers on all servers after the initial rise."""
    bitrate_bps: int

    def target_viewers(self, at_ms: int) -> float:
        """Return the number of viewers on all servers at a time: a fast rise, then waves."""
        minutes = (at_ms - self.from_ms) / 60_000
        rise = 1 - math.exp(-minutes / 6)
        waves = 1 + 0.12 * math.sin(minutes / 3.1) + 0.05 * math.sin(minutes / 0.9)
        return self.audience * rise * waves


class SimulatedState(msgspec.Struct, frozen=True):
    """A media server at an instant, to continue from there in another process. Its log begins anew."""

    now: int
    next_number: int
    started_at: int
    boot: str
    bytes_in: int
    bytes_out: int
    bytes_of: list[tuple[str, str, int, int]]
    log_lines: int
    """How many lines the log has had."""
    streams: list[tuple[dict[str, str | int], int, int, int, list[tuple[int, str, int, int, int]]]]
    """The fields of its broadcast, number, start and bytes per viewer of each stream, and its viewers."""


@dataclass
class _SimulatedViewer:
    number: int
    protocol: str
    started_at: int
    leaves_at: int
    joined_at_bytes: int
    """The stream's `bytes_per_viewer` when this viewer joined."""


@dataclass
class _SimulatedStream:
    broadcast: Broadcast
    number: int
    started_at: int
    bytes_per_viewer: int = 0
    """Bytes sent to a viewer who watches from the start."""
    viewers: dict[int, _SimulatedViewer] = field(default_factory=dict)


class SimulatedMediaServer:
    """One server: it has every broadcast of the programme, with its share of the viewers."""

    tick_ms = TICK_MS
    """Step of its own time. It may be changed between readings."""
    has_log = True
    """Whether it logs who leaves, and what it logged can be read."""

    def __init__(self, programme: Sequence[Broadcast], share: float, seed: int, started_at: int) -> None:
        self._scheduled = sorted(programme, key=lambda broadcast: broadcast.from_ms, reverse=True)
        self._share = share
        self._random = Random(seed)
        self._now = started_at
        self._next_number = 1
        self._streams: list[_SimulatedStream] = []
        self.started_at = started_at
        self.boot = f"simulated-{seed}-{started_at}"
        self.bytes_in = 0
        self.bytes_out = 0
        self._bytes_of: dict[tuple[str, str], tuple[int, int]] = {}
        """Bytes in and out of each stream of the boot, by scope and name."""
        self.log: list[EndedConnection] = []
        self._log_from = 0
        """Number of the first line of `log`: those before belong to an earlier process."""

    @classmethod
    def resume(cls, state: SimulatedState, programme: Sequence[Broadcast], share: float, seed: int) -> Self:
        """Return the server of a state, which continues with the broadcasts of the programme and another seed."""
        server = cls(programme, share, seed, state.started_at)
        server._now, server._next_number, server.boot = state.now, state.next_number, state.boot
        server.bytes_in, server.bytes_out, server._log_from = state.bytes_in, state.bytes_out, state.log_lines
        server._bytes_of = {(scope, name): (sums[0], sums[1]) for scope, name, *sums in state.bytes_of}
        for fields, number, started_at, bytes_per_viewer, viewers in state.streams:
            broadcast = msgspec.convert(fields, Broadcast)
            stream = _SimulatedStream(broadcast, number, started_at, bytes_per_viewer)
            stream.viewers = {viewer[0]: _SimulatedViewer(*viewer) for viewer in viewers}
            server._streams.append(stream)
        return server

    def state(self) -> SimulatedState:
        """Return the state. The log's lines are left out: they have to be read before."""
        return SimulatedState(
            now=self._now,
            next_number=self._next_number,
            started_at=self.started_at,
            boot=self.boot,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            bytes_of=[(scope, name, *sums) for (scope, name), sums in self._bytes_of.items()],
            log_lines=self._log_from + len(self.log),
            streams=[
                (
                    asdict(stream.broadcast),
                    stream.number,
                    stream.started_at,
                    stream.bytes_per_viewer,
                    [
                        (viewer.number, viewer.protocol, viewer.started_at, viewer.leaves_at, viewer.joined_at_bytes)
                        for viewer in stream.viewers.values()
                    ],
                )
                for stream in self._streams
            ],
        )

    @property
    def on_air(self) -> list[Broadcast]:
        """The broadcasts that are on air."""
        return [stream.broadcast for stream in self._streams]

    def advance(self, to_ms: int) -> None:
        """Advance to a time, in whole ticks."""
        while self._now + self.tick_ms <= to_ms:
            idle_to_ms = min(to_ms, self._scheduled[-1].from_ms if self._scheduled else to_ms)
            if not self._streams and idle_to_ms > self._now + self.tick_ms:
                self._now += (idle_to_ms - self._now - 1) // self.tick_ms * self.tick_ms
                continue
            self._now += self.tick_ms
            self._tick()

    def restart(self, at_ms: int) -> None:
        """Lose power and start again: counters begin at 0, and no line is logged of who was connected."""
        self.advance(at_ms)
        self._scheduled += [
            replace(stream.broadcast, from_ms=self._now)
            for stream in self._streams
            if stream.broadcast.to_ms > self._now
        ]
        self._scheduled.sort(key=lambda broadcast: broadcast.from_ms, reverse=True)
        self._streams = []
        self.started_at = self._now
        self.boot = f"{self.boot.partition('+')[0]}+{self._now}"
        self.bytes_in = self.bytes_out = 0
        self._bytes_of = {}

    def log_lines(self, from_cursor: str | None, to_cursor: str | None = None) -> tuple[EndedConnection, ...]:
        """Return the lines of the log between two cursors; by default from its start and up to its end."""
        first = 0 if from_cursor is None else max(0, int(from_cursor) - self._log_from)
        end = len(self.log) if to_cursor is None else max(0, int(to_cursor) - self._log_from)
        return tuple(self.log[first:end])

    def reading(self, at_ms: int, cursor: str | None) -> Reading:
        """Return the counters at a time, and the log from the cursor on."""
        self.advance(at_ms)
        return Reading(
            at=at_ms,
            boot=self.boot,
            started_at=self.started_at,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            publishes=tuple(
                PublishReading(
                    publish_id=str(stream.number),
                    scope=stream.broadcast.scope,
                    name=stream.broadcast.name,
                    age_ms=at_ms - stream.started_at,
                )
                for stream in self._streams
            ),
            viewers=tuple(
                ViewerReading(
                    viewer_id=str(viewer.number),
                    scope=stream.broadcast.scope,
                    name=stream.broadcast.name,
                    protocol=viewer.protocol,
                    age_ms=at_ms - viewer.started_at,
                )
                for stream in self._streams
                for viewer in stream.viewers.values()
            ),
            stream_traffic="measured",
            stream_counters=tuple(
                StreamCounterReading(scope=scope, name=name, bytes_in=bytes_in, bytes_out=bytes_out)
                for (scope, name), (bytes_in, bytes_out) in self._bytes_of.items()
            ),
            ended=() if cursor is None or not self.has_log else self.log_lines(cursor),
            cursor=str(self._log_from + len(self.log)),
            logs_ends=self.has_log,
        )

    def _tick(self) -> None:
        while self._scheduled and self._scheduled[-1].from_ms <= self._now:
            broadcast = self._scheduled.pop()
            started_at = max(self.started_at, broadcast.from_ms)
            self._streams.append(_SimulatedStream(broadcast, self._take_number(), started_at))
        for stream in list(self._streams):
            if stream.broadcast.to_ms <= self._now:
                self._end_stream(stream)
            else:
                self._advance_stream(stream)

    def _end_stream(self, stream: _SimulatedStream) -> None:
        for viewer in list(stream.viewers.values()):
            self._remove_viewer(stream, viewer)
        self._streams.remove(stream)
        self._log_ended(stream, stream.number, "publish", "rtmp", stream.started_at, stream.bytes_per_viewer, 0)

    def _advance_stream(self, stream: _SimulatedStream) -> None:
        bitrate_bps = stream.broadcast.bitrate_bps * self._random.uniform(0.9, 1.1)
        moved_bytes = int(bitrate_bps * self.tick_ms / 8000)
        stream.bytes_per_viewer += moved_bytes
        sent_bytes = moved_bytes * len(stream.viewers)
        self.bytes_in += moved_bytes
        self.bytes_out += sent_bytes
        key = stream.broadcast.scope, stream.broadcast.name
        bytes_in, bytes_out = self._bytes_of.get(key, (0, 0))
        self._bytes_of[key] = bytes_in + moved_bytes, bytes_out + sent_bytes
        for viewer in [viewer for viewer in stream.viewers.values() if viewer.leaves_at <= self._now]:
            self._remove_viewer(stream, viewer)
        missing = stream.broadcast.target_viewers(self._now) * self._share - len(stream.viewers)
        # A tenth of the missing viewers joins in each second, so that the number rises as that of a real audience.
        joining = max(0.0, missing / max(1, 10 * TICK_MS // self.tick_ms))
        for _ in range(int(joining) + (self._random.random() < joining % 1)):
            self._add_viewer(stream)

    def _add_viewer(self, stream: _SimulatedStream) -> None:
        stay_ms = int(self._random.expovariate(1 / 540_000)) + 2_000
        number = self._take_number()
        stream.viewers[number] = _SimulatedViewer(
            number,
            self._random.choices(list(PROTOCOLS), list(PROTOCOLS.values()))[0],
            self._now,
            self._now + stay_ms,
            stream.bytes_per_viewer,
        )

    def _remove_viewer(self, stream: _SimulatedStream, viewer: _SimulatedViewer) -> None:
        del stream.viewers[viewer.number]
        bytes_out = stream.bytes_per_viewer - viewer.joined_at_bytes
        self._log_ended(stream, viewer.number, "play", viewer.protocol, viewer.started_at, 0, bytes_out)

    def _log_ended(
        self,
        stream: _SimulatedStream,
        number: int,
        kind: str,
        protocol: str,
        started_at: int,
        bytes_in: int,
        bytes_out: int,
    ) -> None:
        self.log.append(
            EndedConnection(
                connection_id=str(number),
                kind="publish" if kind == "publish" else "play",
                scope=stream.broadcast.scope,
                name=stream.broadcast.name,
                protocol=protocol,
                ended_at=self._now,
                duration_ms=self._now - started_at,
                granularity_ms=0,
                bytes_in=bytes_in,
                bytes_out=bytes_out,
            )
        )

    def _take_number(self) -> int:
        self._next_number += 1
        return self._next_number - 1


class SimulatedSource:
    """A `streamusage.agent.reading.Source` of a simulated media server."""

    def __init__(self, server: SimulatedMediaServer, clock: Clock) -> None:
        self._server = server
        self._clock = clock

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        return self._server.reading(self._clock.now_ms(), cursor)

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`."""
        return self._server.log_lines(from_cursor, to_cursor)

    async def close(self) -> None:
        """Do nothing: no connection is open."""
