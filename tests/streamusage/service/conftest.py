"""A real service on a real port over a real SQLite file, on a clock that the test moves."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import pytest

from streamusage.service.server import RunningService, run_service
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.tokens import Identity, Tokens, digest_of
from tests.support.waiting import LONGEST_WAIT_S

NOW = 1_795_000_020_000
"""A whole minute."""

A_DAY_AGO = time.time_ns() // 60_000_000_000 * 60_000 - 86_400_000
"""A whole minute in the past for a service on the machine's own clock."""


def day_of_a_day_ago() -> date:
    """Return the accounting day of `A_DAY_AGO` in UTC."""
    return datetime.fromtimestamp(A_DAY_AGO / 1000, UTC).date()


TOKENS = Tokens(
    {
        digest_of("admin-token"): Identity("boss", "admin"),
        digest_of("second-admin-token"): Identity("controller", "admin"),
        digest_of("viewer-token"): Identity("screen", "viewer"),
        digest_of("edge-1-token"): Identity("edge-1", "agent", "edge-1"),
        digest_of("edge-2-token"): Identity("edge-2", "agent", "edge-2"),
        digest_of("origin-1-token"): Identity("origin-1", "agent", "origin-1"),
    }
)

USAGE = "/streammanager/api/4.0/admin/event/usage"


class OwnedClock:
    """A clock that only the test moves. A short sleep takes almost no real time; a sleep of a minute or more lasts
    until the test has moved the clock by that much."""

    def __init__(self) -> None:
        self.now = NOW

    def now_ms(self) -> int:
        return self.now

    def elapsed_ms(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        ends_at = self.now + seconds * 1000 if seconds >= 60 else 0
        await asyncio.sleep(0.01)
        while self.now < ends_at:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


class Estate:
    """A running service and an HTTP client of it."""

    def __init__(self, running: RunningService, clock: OwnedClock) -> None:
        self.running = running
        self.clock = clock
        self.http = httpx.AsyncClient(base_url=running.url, timeout=LONGEST_WAIT_S)

    async def request(
        self, method: str, path: str, token: str | None = "admin-token", **options: object
    ) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        headers |= options.pop("headers", {})  # type: ignore[arg-type]
        return await self.http.request(method, path, headers=headers, **options)  # type: ignore[arg-type]

    async def usage(
        self, method: str = "GET", rest: str = "", query: str = "accessToken=admin-token"
    ) -> httpx.Response:
        return await self.http.request(method, f"{USAGE}{rest}?{query}")

    async def records(self) -> list[dict[str, object]]:
        return (await self.usage()).json()  # type: ignore[no-any-return]

    async def import_records(self, *records: dict[str, object]) -> httpx.Response:
        return await self.request("POST", "/api/v1/import", json=list(records))

    async def raw(self, request: bytes) -> tuple[int, bytes]:
        """Send bytes that no client library would send, and return status and body."""
        reader, writer = await asyncio.open_connection(self.running.host, self.running.port)
        writer.write(request)
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(), LONGEST_WAIT_S)
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    async def raw_usage(self, method: str, target: str) -> tuple[int, bytes]:
        return await self.raw(
            f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode("latin-1")
        )


def a_record(name: str = "stream1", scope: str = "live", start_time: int = 1525079735737) -> dict[str, object]:
    """Return the documented example record, optionally under another key."""
    return {
        "name": name,
        "scope": scope,
        "startTime": start_time,
        "endTime": start_time + 8820,
        "duration": 8820,
        "aciveSubscribers": 2,
        "maxSubscribers": 0,
        "lostSubscribers": 2,
        "totalSubscribers": 4,
        "updated": start_time + 8821,
    }


@asynccontextmanager
async def an_estate(
    directory: Path, clock: OwnedClock | None = None, store_url: str | None = None, **options: object
) -> AsyncIterator[Estate]:
    clock = clock or OwnedClock()
    store_url = store_url or sqlite_url(directory / "usage.db")
    async with run_service(store_url=store_url, tokens=TOKENS, clock=clock, **options) as running:  # type: ignore[arg-type]
        estate = Estate(running, clock)
        async with estate.http:
            yield estate


ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(params=ENGINES)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty store, for each engine."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "usage.db")
    else:
        with request.getfixturevalue("postgresql").database() as url:
            yield url


@pytest.fixture
async def estate(tmp_path: Path, store_url: str) -> AsyncIterator[Estate]:
    async with an_estate(tmp_path, store_url=store_url) as estate:
        yield estate
