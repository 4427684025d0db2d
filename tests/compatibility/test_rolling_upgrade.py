"""Three processes on one PostgreSQL database are upgraded one after another, under load.

The first new process migrates the store while the old ones serve, and for a while both versions write.
"""

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.compatibility.programs.earlier_version import BEFORE_FEED_HISTORY, install
from tests.support.postgresql import Cluster
from tests.support.program import REPOSITORY
from tests.support.service.mixed_load import Agent, Console, Operator, check_conserved
from tests.support.service.nodes import SERVERS, Node, nodes_on
from tests.support.waiting import LONGEST_WAIT_S, wait_until

REPORTS_BETWEEN_STEPS = 8


@pytest.mark.postgresql
async def test_old_processes_serve_while_new_ones_migrate_the_store(tmp_path: Path, postgresql: Cluster) -> None:
    old = install(BEFORE_FEED_HISTORY, tmp_path / "old")
    with postgresql.database() as store_url:
        async with (
            nodes_on(tmp_path, store_url, 3, code=old) as nodes,
            httpx.AsyncClient(timeout=LONGEST_WAIT_S) as http,
        ):
            over = asyncio.Event()
            agents = [Agent(server, nodes, seed) for seed, server in enumerate(SERVERS)]
            console, operator = Console(nodes), Operator(nodes)
            async with asyncio.TaskGroup() as tasks:
                for load in (*agents, console, operator):
                    tasks.create_task(load.run(http, over))
                tasks.create_task(upgrade(nodes, agents, over))
            while await console.poll(http):
                pass
            await check_conserved(http, nodes[0].url, agents, console, operator)
            assert operator.deleted


async def upgrade(nodes: list[Node], agents: list[Agent], over: asyncio.Event) -> None:
    """Replace one process after another, with reports to both versions in between."""
    await wait_for_reports(agents)
    for node in nodes:
        await node.kill()
        node.code = REPOSITORY
        await node.start()
        await wait_for_reports(agents)
    over.set()


async def wait_for_reports(agents: list[Agent]) -> None:
    reported = {agent.server: agent.reports for agent in agents}
    await wait_until(
        lambda: all(agent.reports >= reported[agent.server] + REPORTS_BETWEEN_STEPS for agent in agents),
        "every agent has reported",
    )
