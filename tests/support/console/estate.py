"""An estate of which everything is fixed, for pictures: a real service over a real store, its clock standing still.

Three servers over one hour. edge-2 was cut off for eight minutes and filled them in, edge-1 lost two, and for the
last six minutes edge-2 owes again.
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
from tests.support.service.reporting import ReportingAgent

MINUTE = 60_000
BEGAN = 1_795_284_000_000 - 60 * MINUTE
"""Half past nine in the evening, or thereabouts."""
MINUTES = 60
NOW = BEGAN + MINUTES * MINUTE
CUT_OFF = range(34, 42)
LOST = range(20, 22)
OWED_FROM = 54
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
"""Scope, name, audience, first and last minute."""

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
    """Syncs up once a minute."""

    def report(self, *rows, **options) -> Report:  # type: ignore[no-untyped-def]
        return msgspec.structs.replace(super().report(*rows, **options), sync_interval_ms=MINUTE)


def watching(audience: int, share: float, minute: int) -> int:
    """An audience that swells and falls, the same in every run."""
    wave = 60 + (minute * 7 % 23) + (minute * minute // 9) % 17
    return int(audience * share * wave / 100)


def _rows(server: str, minute: int) -> list[SessionRow | SampleRow | SlotRow]:
    _, share = SHARES[server]
    at, rows = BEGAN + minute * MINUTE, []
    total = 0
    for number, (scope, name, audience, first, last) in enumerate(STREAMS):
        if not first <= minute <= last:
            continue
        active = watching(audience, share, minute)
        live = minute < last
        rows.append(
            SessionRow(
                publish_id=f"p{number}", revision=0, scope=scope, name=name, start_time=BEGAN + first * MINUTE,
                end_time=at + MINUTE, live=live, active=active if live else 0,
                highest=max(watching(audience, share, past) for past in range(first, minute + 1)),
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


async def _lived_through(directory: Path) -> None:
    clock = OwnedClock()
    clock.now = BEGAN
    store = sqlite_url(directory / "usage.db")
    async with run_service(store_url=store, tokens=TOKENS, clock=clock) as running:
        estate = Estate(running, clock)
        await estate.import_records(*_earlier())
        agents = {server: _Agent(estate, server, role, f"{server}.1") for server, (role, _) in SHARES.items()}
        for agent in agents.values():
            agent.watermark = BEGAN
        for minute in range(MINUTES):
            clock.now = BEGAN + (minute + 1) * MINUTE
            for server, agent in agents.items():
                if server == "edge-2" and (minute in CUT_OFF or minute >= OWED_FROM):
                    continue
                minutes = [*CUT_OFF, minute] if server == "edge-2" and minute == CUT_OFF.stop else [minute]
                rows = _newest(row for past in minutes for row in _rows(server, past))
                lost = server == "edge-1" and minute in LOST
                told = {"state": "lost", "reason": "the media server and the journal were both gone"} if lost else {}
                await agent.sync_up(*rows, **told)
            await _chores_done(running.service)
        await estate.http.aclose()


async def _chores_done(service: Service) -> None:
    """What the service does by itself every two seconds: no picture may depend on whether it had come to that."""
    now_ms = service.clock.now_ms()

    def look(connection: Connection) -> None:
        apply_condition_changes(connection, find_condition_changes(connection, now_ms, EDGE_TIMEOUT_MS), now_ms)
        while is_accounting_due(connection, service.account_zones, now_ms, service.close_settle_ms):
            advance_accounting(connection, service.account_zones, now_ms, service.close_settle_ms)

    await service.write(look)


def _newest(rows):  # type: ignore[no-untyped-def]
    """Of several rows of one session the last, as a journal would send it."""
    found = {}
    for number, row in enumerate(rows):
        found[row.publish_id if isinstance(row, SessionRow) else number] = row
    return found.values()


def _earlier() -> list[dict[str, object]]:
    return [
        a_record("keynote", "live/room1", BEGAN - days * 24 * 60 * MINUTE)
        | {"maxSubscribers": 980 + days, "duration": 7_860_000}
        for days in (1, 2, 9)
    ]  # fmt: skip


def live_through(directory: Path) -> Path:
    """Makes the store. Takes a second or two."""
    asyncio.run(_lived_through(directory))
    return directory / "usage.db"


class StandingClock(OwnedClock):
    """Stands still for good. Whoever sleeps by it sleeps, so that the process comes to rest between two keys."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(3600)


@asynccontextmanager
async def standing_still(store: Path, directory: Path) -> AsyncIterator[tuple[UsageClient, OwnedClock]]:
    """A service over a copy of the store at the hour's end, and a client whose host is always the same."""
    shutil.copy(store, directory / "usage.db")
    clock = StandingClock()
    clock.now = NOW
    async with (
        run_service(store_url=sqlite_url(directory / "usage.db"), tokens=TOKENS, clock=clock) as running,
        UsageClient(running.url, "admin-token", clock=clock) as client,
    ):
        client.host = HOST
        yield client, clock
