"""A scripted estate with a known truth: a real service on a clock of the test's own, and agents that report as told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec

from streamusage.client import UsageClient
from streamusage.report import Based, Baseline, OutageRow, Peak, PeakWindow, Report, Role, SessionRow, SlotRow, SpanRow
from streamusage.service.run import RunningService, run_service
from streamusage.service.store import sqlite_url
from streamusage.service.tokens import Identity, Tokens, digest_of

MINUTE = 60_000
ADMIN = "admin-for-this-test"


class TestClock:
    """Moves only when the test says so."""

    __test__ = False

    def __init__(self, at_ms: int) -> None:
        self.at_ms = at_ms

    def now_ms(self) -> int:
        return self.at_ms

    def elapsed_ms(self) -> int:
        return self.at_ms

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.2)


class ScriptedAgent:
    """Reports for one server: every minute so many connections and bytes, whenever `sync_up` is called."""

    def __init__(self, estate: "ScriptedEstate", server: str, role: Role = "edge") -> None:
        self._estate = estate
        self.server = server
        self._role = role
        self._epoch = 0
        self._revision = 0
        self._acknowledged = 0
        self._based_on: Based | None = None
        self._began = estate.clock.at_ms
        self._upto = estate.clock.at_ms

    async def sync_up(
        self,
        *rows: SlotRow | SessionRow | OutageRow,
        upto_ms: int | None = None,
        state: str = "counted",
        reason: str = "",
        expect: int = 200,
    ) -> None:
        """Accounts for the time up to an instant (now), with these rows."""
        if not self._epoch:
            answer = await self._post("epochs", {"journal": f"j-{self.server}"})
            self._epoch, self._based_on = answer["epoch"], Based(**answer["based_on"])
        upto_ms = self._estate.clock.at_ms if upto_ms is None else upto_ms
        span = SpanRow(from_ms=self._upto, to_ms=upto_ms, revision=0, state=state, reason=reason)  # type: ignore[arg-type]
        numbered = []
        for row in (span, *rows):
            self._revision += 1
            numbered.append(msgspec.structs.replace(row, revision=self._revision))
        report = Report(
            server=self.server,
            role=self._role,
            life=f"j-{self.server}.1",
            epoch=self._epoch,
            since=self._acknowledged,
            upto=self._revision,
            sent_at=self._estate.clock.at_ms,
            sync_interval_ms=10_000,
            baseline=Baseline(
                at=upto_ms,
                boot="boot",
                started_at=self._began - MINUTE,
                since=self._began,
                bytes_in=0,
                bytes_out=0,
                window=PeakWindow(upto_ms, 0, 0),
            ),
            based_on=self._based_on,
            spans=tuple(row for row in numbered if isinstance(row, SpanRow)),
            slots=tuple(row for row in numbered if isinstance(row, SlotRow)),
            sessions=tuple(row for row in numbered if isinstance(row, SessionRow)),
            outages=tuple(row for row in numbered if isinstance(row, OutageRow)),
        )
        await self._post("reports", report, expect)
        if expect == 200:
            self._acknowledged, self._based_on, self._upto = self._revision, None, upto_ms

    async def _post(self, path: str, body: object, expect: int = 200) -> dict[str, object]:
        answer = await self._estate.http.post(
            f"/api/v1/agents/{self.server}/{path}",
            content=msgspec.json.encode(body),
            headers={"Authorization": f"Bearer {self.server}-token"},
        )
        assert answer.status_code == expect, answer.text
        return answer.json()  # type: ignore[no-any-return]


class ScriptedEstate:
    """The service, its clock, and agents by name."""

    def __init__(self, running: RunningService, clock: TestClock, http: httpx.AsyncClient) -> None:
        self.url = running.url
        self.clock = clock
        self.http = http
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
        httpx.AsyncClient(base_url=running.url) as http,
        UsageClient(running.url, ADMIN, clock=clock) as client,
    ):
        estate = ScriptedEstate(running, clock, http)
        for server in servers:
            estate.agent(server)
        yield estate, client
