"""A media server that exists only as numbers: publishers and viewers from a seed, for the demo.

It answers as a real one does: cumulative counters, connection ids, a log of what ended. The same programme and seed
make the same history, whoever reads it and how often: it moves in whole seconds of its own time.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from streamusage.agent.reading import EndedConnection, PublishReading, Reading, ViewerReading
from streamusage.core.clock import Clock

TICK_MS = 1_000

PROTOCOLS = {"rtmp": 5.0, "hls": 12.0, "webrtc": 3.0}
"""Protocols of viewers and how common each is."""


@dataclass(frozen=True, eq=False)
class Broadcast:
    """One publish of the programme."""

    scope: str
    name: str
    from_ms: int
    to_ms: int
    audience: int
    """Viewers on all servers once the stream is in full swing."""
    bitrate_bps: int

    def wanted(self, at_ms: int) -> float:
        """How many viewers the stream draws at an instant: a quick rise, waves, a few who leave before the end."""
        minutes = (at_ms - self.from_ms) / 60_000
        rise = 1 - math.exp(-minutes / 6)
        waves = 1 + 0.12 * math.sin(minutes / 3.1) + 0.05 * math.sin(minutes / 0.9)
        return self.audience * rise * waves


@dataclass
class _Viewer:
    number: int
    protocol: str
    started_at: int
    leaves_at: int
    counted_from: int
    """What one viewer of the stream had been sent when this one came."""


@dataclass
class _Stream:
    broadcast: Broadcast
    number: int
    started_at: int
    sent_to_one: int = 0
    """Bytes that a viewer has got who was there from the beginning."""
    viewers: dict[int, _Viewer] = field(default_factory=dict)


class SimulatedMediaServer:
    """One server of an estate: it carries every broadcast of the programme, with its share of the viewers."""

    def __init__(self, programme: Sequence[Broadcast], share: float, seed: int, started_at: int) -> None:
        self._to_come = sorted(programme, key=lambda broadcast: broadcast.from_ms, reverse=True)
        self._share = share
        self._random = Random(seed)
        self._now = started_at
        self._next_number = 1
        self._streams: list[_Stream] = []
        self.started_at = started_at
        self.boot = f"simulated-{seed}-{started_at}"
        self.bytes_in = 0
        self.bytes_out = 0
        self.log: list[EndedConnection] = []

    def advance(self, to_ms: int) -> None:
        """Lives on until the instant, in whole ticks."""
        while self._now + TICK_MS <= to_ms:
            self._now += TICK_MS
            self._tick()

    def reading(self, at_ms: int, cursor: str | None) -> Reading:
        """What the server shows at the instant, and its log from the cursor on."""
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
            ended=tuple(self.log[len(self.log) if cursor is None else int(cursor) :]),
            cursor=str(len(self.log)),
            logs_ends=True,
        )

    def _tick(self) -> None:
        while self._to_come and self._to_come[-1].from_ms <= self._now:
            broadcast = self._to_come.pop()
            began = max(self.started_at, broadcast.from_ms)
            self._streams.append(_Stream(broadcast, self._number(), began))
        for stream in list(self._streams):
            if stream.broadcast.to_ms <= self._now:
                self._end(stream)
            else:
                self._move(stream)

    def _end(self, stream: _Stream) -> None:
        for viewer in list(stream.viewers.values()):
            self._leave(stream, viewer)
        self._streams.remove(stream)
        self._write(stream, stream.number, "publish", "rtmp", stream.started_at, stream.sent_to_one, 0)

    def _move(self, stream: _Stream) -> None:
        rate = stream.broadcast.bitrate_bps * self._random.uniform(0.9, 1.1)
        moved = int(rate * TICK_MS / 8000)
        stream.sent_to_one += moved
        self.bytes_in += moved
        self.bytes_out += moved * len(stream.viewers)
        for viewer in [viewer for viewer in stream.viewers.values() if viewer.leaves_at <= self._now]:
            self._leave(stream, viewer)
        missing = stream.broadcast.wanted(self._now) * self._share - len(stream.viewers)
        # Newcomers close a tenth of what is missing a second, so that a figure rises as audiences do.
        coming = max(0.0, missing / 10)
        for _ in range(int(coming) + (self._random.random() < coming % 1)):
            self._join(stream)

    def _join(self, stream: _Stream) -> None:
        stay_ms = int(self._random.expovariate(1 / 540_000)) + 2_000
        number = self._number()
        stream.viewers[number] = _Viewer(
            number,
            self._random.choices(list(PROTOCOLS), list(PROTOCOLS.values()))[0],
            self._now,
            self._now + stay_ms,
            stream.sent_to_one,
        )

    def _leave(self, stream: _Stream, viewer: _Viewer) -> None:
        del stream.viewers[viewer.number]
        sent = stream.sent_to_one - viewer.counted_from
        self._write(stream, viewer.number, "play", viewer.protocol, viewer.started_at, 0, sent)

    def _write(
        self, stream: _Stream, number: int, kind: str, protocol: str, started_at: int, bytes_in: int, bytes_out: int
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

    def _number(self) -> int:
        self._next_number += 1
        return self._next_number - 1


class SimulatedSource:
    """`streamusage.agent.reading.Source` over a simulated media server."""

    def __init__(self, server: SimulatedMediaServer, clock: Clock) -> None:
        self._server = server
        self._clock = clock

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        return self._server.reading(self._clock.now_ms(), cursor)

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`."""
        return tuple(self._server.log[int(from_cursor) : int(to_cursor)])

    async def close(self) -> None:
        """Nothing is held open."""
