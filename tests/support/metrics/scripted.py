"""A scripted estate whose figures are known: three servers, four scopes, two protocols, an outage over midnight and its
backfill, lost and partial time. Everything goes over real HTTP.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from streamusage.api.report import Peak, Report, SlotRow, StreamSlotRow, ViewerRow
from streamusage.core.days import day_interval
from streamusage.service.accounting.closing import is_accounting_due
from streamusage.service.metrics import MetricsLimits
from tests.streamusage.service.conftest import Estate, OwnedClock, an_estate
from tests.support.metrics.exposition import Scrape
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tests.support.waiting import wait_until

MINUTE = 60_000
STEP_MS = 10 * MINUTE
FIRST = date(2026, 11, 19)
SCOPES = ("live", "live/sports", "radio", 'odd \x1b"scope\\')
SERVERS = ("origin-1", "edge-1", "edge-2")
BEFORE_MIDNIGHT_MS = 100 * MINUTE


class MeteredAgent(ReportingAgent):
    """Reports every ten minutes, and counts what it reported."""

    def __init__(self, estate: Estate, server: str) -> None:
        super().__init__(estate, server, "origin" if server.startswith("origin") else "edge", life=f"{server}.1")
        self.watermark = estate.clock.now
        self.connections: Counter[str] = Counter()
        self.bytes_in = self.bytes_out = self.view_time_ms = 0

    def report(self, *rows: object, **options: object) -> Report:
        report = super().report(*rows, **options)  # type: ignore[arg-type]
        baseline = msgspec.structs.replace(report.baseline, started_at=report.baseline.at, since=report.baseline.at)
        return msgspec.structs.replace(report, sync_interval_ms=STEP_MS, baseline=baseline)

    def slots(self, from_ms: int, to_ms: int) -> list[SlotRow | StreamSlotRow]:
        """Return the figures of the minutes of an interval, and count them."""
        rows: list[SlotRow | StreamSlotRow] = []
        seed = SERVERS.index(self.server) + 1
        for slot in range(from_ms, to_ms, MINUTE):
            number = slot // MINUTE
            streams = [
                StreamSlotRow(
                    slot=slot, revision=0, scope=scope, name=f"stream-{at % 2}", connections=(number + at) % 3,
                    bytes_in=number % 97 * 11 + seed, bytes_out=(number * (at + 3) * seed) % 100_003,
                    view_time_ms=(number * 7 + at) % 60_000,
                )
                for at, scope in enumerate(SCOPES[: 2 + seed % 3])
            ]  # fmt: skip
            sums = {
                name: sum(getattr(row, name) for row in streams)
                for name in ("connections", "bytes_in", "bytes_out", "view_time_ms")
            }
            connections = {"rtmp": sums["connections"] // 2, "hls": sums["connections"] - sums["connections"] // 2 + 1}
            row = SlotRow(
                slot=slot, revision=0, connections=connections, bytes_in=sums["bytes_in"] + 5,
                bytes_out=sums["bytes_out"] + 17, view_time_ms=sums["view_time_ms"],
                peak_in=Peak(number % 977 + 1, slot + MINUTE, 10_000), peak_out=Peak(number % 9_973, slot + 9, 10_000),
            )  # fmt: skip
            self.connections.update(row.connections)
            self.bytes_in += row.bytes_in
            self.bytes_out += row.bytes_out
            self.view_time_ms += row.view_time_ms
            rows += [row, *streams]
        return rows


class MeteredEstate:
    """The estate while its script runs."""

    def __init__(self, estate: Estate, tz: ZoneInfo) -> None:
        self.estate, self.tz = estate, tz
        self.agents = {name: MeteredAgent(estate, name) for name in SERVERS}

    async def play(self, steps: int, without: str = "", lost: str = "", **options: object) -> None:
        """Let ten minutes pass several times; every server reports, except one whose network is cut, and one that lost
        what it counted.
        """
        for _ in range(steps):
            self.estate.clock.now += STEP_MS
            for agent in self.agents.values():
                if agent.server == lost:
                    await agent.sync_up(state="lost", reason="journal lost")
                elif agent.server != without:
                    await self.sync(agent, **options)
        await self.settle()

    async def sync(self, agent: MeteredAgent, **options: object) -> None:
        """Report everything since the last report."""
        now = self.estate.clock.now
        at = SERVERS.index(agent.server)
        sessions = [
            a_session(f"p{number}", scope=scope, name=f"stream-{number % 2}", active=number + at, highest=9, total=9)
            for number, scope in enumerate(SCOPES[: 2 + (at + 1) % 3])
        ]
        viewer = ViewerRow(
            viewer_id="v1", revision=0, open=True, scope="live", name="stream-0", protocol="hls", started_at=now
        )
        await agent.sync_up(*agent.slots(agent.watermark, now), *sessions, viewer, **options)

    async def settle(self) -> None:
        """Wait until hours and days that are due are summed and closed."""
        service = self.estate.running.service

        async def is_settled() -> bool:
            now_ms = self.estate.clock.now
            return not await service.read(
                lambda connection: is_accounting_due(connection, [self.tz], now_ms, service.close_settle_ms)
            )

        await wait_until(is_settled, "hours and days are summed")

    async def scrape(self, query: str = "") -> Scrape:
        """Return the metrics."""
        answer = await self.estate.request("GET", f"/metrics{query}", "viewer-token")
        assert answer.status_code == 200, answer.text
        return Scrape(answer.text)


@asynccontextmanager
async def metered_estate(
    directory: Path, store_url: str, tz: ZoneInfo, limits: MetricsLimits | None = None, port: int = 0
) -> AsyncIterator[MeteredEstate]:
    """Run an estate a while before midnight of the account zone."""
    clock = OwnedClock()
    clock.now = day_interval(FIRST + timedelta(days=1), tz).from_ms - BEFORE_MIDNIGHT_MS
    async with an_estate(
        directory,
        clock,
        store_url,
        account_zones=[tz],
        metrics_limits=limits or MetricsLimits(reuse_ms=0),
        port=port,
    ) as estate:
        yield MeteredEstate(estate, tz)


@asynccontextmanager
async def restarted(script: MeteredEstate, directory: Path, store_url: str, port: int) -> AsyncIterator[MeteredEstate]:
    """Run a new process's service on the store of an estate whose service has ended. Its agents report to it now."""
    options = {"account_zones": [script.tz], "metrics_limits": MetricsLimits(reuse_ms=0), "port": port}
    async with an_estate(directory, script.estate.clock, store_url, **options) as estate:
        script.estate = estate
        for agent in script.agents.values():
            agent.estate = estate
        yield script
