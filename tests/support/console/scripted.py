"""A scripted estate with a known truth: a real service on a clock of the test's own, and agents that report as told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from streamusage.api.report import Peak, Report, Role, SlotRow
from streamusage.client.usage_client import UsageClient
from streamusage.service.server import RunningService, run_service
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.tokens import Identity, Tokens, digest_of
from tests.streamusage.service.conftest import Estate, OwnedClock
from tests.support.service.reporting import ReportingAgent, Rows

MINUTE = 60_000
ADMIN = "admin-for-this-test"


class TestClock(OwnedClock):
    """Moves only when the test says so."""

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
    """Reports for one server whenever `sync_up` is called. What was refused is owed as before."""

    def __init__(self, estate: "ScriptedEstate", server: str, role: Role = "edge") -> None:
        super().__init__(estate, server, role, life=f"j-{server}.1")
        self._began = self.watermark = estate.clock.now

    def report(self, *rows: Rows, upto_ms: int | None = None, state: str = "counted", reason: str = "") -> Report:
        made = super().report(*rows, upto_ms=upto_ms, state=state, reason=reason)
        baseline = msgspec.structs.replace(made.baseline, started_at=self._began - MINUTE, since=self._began)
        return msgspec.structs.replace(made, baseline=baseline)

    async def sync_up(self, *rows: Rows, expect: int = 200, **told: object) -> None:
        """Accounts for the time up to an instant (now), with these rows."""
        if not self.epoch:
            await self.begin()
        before = self.watermark
        answer = await self.send(self.report(*rows, **told))  # type: ignore[arg-type]
        assert answer.status_code == expect, answer.text
        if expect != 200:
            self.watermark = before


class ScriptedEstate(Estate):
    """The service, its clock, and agents by name."""

    clock: TestClock

    def __init__(self, running: RunningService, clock: TestClock) -> None:
        super().__init__(running, clock)
        self.agents: dict[str, ScriptedAgent] = {}

    def agent(self, server: str, role: Role = "edge") -> ScriptedAgent:
        if server not in self.agents:
            self.agents[server] = ScriptedAgent(self, server, role)
        return self.agents[server]

    async def live(self, minutes: int, *servers: str) -> None:
        """Time passes in which these servers report twice a minute, each slot with its own figures."""
        for _ in range(minutes * 2):
            self.clock.at_ms += MINUTE // 2
            for server in servers:
                slot = (self.clock.at_ms - 1) // MINUTE * MINUTE
                await self.agent(server).sync_up(figures_of(slot, self.clock.at_ms - slot))


def figures_of(slot: int, upto_ms: int = MINUTE) -> SlotRow:
    """The truth of a slot: 4 connections (3 RTMP, 1 HLS), 1,000 bytes a second out, a peak in its middle."""
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
async def scripted_estate(
    directory: Path, at_ms: int, *servers: str
) -> AsyncIterator[tuple[ScriptedEstate, UsageClient]]:
    """The estate at an instant, and a client of it."""
    tokens = {digest_of(ADMIN): Identity("boss", "admin")}
    tokens |= {digest_of(f"{server}-token"): Identity(server, "agent", server) for server in servers}
    clock = TestClock(at_ms)
    store = sqlite_url(directory / "usage.db")
    async with (
        run_service(store_url=store, tokens=Tokens(tokens), clock=clock) as running,
        UsageClient(running.url, ADMIN, clock=clock) as client,
    ):
        estate = ScriptedEstate(running, clock)
        async with estate.http:
            for server in servers:
                estate.agent(server)
            yield estate, client
