"""Hours of an estate that counts honestly: origins that feed edges, edges that feed each other, and viewers.

Bytes include protocol overhead, which differs by server, and a reading may file up to ten seconds of bytes in the next
minute. Viewers come and go at any time; samples show those present at the last reading of a minute.
"""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from streamusage.api.report import Role, SampleRow, SlotRow, StreamSlotRow
from streamusage.core.coverage import Interval, by_slot

MINUTE = 60_000
SCOPE = "live"


@dataclass
class MinuteOfStream:
    """Figures of one stream on one server in a minute."""

    connections: int = 0
    view_time_ms: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    active: int = 0


Minutes = dict[tuple[str, int], MinuteOfStream]
"""By stream and slot."""


@dataclass
class HonestServer:
    """One server, and what it counts."""

    name: str
    role: Role
    overhead: float
    minutes: Minutes = field(default_factory=dict)

    def at(self, stream: str, slot: int) -> MinuteOfStream:
        return self.minutes.setdefault((stream, slot), MinuteOfStream())

    def rows(self, slot: int) -> list[SlotRow | StreamSlotRow | SampleRow]:
        """Return the rows of a minute as an agent reports them."""
        streams = {name: figures for (name, at), figures in self.minutes.items() if at == slot}
        if not streams:
            return []
        viewers = sum(figures.connections for figures in streams.values())
        sums = {
            name: sum(getattr(figures, name) for figures in streams.values())
            for name in ("bytes_in", "bytes_out", "view_time_ms")
        }
        return [
            SlotRow(slot=slot, revision=0, connections={"rtmp": viewers} if viewers else {}, **sums),
            *(
                StreamSlotRow(
                    slot=slot,
                    scope=SCOPE,
                    name=name,
                    revision=0,
                    connections=figures.connections,
                    bytes_in=figures.bytes_in,
                    bytes_out=figures.bytes_out,
                    view_time_ms=figures.view_time_ms,
                )
                for name, figures in sorted(streams.items())
            ),
            *(
                SampleRow(slot=slot, scope=SCOPE, name=name, revision=0, active=figures.active, highest=figures.active)
                for name, figures in sorted(streams.items())
            ),
        ]


def honest_estate(random: Random, from_ms: int, hours: int, edges: int, *, streams: int = 2) -> list[HonestServer]:
    """Return an origin and edges over whole hours. Some streams have own viewers at the origin, or edges in a chain."""
    time = Interval(from_ms, from_ms + hours * 60 * MINUTE)
    servers = [HonestServer("origin-1", "origin", 1 + random.uniform(0, 0.005))]
    servers += [HonestServer(f"edge-{number}", "edge", 1 + random.uniform(0, 0.005)) for number in range(1, edges + 1)]
    for number in range(streams):
        _run_stream(random, time, servers, f"s{number}", has_own_viewers=random.random() < 0.2)
    return servers


def _run_stream(
    random: Random, time: Interval, servers: list[HonestServer], name: str, *, has_own_viewers: bool
) -> None:
    origin, *edges = servers
    began = time.from_ms + random.choice([0, random.randrange(time.length_ms // 2)])
    on_air = Interval(began, random.choice([time.to_ms, random.randrange(began + 5 * MINUTE, time.to_ms + 1)]))
    per_ms = random.choice([30, 125, 750])
    _move(random, origin, name, on_air, per_ms, is_sent=False)
    feeders = [origin]
    for edge in edges:
        if len(edges) > 1 and random.random() < 0.2:
            continue
        length = on_air.length_ms
        joined = on_air.from_ms + random.choice([0, random.randrange(length // 2)])
        pulled = Interval(joined, random.choice([on_air.to_ms, joined + length // 2]))
        feeder = random.choice(feeders) if random.random() < 0.3 else origin
        if feeder is not origin:
            pulled = on_air
        _move(random, feeder, name, pulled, per_ms, is_sent=True)
        _move(random, edge, name, pulled, per_ms, is_sent=False)
        _watch(random, edge, name, pulled, per_ms)
        if pulled == on_air:
            feeders.append(edge)
    if has_own_viewers:
        _watch(random, origin, name, on_air, per_ms)


def _move(random: Random, server: HonestServer, name: str, time: Interval, per_ms: int, *, is_sent: bool) -> None:
    delayed_ms = random.randrange(10_000)
    for slot, piece in by_slot(time):
        figures = server.at(name, slot)
        count = int(piece.length_ms * per_ms * server.overhead)
        late = count * delayed_ms // MINUTE if slot + MINUTE < time.to_ms else 0
        following = server.at(name, slot + MINUTE) if late else figures
        if is_sent:
            figures.bytes_out += count - late
            following.bytes_out += late
        else:
            figures.bytes_in += count - late
            following.bytes_in += late


def _watch(random: Random, server: HonestServer, name: str, time: Interval, per_ms: int) -> None:
    mean_ms = random.choice([20_000, 300_000, 3_600_000])
    present: Counter[int] = Counter()
    sampled_ms = MINUTE - random.randrange(1, 10_000)
    for _ in range(random.choice([3, 40, 150])):
        came = random.randrange(time.from_ms, time.to_ms)
        left = min(time.to_ms, came + 1 + int(random.expovariate(1 / mean_ms)))
        server.at(name, came - came % MINUTE).connections += 1
        for slot, piece in by_slot(Interval(came, left)):
            figures = server.at(name, slot)
            figures.view_time_ms += piece.length_ms
            figures.bytes_out += piece.length_ms * per_ms
            present[slot] += piece.from_ms <= slot + sampled_ms < piece.to_ms
    for slot, viewers in present.items():
        server.at(name, slot).active += viewers
