"""The month before the demo, by a script: real agents report to real services, on a clock that only the script moves.

Days close by themselves or by the operator, late reports adjust closed days, and media servers that lose power leave
time that is partial or lost. Nothing is written to a store but by its service.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from streamusage.client.usage_client import UsageClient
from tui.demo.clock import SteppedClock
from tui.demo.estate import SYNC_INTERVAL_MS, Estate, running_estate, save_media_servers
from tui.demo.regions import (
    BEGINS_MS,
    DAY_MS,
    EVENING_FROM_MS,
    HISTORY_FROM_MS,
    HOUR_MS,
    MINUTE_MS,
    MONTH_FROM_MS,
    Region,
)

MONTH_SYNC_MS = 20 * MINUTE_MS
"""Interval of the syncs up to the last hour."""
MONTH_TICK_MS = 10_000
"""Step of the media servers up to the last evening."""
IDLE_STEP_MS = 40 * MINUTE_MS
EVENING_STEP_MS = 2 * MINUTE_MS
"""Of the last evening: a broadcast that begins and ends between two readings has no audience in its record."""
LAST_STEP_MS = 10_000


@dataclass(frozen=True)
class ScriptedEvent:
    """What happens at an instant, and to which server."""

    at_ms: int
    act: Callable[["Estate", str], Awaitable[None]]
    server: str


async def _cut(estate: Estate, server: str) -> None:
    await estate.cut(server)


async def _heal(estate: Estate, server: str) -> None:
    await estate.heal(server)


async def _lose_power(estate: Estate, server: str) -> None:
    """The media server restarts; its log is there."""
    running = estate.member(server)
    running.media_server.restart(estate.now_ms)


async def _lose_power_and_log(estate: Estate, server: str) -> None:
    """The media server restarts on a new disk: what it counted since the last reading is lost."""
    running = estate.member(server)
    running.media_server.restart(estate.now_ms)
    running.media_server.has_log = False
    await running.agent.poll()
    running.media_server.has_log = True


async def _close_yesterday(estate: Estate, server: str) -> None:
    """An operator closes the day of a server that is away."""
    async with UsageClient(estate.url, estate.token_file.read_text("utf-8").strip()) as client:
        await client.close_day(_day(estate.now_ms - DAY_MS), "UTC", server=server)


async def _approve(estate: Estate, server: str) -> None:
    """An administrator approves the correction that the service proposed for a server's late figures."""
    async with UsageClient(estate.url, estate.token_file.read_text("utf-8").strip()) as client:
        first, last = _day(MONTH_FROM_MS), _day(estate.now_ms)
        for correction in (await client.evidence.corrections(first, last, "UTC")).corrections:
            if correction.server == server and correction.approved_at is None:
                await client.evidence.approve(correction.id)


def _day(at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date()


def _at(day: int, hour: int, minute: int = 0) -> int:
    return MONTH_FROM_MS + (day - 1) * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS


EVENTS = {
    "eu": (
        ScriptedEvent(_at(6, 19, 10), _cut, "edge-2"),
        ScriptedEvent(_at(6, 21, 20), _heal, "edge-2"),
        ScriptedEvent(_at(10, 19, 50), _lose_power, "edge-1"),
        ScriptedEvent(_at(13, 19, 50), _lose_power_and_log, "edge-2"),
        ScriptedEvent(_at(17, 20, 5), _cut, "edge-1"),
        ScriptedEvent(_at(18, 3), _close_yesterday, "edge-1"),
        ScriptedEvent(_at(18, 9), _heal, "edge-1"),
        ScriptedEvent(_at(18, 12), _approve, "edge-1"),
        ScriptedEvent(_at(24, 19, 50), _cut, "edge-2"),
        ScriptedEvent(_at(25, 2), _close_yesterday, "edge-2"),
        ScriptedEvent(_at(25, 8), _heal, "edge-2"),
    ),
    "us": (
        ScriptedEvent(_at(12, 19, 10), _cut, "edge-6"),
        ScriptedEvent(_at(12, 22), _heal, "edge-6"),
        ScriptedEvent(_at(20, 19, 50), _lose_power_and_log, "edge-6"),
    ),
}
"""The month's events by region. Of two late arrivals, one correction is approved and one is not decided yet."""


async def make_history(
    directory: Path, region: Region, progress: Callable[[float], None], *, until_ms: int = BEGINS_MS
) -> None:
    """Make the history of a region in the directory, up to an instant. `progress` receives the finished share."""
    random.seed(region.name)  # the service's own jobs spread themselves by it
    clock = SteppedClock(MONTH_FROM_MS)
    async with running_estate(directory, region, clock, sync_interval_ms=MONTH_SYNC_MS) as estate:
        for running in estate.members:
            running.media_server.tick_ms = MONTH_TICK_MS
        events = sorted(EVENTS[region.name], key=lambda event: event.at_ms)
        await estate.read_and_sync_up()
        while (now_ms := clock.now_ms()) < min(until_ms, HISTORY_FROM_MS):
            busy = any(running.media_server.on_air for running in estate.members)
            step_ms = EVENING_STEP_MS if now_ms >= EVENING_FROM_MS else MONTH_SYNC_MS if busy else IDLE_STEP_MS
            stops = [now_ms - now_ms % step_ms + step_ms, HISTORY_FROM_MS, EVENING_FROM_MS, until_ms]
            stops += [event.at_ms for event in events]
            await clock.pass_time(min(stop for stop in stops if stop > now_ms) - now_ms)
            while events and events[0].at_ms <= clock.now_ms():
                event = events.pop(0)
                await event.act(estate, event.server)
            await estate.read_and_sync_up()
            if clock.now_ms() == EVENING_FROM_MS:
                for running in estate.members:
                    running.media_server.tick_ms = type(running.media_server).tick_ms
            progress((clock.now_ms() - MONTH_FROM_MS) / (BEGINS_MS - MONTH_FROM_MS) / 2)
        await estate.sync_all()  # within the interval that the agents had up to now
        for running in estate.members:
            running.restart(SYNC_INTERVAL_MS)
        while clock.now_ms() < until_ms:
            await estate.read_and_sync_up()
            await clock.pass_time(LAST_STEP_MS)
            progress(0.5 + (clock.now_ms() - HISTORY_FROM_MS) / (BEGINS_MS - HISTORY_FROM_MS) / 2)
        await estate.sync_all()
        save_media_servers(directory, estate)
