"""A real service over a real store with fixed figures and a clock that never moves, for snapshots.

The store covers three servers over one hour. edge-2 was unreachable for eight minutes and backfilled them, edge-1 lost
two minutes, and the last six minutes of edge-2 are missing.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from streamusage.api.report import Report, Role, SampleRow, SessionRow, SlotRow
from streamusage.client.usage_client import UsageClient
from streamusage.service.accounting.closing import advance_accounting, is_accounting_due
from streamusage.service.http.context import Service
from streamusage.service.ingest.reports import apply_condition_changes, find_condition_changes
from streamusage.service.server import EDGE_TIMEOUT_MS, run_service
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.tokens import Identity, Tokens, digest_of
from tests.streamusage.service.conftest import Estate, OwnedClock, a_record
from tests.support.service.parties.reporting import ReportingAgent

MINUTE = 60_000
START_MS = 1_795_284_000_000 - 60 * MINUTE
"""About 21:30 UTC."""
MINUTES = 60
NOW = START_MS + MINUTES * MINUTE
UNREACHABLE = range(34, 42)
LOST = range(20, 22)
MISSING_FROM = 54
HOST = "sm.example.net"

STREAMS = (
    ("live", "stage-1", 420, 0, MINUTES),
    ("live", "stage-2", 290, 3, MINUTES),
    ("live/room1", "keynote", 120, 12, MINUTES),
    ("event/day2", "cam-4", 61, 5, MINUTES),
    ("live", "日本語-メイン", 38, 8, MINUTES),
    ("live", "[late] night", 17, 30, MINUTES),
    ("live", "\u202egnp.exe", 9, 41, MINUTES),
    ("radio", "drive-time", 95, 2, MINUTES),
    ("live/room1", "q-and-a", 55, 10, 31),
    ("event/day2", "cam-1", 22, 4, 25),
    ("live", "rehearsal", 9, 15, 28),
)
"""Scope, name, audience, first minute and last minute."""

SHARES: dict[str, tuple[Role, float]] = {
    "edge-1": ("edge", 0.55),
    "edge-2": ("edge", 0.4),
    "origin-1": ("origin", 0.05),
}

TOKENS = Tokens(
    {digest_of("admin-token"): Identity("boss", "admin")}
    | {digest_of(f"{server}-token"): Identity(server, "agent", server) for server in SHARES}
)


class _Agent(ReportingAgent):
    """An agent that syncs once a minute."""

    def report(self, *rows, **options) -> Report:  # type: ignore[no-untyped-def]
        return msgspec.structs.replace(super().report(*rows, **options), sync_interval_ms=MINUTE)


def viewers_at(audience: int, share: float, minute: int) -> int:
    """Return the viewers of a server in a minute; they rise and fall in the same way in every run."""
    wave = 60 + (minute * 7 % 23) + (minute * minute // 9) % 17
    return int(audience * share * wave / 100)


def _rows(server: str, minute: int) -> list[SessionRow | SampleRow | SlotRow]:
    _, share = SHARES[server]
    at, rows = START_MS + minute * MINUTE, []
    total = 0
    for number, (scope, name, audience, first, last) in enumerate(STREAMS):
        if not first <= minute <= last:
            continue
        active = viewers_at(audience, share, minute)
        live = minute < last
        rows.append(
            SessionRow(
                publish_id=f"p{number}", revision=0, scope=scope, name=name, start_time=START_MS + first * MINUTE,
                end_time=at + MINUTE, live=live, active=active if live else 0,
                highest=max(viewers_at(audience, share, past) for past in range(first, minute + 1)),
                total=active + 11 * (minute - first),
            )
        )  # fmt: skip
        rows.append(SampleRow(slot=at, scope=scope, name=name, revision=0, active=active, highest=active + 1))
        total += active
    slot = SlotRow(
        slot=at, revision=0, bytes_in=90_000_000, bytes_out=total * 9_000_000, view_time_ms=total * MINUTE,
        connections={"rtmp": total // 20 + 1, "hls": total // 90},
    )  # fmt: skip
    return [slot, *rows]


async def _report_hour(directory: Path) -> None:
    clock = OwnedClock()
    clock.now = START_MS
    store = sqlite_url(directory / "usage.db")
    async with run_service(store_url=store, tokens=TOKENS, clock=clock) as running:
        service = Estate(running, clock)
        await service.import_records(*_earlier_records())
        agents = {server: _Agent(service, server, role, f"{server}.1") for server, (role, _) in SHARES.items()}
        for agent in agents.values():
            agent.watermark = START_MS
        for minute in range(MINUTES):
            clock.now = START_MS + (minute + 1) * MINUTE
            for server, agent in agents.items():
                if server == "edge-2" and (minute in UNREACHABLE or minute >= MISSING_FROM):
                    continue
                minutes = [*UNREACHABLE, minute] if server == "edge-2" and minute == UNREACHABLE.stop else [minute]
                rows = _newest_rows(row for past in minutes for row in _rows(server, past))
                lost = server == "edge-1" and minute in LOST
                options = {"state": "lost", "reason": "the media server and the journal were both gone"} if lost else {}
                await agent.sync_up(*rows, **options)
            await _run_housekeeping(running.service)
        await service.http.aclose()


async def _run_housekeeping(service: Service) -> None:
    """Run the service's periodic tasks at once, so that no snapshot depends on their timing."""
    now_ms = service.clock.now_ms()

    def update(connection: Connection) -> None:
        apply_condition_changes(connection, find_condition_changes(connection, now_ms, EDGE_TIMEOUT_MS), now_ms)
        while is_accounting_due(connection, service.account_zones, now_ms, service.close_settle_ms):
            advance_accounting(connection, service.account_zones, now_ms, service.close_settle_ms)

    await service.write(update)


def _newest_rows(rows):  # type: ignore[no-untyped-def]
    """Return the last row of each session, as a journal sends it, and all other rows."""
    found = {}
    for number, row in enumerate(rows):
        found[row.publish_id if isinstance(row, SessionRow) else number] = row
    return found.values()


def _earlier_records() -> list[dict[str, object]]:
    return [
        a_record("keynote", "live/room1", START_MS - days * 24 * 60 * MINUTE)
        | {"maxSubscribers": 980 + days, "duration": 7_860_000}
        for days in (1, 2, 9)
    ]  # fmt: skip


def build_store(directory: Path) -> Path:
    """Create the store and return its path. This takes one or two seconds."""
    asyncio.run(_report_hour(directory))
    return directory / "usage.db"


class FrozenClock(OwnedClock):
    """A clock that never moves. A sleep does not end, so that the process is idle between two keys."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(3600)


@asynccontextmanager
async def frozen_service(store: Path, directory: Path) -> AsyncIterator[tuple[UsageClient, OwnedClock]]:
    """Run a service over a copy of the store at the end of the hour; yield a client with a fixed host and the clock."""
    shutil.copy(store, directory / "usage.db")
    clock = FrozenClock()
    clock.now = NOW
    async with (
        run_service(store_url=sqlite_url(directory / "usage.db"), tokens=TOKENS, clock=clock) as running,
        UsageClient(running.url, "admin-token", clock=clock) as client,
    ):
        client.host = HOST
        yield client, clock
