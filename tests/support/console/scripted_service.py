"""A real service on a clock that the test sets, and agents that report known figures when the test calls them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from streamusage.api.report import Peak, Report, Role, SlotRow, StreamSlotRow
from streamusage.client.usage_client import UsageClient
from streamusage.service.rules.customers import NO_CUSTOMERS, CustomerRules
from streamusage.service.server import RunningService, run_service
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.tokens import Identity, Tokens, digest_of
from tests.streamusage.service.conftest import Estate, OwnedClock
from tests.support.service.parties.reporting import ReportingAgent, Rows

MINUTE = 60_000
ADMIN = "admin-for-this-test"


class SettableClock(OwnedClock):
    """A clock that moves only when the test sets it."""

    __test__ = False

    def __init__(self, at_ms: int) -> None:
        self.now = at_ms

    @property
    def at_ms(self) -> int:
        return self.now

    @at_ms.setter
    def at_ms(self, at_ms: int) -> None:
        self.now = at_ms

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.2)


class ScriptedAgent(ReportingAgent):
    """An agent of one server that reports when `sync_up` is called. A refused report leaves its time missing."""

    def __init__(self, service: "ScriptedService", server: str, role: Role = "edge") -> None:
        super().__init__(service, server, role, life=f"j-{server}.1")
        self._began = self.watermark = service.clock.now

    def report(self, *rows: Rows, upto_ms: int | None = None, state: str = "counted", reason: str = "") -> Report:
        made = super().report(*rows, upto_ms=upto_ms, state=state, reason=reason)
        baseline = msgspec.structs.replace(made.baseline, started_at=self._began - MINUTE, since=self._began)
        return msgspec.structs.replace(made, baseline=baseline)

    async def sync_up(self, *rows: Rows, expect: int = 200, **options: object) -> None:
        """Report the time up to `upto_ms`, by default now, with these rows."""
        if not self.epoch:
            await self.begin()
        before = self.watermark
        answer = await self.send(self.report(*rows, **options))  # type: ignore[arg-type]
        assert answer.status_code == expect, answer.text
        if expect != 200:
            self.watermark = before


class ScriptedService(Estate):
    """The running service, its clock, and its agents by server."""

    clock: SettableClock

    def __init__(self, running: RunningService, clock: SettableClock) -> None:
        super().__init__(running, clock)
        self.agents: dict[str, ScriptedAgent] = {}

    def agent(self, server: str, role: Role = "edge") -> ScriptedAgent:
        if server not in self.agents:
            self.agents[server] = ScriptedAgent(self, server, role)
        return self.agents[server]

    async def report_for(self, minutes: int, *servers: str) -> None:
        """Move the clock by minutes in which these servers report twice a minute, each slot with its own figures."""
        for _ in range(minutes * 2):
            self.clock.at_ms += MINUTE // 2
            for server in servers:
                slot = (self.clock.at_ms - 1) // MINUTE * MINUTE
                await self.agent(server).sync_up(slot_figures(slot, self.clock.at_ms - slot))


def slot_with_streams(slot: int, rest: int, **streams: int) -> list[SlotRow | StreamSlotRow]:
    """Return a slot with the outgoing bytes of streams of the scope `live`, and those that are not by stream."""
    whole = SlotRow(
        slot=slot,
        revision=0,
        bytes_out=rest + sum(streams.values()),
        connections={"rtmp": len(streams)},
        view_time_ms=1_000 * len(streams),
    )
    parts = [
        StreamSlotRow(slot=slot, scope="live", name=name, revision=0, connections=1, bytes_out=sent, view_time_ms=1_000)
        for name, sent in streams.items()
    ]
    return [whole, *parts]


def slot_figures(slot: int, upto_ms: int = MINUTE) -> SlotRow:
    """Return the figures of a slot: 4 connections (3 RTMP, 1 HLS), 1,000 bytes a second out, a peak in its middle."""
    return SlotRow(
        slot=slot,
        revision=0,
        bytes_in=upto_ms // 100,
        bytes_out=upto_ms,
        connections={"rtmp": 3, "hls": 1},
        view_time_ms=upto_ms,
        peak_out=Peak(8_000 + slot // MINUTE % 60, slot + MINUTE // 2, 10_000),
    )


@asynccontextmanager
async def scripted_service(
    directory: Path, at_ms: int, *servers: str, customers: CustomerRules = NO_CUSTOMERS
) -> AsyncIterator[tuple[ScriptedService, UsageClient]]:
    """Run a service with agents of these servers, starting at an instant; yield it and an admin's client."""
    tokens = {digest_of(ADMIN): Identity("boss", "admin")}
    tokens |= {digest_of(f"{server}-token"): Identity(server, "agent", server) for server in servers}
    clock = SettableClock(at_ms)
    store = sqlite_url(directory / "usage.db")
    async with (
        run_service(store_url=store, tokens=Tokens(tokens), clock=clock, customers=customers) as running,
        UsageClient(running.url, ADMIN, clock=clock) as client,
    ):
        service = ScriptedService(running, clock)
        async with service.http:
            for server in servers:
                service.agent(server)
            yield service, client
