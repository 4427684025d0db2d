"""Failovers of three database servers under load: three service processes, agents, a console and an operator.

With quorum commit nothing that was acknowledged is lost. With asynchronous standbys changes are lost, the agents report
theirs again, and the console notices.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from random import Random

import httpx
import pytest

from tests.support.postgresql import PASSWORD
from tests.support.postgresql_nodes import NODES, QUORUM, DatabaseNodes, database_nodes
from tests.support.real.estate import AgentProcess, ReportedFigures
from tests.support.real.nginx import Nginx, sum_log
from tests.support.real.processes import Programs, RunningProgram
from tests.support.service.mixed_load import Agent, Console, Operator, check_conserved
from tests.support.service.nodes import SERVERS, Node, nodes_on
from tests.support.waiting import LONGEST_WAIT_S, wait_until

pytestmark = [pytest.mark.real, pytest.mark.postgresql]

FAILOVERS = int(os.environ.get("STREAMTOP_FAILOVERS", "3"))
SEED = int(os.environ.get("STREAMTOP_FIRST_SEED", "1"))
NGINX_SERVER, *SIMULATED = SERVERS
SYNC_INTERVAL_MS = 500


class Load:
    """Everything that writes and reads while the database fails over."""

    def __init__(
        self, nodes: list[Node], databases: DatabaseNodes, nginx: Nginx, agent: AgentProcess, *, loses_changes: bool
    ) -> None:
        self.nodes, self.databases, self.nginx, self.agent = nodes, databases, nginx, agent
        self.agents = [Agent(server, nodes, seed) for seed, server in enumerate(SIMULATED)]
        self.console = Console(nodes, expects_resets=loses_changes)
        self.operator = None if loses_changes else Operator(nodes)
        self.figures = ReportedFigures(nodes[0], NGINX_SERVER)
        self._over = asyncio.Event()
        self._viewers: list[RunningProgram] = []

    async def run(self, http: httpx.AsyncClient, faults: Coroutine[None, None, None]) -> None:
        """Load the service until the faults are over and everything is reported."""
        self.agent.start()
        await self.figures.wait_until_synced()  # it counts from its first reading
        publisher = self.nginx.publish("s1")
        await self.nginx.wait_for_clients(1)
        async with asyncio.TaskGroup() as tasks:
            for load in (*self.agents, self.console, self.operator):
                if load is not None:
                    tasks.create_task(load.run(http, self._over))
            audience = tasks.create_task(self._change_audience())
            await faults
            audience.cancel()
            for viewer in self._viewers:
                viewer.stop()
            publisher.stop()
            await self.nginx.wait_for_clients(0)
            self.agent.kill()  # a restarted agent does not wait for the end of its back-off
            self.agent.start()
            await self.figures.wait_until_synced()
            self._over.set()
        while await self.console.poll(http):
            pass

    async def wait_for_progress(self) -> None:
        """Wait until further reports are acknowledged, and the console has seen their changes."""
        acknowledged = {agent.server: agent.acknowledged for agent in self.agents}

        def has_progressed() -> bool:
            return all(agent.acknowledged > acknowledged[agent.server] + 3 for agent in self.agents)

        def last_lines() -> list[list[str]]:
            return [node.log_lines[-6:] for node in self.nodes] + [
                node.last_log_lines() for node in self.databases.nodes
            ]

        await wait_until(has_progressed, "every agent has reported", last_seen=last_lines)
        polls = self.console.polls
        await wait_until(lambda: self.console.polls >= polls + 2, "the console has read the changes")

    async def _change_audience(self) -> None:
        chance = Random(SEED)
        while True:
            if len(self._viewers) < 4:
                self._viewers.append(self.nginx.watch("s1"))
            else:
                await asyncio.to_thread(self._viewers.pop(chance.randrange(len(self._viewers))).stop)
            await asyncio.sleep(chance.uniform(0.2, 1.5))

    async def check(self, http: httpx.AsyncClient) -> None:
        """Compare the figures with what was sent, with nginx's own log, and with what the console has seen."""
        await check_conserved(http, self.nodes[0].url, self.agents, self.console, self.operator)
        sums, totals = sum_log(self.nginx.access_log), await self.figures.totals()
        assert (totals.bytes_in, totals.bytes_out) == (sums.bytes_in, sums.bytes_out)
        assert totals.connections == sums.plays
        # The log rounds each visit down to whole seconds.
        assert sums.view_seconds * 1000 <= totals.view_time_ms <= (sums.view_seconds + sums.plays) * 1000


Fault = Callable[[DatabaseNodes, Load], Awaitable[None]]
"""One failover of the databases under load."""


async def kill_primary(databases: DatabaseNodes, load: Load) -> None:
    await asyncio.to_thread(databases.fail_over)


async def kill_primary_with_late_standbys(databases: DatabaseNodes, load: Load) -> None:
    await asyncio.to_thread(databases.cut_off_standbys)
    await load.wait_for_progress()
    await asyncio.to_thread(databases.fail_over)


async def pause_primary(databases: DatabaseNodes, load: Load) -> None:
    """For a while two servers accept writes."""
    former = await asyncio.to_thread(databases.replace_hanging_primary)
    await load.wait_for_progress()
    await asyncio.to_thread(databases.rejoin, former)


async def loaded(
    tmp_path: Path,
    programs: Programs,
    nginx: Nginx,
    databases: DatabaseNodes,
    fault: Fault,
    *,
    loses_changes: bool = False,
) -> Load:
    """Run the load over failovers of the databases, check the figures, and return the load."""
    async with (
        nodes_on(tmp_path, databases.url(), NODES) as nodes,
        httpx.AsyncClient(timeout=LONGEST_WAIT_S, trust_env=False) as http,
    ):
        agent = AgentProcess(tmp_path, programs, NGINX_SERVER, nodes[0], nginx, SYNC_INTERVAL_MS)
        load = Load(nodes, databases, nginx, agent, loses_changes=loses_changes)

        async def fail_over_now_and_then() -> None:
            chance = Random(SEED)
            await load.wait_for_progress()  # an agent of this load cannot begin again where its first epoch is lost
            for _ in range(FAILOVERS):
                await asyncio.sleep(chance.uniform(1.0, 4.0))
                await fault(databases, load)
                await is_served(http, nodes)

        await load.run(http, fail_over_now_and_then())
        await load.check(http)
        logged = "".join(line for node in nodes for line in node.log_lines)
        assert "Traceback" not in logged
        assert "s3cret" not in logged
        print(
            f"seed {SEED}: {FAILOVERS} failovers, {sum(agent.reports for agent in load.agents)} reports acknowledged, "
            f"{load.console.polls} polls, {load.console.resets} resets, "
            f"{len(load.operator.imported) if load.operator else 0} imports"
        )
        return load


async def is_served(http: httpx.AsyncClient, nodes: list[Node]) -> None:
    """Wait until every process has reached the new primary."""

    async def are_ready() -> bool:
        answers = await asyncio.gather(*(http.get(f"{node.url}/readyz") for node in nodes))
        return {answer.status_code for answer in answers} == {200}

    await wait_until(are_ready, "every process is ready")


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)


@pytest.mark.parametrize("fault", [kill_primary, pause_primary])
async def test_failovers_with_quorum_commit_lose_nothing_that_was_acknowledged(
    tmp_path: Path, programs: Programs, nginx: Nginx, fault: Fault
) -> None:
    with database_nodes(QUORUM) as databases:
        load = await loaded(tmp_path, programs, nginx, databases, fault)
        assert load.operator is not None
        assert load.operator.imported


async def test_figures_heal_after_failovers_to_standbys_that_lack_changes(
    tmp_path: Path, programs: Programs, nginx: Nginx
) -> None:
    with database_nodes("") as databases:
        load = await loaded(tmp_path, programs, nginx, databases, kill_primary_with_late_standbys, loses_changes=True)
        assert load.console.resets >= FAILOVERS, "a cursor of lost changes was accepted"
