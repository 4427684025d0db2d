"""The estates of both services in one process, from the prepared month on, without a console."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from streamusage.service.alerts.rules import AlertRule
from streamusage.service.alerts.settings import AlertSettings, Sending
from tui.demo.clock import DemoClock, StartingClock
from tui.demo.estate import Estate, running_estate
from tui.demo.prepared import unpack
from tui.demo.regions import BEGINS_MS, DAY_MS, MONTH_FROM_MS, REGIONS, Region

MISSING_AFTER_MS = 30_000
"""From then on a server that does not report is an alert."""

Progress = Callable[[float, str], None]
"""Receives the finished share of the start, from 0 to 1, and what is being done."""


def alert_rules(region: Region) -> AlertSettings:
    """Return the alert rules of a region's service. They have no receiver: nothing leaves the machine."""
    missing = AlertRule(
        name="server missing", kind="server-missing", severity="critical", for_ms=MISSING_AFTER_MS, receivers=()
    )
    lost = AlertRule(name="figures lost", kind="gap-lost", within_ms=DAY_MS, receivers=())
    return AlertSettings(rules=(missing, lost), sending=Sending(name=region.name))


@asynccontextmanager
async def prepared_estates(
    directory: Path,
    clock: DemoClock,
    *,
    seed: int,
    port: int = 0,
    regions: Sequence[Region] = REGIONS,
    progress: Progress = lambda done, doing: None,
) -> AsyncIterator[list[Estate]]:
    """The estates of the regions while the block runs, from the end of the prepared month on. The clock is stopped.

    The first service listens on `port`, the others on free ones. Raises `DamagedArchiveError` and `ListenError`.
    """
    progress(0.1, "unpacking a month of figures")
    await asyncio.to_thread(unpack, directory)
    async with AsyncExitStack() as stack:
        estates = []
        for number, region in enumerate(regions):
            progress(0.3 + 0.6 * number / len(regions), f"starting the service {region.name} and its agents")
            estate = running_estate(
                directory / region.name,
                region,
                clock,
                seed=seed,
                port=0 if number else port,
                alerts=alert_rules(region),
            )
            estates.append(await stack.enter_async_context(estate))
        yield estates


def demo_clock() -> DemoClock:
    """Return the clock of the demo, stopped at its start: it continues that of the prepared month."""
    return StartingClock(BEGINS_MS, MONTH_FROM_MS)


async def run_headless(
    directory: Path,
    *,
    seed: int,
    speed: float,
    port: int,
    progress: Progress,
    ready: Callable[[list[Estate]], None],
    stop: asyncio.Event,
    lines: asyncio.Queue[str] | None = None,
) -> None:
    """Run the estates until `stop`: `ready` is called when they answer, then time runs.

    With `lines`, only their commands (`cut edge-2`) cause events; without, the outage happens by itself.
    """
    async with prepared_estates(directory, demo_clock(), seed=seed, port=port, progress=progress) as estates:
        ready(estates)
        tasks = [asyncio.create_task(estate.live(speed, outage=lines is None)) for estate in estates]
        stopping = asyncio.create_task(stop.wait())
        listening = asyncio.create_task(_listen(estates, lines)) if lines is not None else stopping
        done, _ = await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        for task in done:
            task.result()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _listen(estates: list[Estate], lines: asyncio.Queue[str]) -> None:
    while True:
        line = await lines.get()
        for estate in estates:
            await estate.execute(line)
