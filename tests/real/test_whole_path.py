"""nginx, agent and service as real processes: when all is over, the daily statistics equal nginx's own log.

To the byte and to the connection, also when the service or the agent was killed in the middle.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.real.estate import SYNC_INTERVAL_MS, Estate
from tests.support.real.nginx import LogTruth, Nginx, log_truth
from tests.support.real.processes import Program, Programs, until

pytestmark = pytest.mark.real

AWAY_SECONDS = 5 * SYNC_INTERVAL_MS / 1000
"""Longer than the three intervals within which a sync-up still counts as live."""

UNHURRIED_MS = 4_000
"""A sync interval, of which no busy machine lets three pass without a sync-up."""


@pytest.fixture
async def estate(tmp_path: Path, programs: Programs, nginx: Nginx) -> Estate:
    built = Estate(tmp_path, programs, nginx)
    await built.start()
    return built


async def watch_through(estate: Estate, middle: Callable[[], Awaitable[None]]) -> LogTruth:
    """Viewers before, over and after the middle, and one who comes and goes inside it; the truth when all left."""
    nginx = estate.nginx
    publisher = nginx.publish("s1")
    await nginx.settled(1)
    stayers = [nginx.watch("s1"), nginx.watch("s1")]
    await nginx.settled(3)
    await until(lambda: live_subscribers(estate, 2), "the service sees both viewers", seconds=20)
    await middle()
    later = nginx.watch("s1")
    await nginx.settled(4)
    await asyncio.sleep(1)
    await leave(nginx, later, *stayers, publisher)
    await estate.synced()
    return log_truth(nginx.access_log)


async def leave(nginx: Nginx, *programs: Program) -> None:
    for program in programs:
        program.stop()
    await nginx.settled(0)


async def visit(nginx: Nginx, clients: int) -> None:
    """A viewer who comes and goes."""
    visitor = nginx.watch("s1")
    await nginx.settled(clients + 1)
    await asyncio.sleep(AWAY_SECONDS)
    visitor.stop()
    await nginx.settled(clients)


async def live_subscribers(estate: Estate, wanted: int) -> bool:
    return any(record["live"] and record["aciveSubscribers"] == wanted for record in await estate.sessions())


async def assert_equal_to_the_log(estate: Estate, truth: LogTruth) -> None:
    totals = await estate.totals()
    assert (totals.bytes_in, totals.bytes_out) == (truth.bytes_in, truth.bytes_out)
    assert totals.connections == totals.rtmp == truth.plays
    # The log cuts each stay to whole seconds; what the agent saw of a stay may run to its exact end.
    assert truth.view_seconds * 1000 <= totals.view_time_ms <= (truth.view_seconds + truth.plays) * 1000
    (record,) = await estate.sessions()
    assert (record["scope"], record["name"], record["live"]) == ("live", "s1", False)
    assert (record["aciveSubscribers"], record["totalSubscribers"]) == (0, truth.plays)


async def test_daily_statistics_equal_the_servers_own_log(tmp_path: Path, programs: Programs, nginx: Nginx) -> None:
    estate = Estate(tmp_path, programs, nginx, UNHURRIED_MS)
    await estate.start()

    async def nothing() -> None:
        await visit(estate.nginx, 3)

    truth = await watch_through(estate, nothing)
    assert truth.plays == 4
    await assert_equal_to_the_log(estate, truth)
    assert await estate.gaps() == []


async def test_a_service_killed_in_the_middle(estate: Estate) -> None:
    async def service_away() -> None:
        estate.service.kill()
        await visit(estate.nginx, 3)
        await estate.service.start()

    truth = await watch_through(estate, service_away)
    assert truth.plays == 4
    await assert_equal_to_the_log(estate, truth)
    await assert_backfilled(estate)


async def test_an_agent_killed_in_the_middle(estate: Estate) -> None:
    async def agent_away() -> None:
        estate.agent.kill()
        await visit(estate.nginx, 3)
        assert [gap["state"] for gap in await estate.gaps()][-1:] == ["missing"]
        estate.agent.start()

    truth = await watch_through(estate, agent_away)
    assert truth.plays == 4
    await assert_equal_to_the_log(estate, truth)
    await assert_backfilled(estate)


async def test_both_killed_again_and_again(estate: Estate) -> None:
    async def turmoil() -> None:
        for _ in range(3):
            estate.agent.kill()
            estate.agent.start()
            await asyncio.sleep(0.3)
            estate.service.kill()
            await asyncio.sleep(0.3)
            await estate.service.start()

    truth = await watch_through(estate, turmoil)
    assert truth.plays == 3
    await assert_equal_to_the_log(estate, truth)
    assert {gap["state"] for gap in await estate.gaps()} <= {"backfilled"}


async def assert_backfilled(estate: Estate) -> None:
    """The outage is reported as one that was filled, and what it brought is told."""
    gaps = await estate.gaps()
    assert {gap["state"] for gap in gaps} == {"backfilled"}
    assert all(gap["filled_at"] is not None and gap["from"] < gap["to"] <= gap["filled_at"] for gap in gaps)
    assert sum(gap["delta"]["bytes_out"] for gap in gaps) > 0
    assert (await estate.totals()).backfilled_bytes_out > 0
