"""Usage records, sessions and a running service for the console's tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from streamusage.core.coverage import Provenance
from streamusage.core.usage import UsageRecord
from streamusage.service.server import run_service
from streamusage.service.tokens import read_tokens
from tui.model.sessions.store import Session

TOKEN = "for-this-test-only"
HOSTILE = (
    "[red]x[/]",
    "\x1b[2J",
    "../..",
    "a/b",
    "\u202eevil\u202c",
    "日本語",
    "y" * 900,
    "z\u0301\u0301\u0301\u0301\u0301",
)


def record(name: str, start_time: int, scope: str = "live", total: int = 5) -> UsageRecord:
    return UsageRecord(
        name=name,
        scope=scope,
        start_time=start_time,
        end_time=start_time + 60_000,
        duration=60_000,
        active_subscribers=0,
        max_subscribers=3,
        lost_subscribers=total,
        total_subscribers=total,
        updated=start_time + 60_001,
    )


def recent(minutes_ago: int) -> int:
    return SystemClock().now_ms() - minutes_ago * 60_000


@asynccontextmanager
async def service_with(directory: Path, records: list[UsageRecord]) -> AsyncIterator[UsageClient]:
    tokens_file = directory / "tokens.toml"
    tokens_file.write_text(f'[[token]]\nvalue = "{TOKEN}"\nrole = "admin"\n', "utf-8")
    tokens_file.chmod(0o600)
    store_url = f"sqlite:///{directory / 'usage.db'}"
    async with (
        run_service(store_url=store_url, tokens=read_tokens(tokens_file, {}), clock=SystemClock()) as running,
        UsageClient(running.url, TOKEN) as client,
    ):
        if records:
            await client.import_records(records)
        yield client


def session(name: str = "a", start: int = 1000, scope: str = "live", **more: Any) -> Session:
    figures: dict[str, Any] = {
        "end_time": start + 10,
        "duration_ms": 10,
        "active": 2,
        "peak": 3,
        "lost": 1,
        "total": 3,
        "updated": start + 10,
        "live": True,
        "provenance": Provenance.LIVE,
        "recorded": True,
    }
    return Session(scope=scope, name=name, start_time=start, text=f"{scope}/{name}".casefold(), **figures | more)
