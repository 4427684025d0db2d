"""What running programs export: a service with a scripted estate, and an agent's process with its own configuration."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx

from streamusage.service.store.engines.sqlite import sqlite_url
from tests.streamusage.service.conftest import OwnedClock, an_estate
from tests.support.metrics.exposition import Exported, Scrape, merge_exported
from tests.support.metrics.scripted import metered_estate
from tests.support.real.processes import free_port
from tests.support.waiting import LONGEST_WAIT_S, wait_until


async def exported_by_programs(directory: Path) -> tuple[dict[str, Exported], dict[str, Exported]]:
    """Return what a service exports, and what an agent that has synced exports."""
    store_url = sqlite_url(directory / "scripted.db")
    async with metered_estate(directory, store_url, ZoneInfo("UTC")) as script:
        await script.play(12)
        await script.estate.request("GET", "/api/v1/servers")
        first = await script.scrape()
        of_service = merge_exported([first, await script.scrape()])
    return of_service, merge_exported([await scrape_agent(directory)])


async def scrape_agent(directory: Path) -> Scrape:
    """Return the metrics of an agent's process after its first sync."""
    async with run_agent(directory, f"127.0.0.1:{free_port()}") as scraped:
        return scraped


@asynccontextmanager
async def run_agent(directory: Path, address: str) -> AsyncIterator[Scrape]:
    """Run an agent's process with a service of its own, and yield its metrics after its first sync. `address` is where
    it serves them.
    """
    clock = OwnedClock()
    clock.now = time.time_ns() // 1_000_000
    (directory / "access.log").touch()
    async with an_estate(directory, clock) as estate:
        config = directory / "agent.toml"
        config.write_text(
            f'server = "edge-2"\n[service]\nurl = "{estate.running.url}"\ntoken_env = "AGENT_TOKEN"\n'
            f'[source]\nkind = "hls"\naccess_log = "{directory / "access.log"}"\n'
            f'[journal]\npath = "{directory / "journal.db"}"\n'
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "streamusage.agent", "--config", str(config), "--metrics", address,
            env=os.environ | {"AGENT_TOKEN": "edge-2-token"}, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        found: list[Scrape] = []

        async def has_synced() -> bool:
            try:
                answer = await http.get(f"http://{address}/metrics")
            except httpx.TransportError:
                return False
            found[:] = [Scrape(answer.text)]
            return bool(found[0].matching("streamtop_agent_last_sync_timestamp_seconds"))

        try:
            async with httpx.AsyncClient(trust_env=False, timeout=LONGEST_WAIT_S) as http:
                await wait_until(has_synced, "the agent has synced")
            yield found[0]
        finally:
            process.terminate()
            await process.wait()
