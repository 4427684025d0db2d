"""A scripted estate whose truth is known: the real service over real HTTP, real agents with real journals, and media
servers that record everything they did. Time advances in whole minutes; every event is on a half minute, so that the
slot of each figure is certain."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.agent.reading import EndedConnection, Reading
from streamusage.agent.runner import Agent
from streamusage.agent.sync.link import ServiceLink
from streamusage.agent.sync.schedule import SyncSchedule
from streamusage.core.coverage import Interval
from streamusage.core.days import zone
from streamusage.service.accounting.closing import is_accounting_due
from streamusage.service.server import RunningService, run_service
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.tokens import Identity, Tokens, digest_of
from tests.faults.media_server import MediaServer
from tests.support.agent.manual_clock import HandClock
from tests.support.waiting import wait_until
from tui.demo.network import Relay

MINUTE = 60_000
SYNC_MS = 5 * MINUTE
LATE_AFTER_MS = 3 * SYNC_MS
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Auckland")


class SteppedClock(HandClock):
    """A clock that only the script moves."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.05)


@dataclass
class Figures:
    """The true figures of an interval."""

    connections: dict[str, int] = field(default_factory=dict)
    bytes_in: int = 0
    bytes_out: int = 0
    view_time_ms: int = 0
    peak_in: tuple[int, int] | None = None
    peak_out: tuple[int, int] | None = None


class Server:
    """A media server, its agent, and the network between agent and service."""

    def __init__(self, name: str, clock: SteppedClock, directory: Path, relay: Relay) -> None:
        self.name, self.clock, self.directory, self.relay = name, clock, directory, relay
        self.random = Random(name)
        self.media = MediaServer(self.random, clock.now)
        """Without a log its viewers join but never leave, since only a log would record when they leave."""
        self.journals = 0
        self.agent: Agent | None = None
        self.journal: SqliteJournal | None = None
        self.away = False
        """Whether the network is cut."""
        self.quiet = False
        """Whether no connection begins or ends."""
        self.down = False
        self.watermark = 0
        self.lost: list[Interval] = []
        self.first_reading = 0
        self.synced_at: list[tuple[int, int, int]] = []
        """(from, to, time of the sync) of each reported interval."""

    def start_agent(self) -> None:
        self.journals += 1
        self.journal = SqliteJournal(self.directory / f"{self.name}-{self.journals}.db", synchronous="off")
        url = f"http://127.0.0.1:{self.relay.port}"
        self.link = ServiceLink(url, self.name, lambda: f"{self.name}-token", clock=self.clock)
        self.agent = Agent(
            server=self.name,
            source=self,
            ledger=Ledger(self.journal, f"{self.name}-{self.journals}", self.name, "edge", SYNC_MS),
            link=self.link,
            schedule=SyncSchedule(self.name, SYNC_MS, self.clock.now, Random(1)),
            poll_interval_ms=MINUTE,
            clock=self.clock,
            run="machine",
        )

    async def destroy_agent(self) -> None:
        assert self.journal is not None
        self.journal.close()
        await self.link.close()
        self.agent = None

    async def close(self) -> None:
        if self.agent is not None:
            await self.destroy_agent()

    async def read(self, cursor: str | None) -> Reading:
        return self.media.read(self.clock.now, cursor)

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        return self.media.ended_between(from_cursor, to_cursor)

    def live(self, at: int) -> None:
        """Run the random events of a half minute."""
        if self.down:
            return
        if not self.quiet:
            self.media.connect(at, "publish", "stage")
            if self.random.random() < (0.3 if self.media.keeps_log else 0.02):
                self.media.connect(at, "play", "stage")
            playing = [number for number, open_ in self.media.open.items() if open_.kind == "play"]
            if playing and self.media.keeps_log and self.random.random() < 0.25:
                self.media.disconnect(at, self.random.choice(playing))
        self.media.move_bytes(at)

    async def poll_and_sync(self) -> None:
        if self.agent is None:
            return
        await self.agent.poll()
        self.first_reading = self.first_reading or self.clock.now
        if not self.away and self.clock.now % SYNC_MS == 0:
            await self.agent.sync()
            self.synced_at.append((self.watermark or self.first_reading, self.clock.now, self.clock.now))
            self.watermark = self.clock.now

    # The truth.

    def figures(self, interval: Interval) -> Figures:
        """Return the true figures of an interval without its lost parts, which the service cannot know."""
        truth = self.media.truth
        parts = [interval]
        for lost in self.lost:
            parts = [piece for part in parts for piece in _without(part, lost)]
        result = Figures()
        views = [*truth.views, *((c.started_at, self.clock.now) for c in self.media.open.values() if c.kind == "play")]
        for part in parts:
            for at, protocol in zip(truth.connections, truth.connection_protocols, strict=True):
                if part.from_ms <= at < part.to_ms:
                    result.connections[protocol] = result.connections.get(protocol, 0) + 1
            moved_in, moved_out = truth.bytes_between(part.from_ms - 1, part.to_ms - 1)
            result.bytes_in += moved_in
            result.bytes_out += moved_out
            result.view_time_ms += sum(
                max(0, min(part.to_ms, ended) - max(part.from_ms, began)) for began, ended in views
            )
        for minute in range(-(-interval.from_ms // MINUTE) * MINUTE, interval.to_ms, MINUTE):
            if minute >= self.first_reading and not any(
                lost.from_ms < minute + MINUTE and lost.to_ms > minute for lost in self.lost
            ):
                moved = truth.bytes_between(minute - 1, minute + MINUTE - 1)
                tops = [(count * 8000 // MINUTE, minute + MINUTE) for count in moved]
                result.peak_in, result.peak_out = _higher(result.peak_in, tops[0]), _higher(result.peak_out, tops[1])
        return result

    def percentile(self, interval: Interval, now: int) -> tuple[int | None, int | None, int, int]:
        """Return the 95th percentile in and out, and the complete and expected numbers of five-minute samples."""
        spans = self.spans(now)
        found: list[tuple[int, int]] = []
        expected = 0
        for at in range(interval.from_ms, interval.to_ms, SYNC_MS):
            five = Interval(at, at + SYNC_MS)
            pieces = [(Interval(one, two).clip(*five).length_ms, state) for one, two, state in spans]
            expected += any(length for length, _ in pieces)
            if sum(length for length, state in pieces if state in {"live", "backfilled"}) == SYNC_MS:
                found.append(self.media.truth.bytes_between(five.from_ms - 1, five.to_ms - 1))
        rank = math.ceil(0.95 * len(found)) - 1
        rates = [sorted(sample[way] for sample in found)[rank] * 8 // 300 if found else None for way in (0, 1)]
        return rates[0], rates[1], len(found), expected

    def spans(self, now: int) -> list[tuple[int, int, str]]:
        """Return the coverage of the server's time as (from, to, state), oldest first, equal neighbours merged."""
        found: list[tuple[int, int, str]] = []
        for from_ms, to_ms, when in self.synced_at:
            cut = max(from_ms, min(to_ms, when - LATE_AFTER_MS))
            found += [(from_ms, cut, "backfilled"), (cut, to_ms, "live")]
        for lost in self.lost:
            found = [
                (*piece, state) for from_ms, to_ms, state in found for piece in _without(Interval(from_ms, to_ms), lost)
            ]
            found.append((*lost, "lost"))
        if now - self.watermark > LATE_AFTER_MS:
            found.append((self.watermark, now, "missing"))
        merged: list[tuple[int, int, str]] = []
        for from_ms, to_ms, state in sorted(piece for piece in found if piece[1] > piece[0]):
            if merged and merged[-1][1:] == (from_ms, state):
                merged[-1] = (merged[-1][0], to_ms, state)
            else:
                merged.append((from_ms, to_ms, state))
        return merged


def _higher(one: tuple[int, int] | None, other: tuple[int, int]) -> tuple[int, int]:
    return other if one is None or other[0] > one[0] else one


def _without(part: Interval, gone: Interval) -> list[Interval]:
    pieces = [
        Interval(part.from_ms, min(part.to_ms, gone.from_ms)),
        Interval(max(part.from_ms, gone.to_ms), part.to_ms),
    ]
    return [piece for piece in pieces if piece.length_ms]


class Estate:
    """All servers and the running service."""

    def __init__(self, running: RunningService, clock: SteppedClock, servers: Sequence[Server]) -> None:
        self.running, self.clock = running, clock
        self.servers = {server.name: server for server in servers}

    async def live_until(self, at: int) -> None:
        while self.clock.now < at:
            for server in self.servers.values():
                server.live(self.clock.now + MINUTE // 2)
            self.clock.now += MINUTE
            await asyncio.gather(*(server.poll_and_sync() for server in self.servers.values()))
        await self.settle()

    async def settle(self) -> None:
        """Wait until the service has closed all days that are due."""
        service = self.running.service
        zones, settle_ms = service.account_zones, service.close_settle_ms

        async def is_settled() -> bool:
            now_ms = self.clock.now
            return not await service.read(lambda connection: is_accounting_due(connection, zones, now_ms, settle_ms))

        await wait_until(is_settled, "the service has summed and closed everything that is due")


@asynccontextmanager
async def scripted_estate(directory: Path, names: Sequence[str], now: int) -> AsyncIterator[Estate]:
    """Run an estate at the beginning of its script."""
    clock = SteppedClock(now)
    identities = {digest_of(f"{name}-token"): Identity(name, "agent", name) for name in names}
    tokens = Tokens(identities | {digest_of("admin-token"): Identity("boss", "admin")})
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(
            run_service(
                store_url=sqlite_url(directory / "usage.db"),
                tokens=tokens,
                clock=clock,
                account_zones=[zone(name) for name in ZONES],
            )
        )
        servers = []
        for name in names:
            relay = Relay(running.port)
            await relay.heal()
            stack.push_async_callback(relay.cut)
            server = Server(name, clock, directory, relay)
            stack.push_async_callback(server.close)
            server.start_agent()
            await server.poll_and_sync()
            servers.append(server)
        yield Estate(running, clock, servers)
