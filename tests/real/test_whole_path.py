"""nginx, agent and service as real processes: finally the daily statistics equal nginx's own log.

They are equal to the byte and the connection, also if the service or the agent is killed in between.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.real.estate import SYNC_INTERVAL_MS, NginxEstate
from tests.support.real.nginx import LogSums, Nginx, sum_log
from tests.support.real.processes import Programs, RunningProgram, until

pytestmark = pytest.mark.real

VISIT_SECONDS = 5 * SYNC_INTERVAL_MS / 1000
"""Longer than the three sync intervals within which figures count as live."""

LONG_SYNC_INTERVAL_MS = 4_000
"""A sync interval of which not even a busy machine lets three pass without a sync."""


@pytest.fixture
async def estate(tmp_path: Path, programs: Programs, nginx: Nginx) -> NginxEstate:
    built = NginxEstate(tmp_path, programs, nginx)
    await built.start()
    return built


async def watch_through(estate: NginxEstate, middle: Callable[[], Awaitable[None]]) -> LogSums:
    """Run viewers before, during and after `middle`. Returns the sums of the log after all have left."""
    nginx = estate.nginx
    publisher = nginx.publish("s1")
    await nginx.wait_for_clients(1)
    long_viewers = [nginx.watch("s1"), nginx.watch("s1")]
    await nginx.wait_for_clients(3)
    await until(lambda: live_subscribers(estate, 2), "the service has both viewers")
    await middle()
    later = nginx.watch("s1")
    await nginx.wait_for_clients(4)
    await asyncio.sleep(1)
    await leave(nginx, later, *long_viewers, publisher)
    await estate.wait_until_synced()
    return sum_log(nginx.access_log)


async def leave(nginx: Nginx, *programs: RunningProgram) -> None:
    for program in programs:
        program.stop()
    await nginx.wait_for_clients(0)


async def visit(nginx: Nginx, clients: int) -> None:
    """A viewer joins and leaves."""
    visitor = nginx.watch("s1")
    await nginx.wait_for_clients(clients + 1)
    await asyncio.sleep(VISIT_SECONDS)
    visitor.stop()
    await nginx.wait_for_clients(clients)


async def live_subscribers(estate: NginxEstate, wanted: int) -> bool:
    return any(record["live"] and record["aciveSubscribers"] == wanted for record in await estate.sessions())


async def assert_equal_to_log(estate: NginxEstate, sums: LogSums) -> None:
    totals = await estate.totals()
    assert (totals.bytes_in, totals.bytes_out) == (sums.bytes_in, sums.bytes_out)
    assert totals.connections == totals.rtmp == sums.plays
    # The log rounds each visit down to whole seconds; the agent may have measured it to its exact end.
    assert sums.view_seconds * 1000 <= totals.view_time_ms <= (sums.view_seconds + sums.plays) * 1000
    (record,) = await estate.sessions()
    assert (record["scope"], record["name"], record["live"]) == ("live", "s1", False)
    assert (record["aciveSubscribers"], record["totalSubscribers"]) == (0, sums.plays)


async def test_daily_statistics_equal_the_log_of_the_server(tmp_path: Path, programs: Programs, nginx: Nginx) -> None:
    estate = NginxEstate(tmp_path, programs, nginx, LONG_SYNC_INTERVAL_MS)
    await estate.start()

    async def visit_only() -> None:
        await visit(estate.nginx, 3)

    sums = await watch_through(estate, visit_only)
    assert sums.plays == 4
    await assert_equal_to_log(estate, sums)
    assert await estate.gaps() == []


async def test_killed_service_is_backfilled(estate: NginxEstate) -> None:
    async def restart_service() -> None:
        estate.service.kill()
        await visit(estate.nginx, 3)
        await estate.service.start()

    sums = await watch_through(estate, restart_service)
    assert sums.plays == 4
    await assert_equal_to_log(estate, sums)
    await assert_backfilled(estate)


async def test_killed_agent_is_backfilled(estate: NginxEstate) -> None:
    async def restart_agent() -> None:
        estate.agent.kill()
        await visit(estate.nginx, 3)
        assert [gap["state"] for gap in await estate.gaps()][-1:] == ["missing"]
        estate.agent.start()

    sums = await watch_through(estate, restart_agent)
    assert sums.plays == 4
    await assert_equal_to_log(estate, sums)
    await assert_backfilled(estate)


async def test_agent_and_service_killed_repeatedly(estate: NginxEstate) -> None:
    async def restart_both() -> None:
        for _ in range(3):
            estate.agent.kill()
            estate.agent.start()
            await asyncio.sleep(0.3)
            estate.service.kill()
            await asyncio.sleep(0.3)
            await estate.service.start()

    sums = await watch_through(estate, restart_both)
    assert sums.plays == 3
    await assert_equal_to_log(estate, sums)
    assert {gap["state"] for gap in await estate.gaps()} <= {"backfilled"}


async def assert_backfilled(estate: NginxEstate) -> None:
    """The outage is reported as backfilled, with the recovered figures."""
    gaps = await estate.gaps()
    assert {gap["state"] for gap in gaps} == {"backfilled"}
    assert all(gap["filled_at"] is not None and gap["from"] < gap["to"] <= gap["filled_at"] for gap in gaps)
    assert sum(gap["delta"]["bytes_out"] for gap in gaps) > 0
    assert (await estate.totals()).backfilled_bytes_out > 0
