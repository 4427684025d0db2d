"""Several service processes on one store: each report counts once, whichever process receives it and whichever is
killed, and a cursor receives every change. The figures equal the sent figures, to the unit.

Seeds determine the kills. The load lasts for a minimum time and until enough kills and discards have happened."""

import asyncio
import os
import random
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from streamusage.service.store.schema import audit
from streamusage.service.store.store import open_store
from tests.streamusage.service.conftest import A_DAY_AGO, ENGINES, USAGE, a_record, day_of_a_day_ago
from tests.support.postgresql import Cluster
from tests.support.program import REPOSITORY
from tests.support.service.mixed_load import Agent, Console, Operator
from tests.support.service.nodes import ADMIN, AUTHORIZED, SERVERS, Node, kill_now_and_then, nodes_on
from tests.support.waiting import LONGEST_WAIT_S

SECONDS = float(os.environ.get("STREAMTOP_MIXED_LOAD_SECONDS", "20"))
"""Minimum duration of the load; ten minutes in the nightly run (bench/README.md)."""

KEPT_MS = 5_000
"""How long retention keeps a record after its last change."""


class Discarder:
    """Runs retention and kills it at random times."""

    def __init__(self, store_url: str) -> None:
        self._command = [sys.executable, "-m", "tests.support.service.discarding", store_url, str(KEPT_MS)]
        self._random = random.Random("retention")
        self.kills = 0
        self.discarded = 0
        """Number of records that it reported as discarded; a lower bound, since a kill may prevent the report."""

    async def run(self, over: asyncio.Event) -> None:
        while not over.is_set():
            discarding = await asyncio.create_subprocess_exec(
                *self._command, stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY
            )
            assert discarding.stdout is not None
            try:
                first = await asyncio.wait_for(discarding.stdout.readline(), LONGEST_WAIT_S)
                assert first, "retention must be killed while it works, not while it starts"
                await asyncio.sleep(self._random.uniform(0.1, 4.0))
                assert discarding.returncode is None, "retention ended by itself"
            finally:
                if discarding.returncode is None:
                    discarding.send_signal(signal.SIGKILL)
                rest = await discarding.stdout.read()
                await discarding.wait()
            self.discarded += sum(int(line) for line in [first, *rest.splitlines(keepends=True)] if line[-1:] == b"\n")
            self.kills += 1


async def _end_after_enough_faults(
    nodes: list[Node], discarder: Discarder, operator: Operator, over: asyncio.Event
) -> None:
    ends = time.monotonic() + SECONDS
    async with asyncio.timeout(10 * SECONDS + LONGEST_WAIT_S):
        while (  # noqa: ASYNC110
            time.monotonic() < ends
            or sum(node.kills for node in nodes) < SECONDS // 6
            or discarder.discarded <= SECONDS
            or not operator.deleted
        ):
            await asyncio.sleep(0.1)
    over.set()


def _audited(store_url: str) -> dict[str, int]:
    """Return the number of records in the audit log, by operation."""
    store = open_store(store_url, A_DAY_AGO)
    try:
        with store.reading() as connection:
            query = select(audit.c.operation, func.sum(audit.c.records)).group_by(audit.c.operation)
            return {operation: int(records) for operation, records in connection.execute(query)}
    finally:
        store.close()


@pytest.mark.parametrize("engine", ENGINES)
async def test_mixed_load_with_kills_conserves_every_unit(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Three processes on PostgreSQL, one on SQLite. Agents report to any of them, some reports to two at once; clients
    follow changes, import, delete and list; retention discards. Processes and retention are killed repeatedly."""
    with ExitStack() as stack:
        if engine == "sqlite":
            store_url, how_many = f"sqlite:///{tmp_path / 'usage.db'}", 1
        else:
            store_url, how_many = stack.enter_context(request.getfixturevalue("postgresql").database()), 3
        async with nodes_on(tmp_path, store_url, how_many) as nodes, httpx.AsyncClient(timeout=LONGEST_WAIT_S) as http:
            over = asyncio.Event()
            agents = [Agent(server, nodes, seed) for seed, server in enumerate(SERVERS)]
            console, operator, discarder = Console(nodes), Operator(nodes), Discarder(store_url)
            async with asyncio.TaskGroup() as tasks:
                for load in (*agents, console, operator):
                    tasks.create_task(load.run(http, over))
                tasks.create_task(discarder.run(over))
                tasks.create_task(kill_now_and_then(nodes, over))
                tasks.create_task(_end_after_enough_faults(nodes, discarder, operator, over))
            while await console.poll(http):
                pass

            base = nodes[0].url
            day = day_of_a_day_ago()
            days = (await http.get(f"{base}/api/v1/daily?from={day}&to={day}", headers=AUTHORIZED)).json()["days"]
            listed = (await http.get(f"{base}{USAGE}?accessToken={ADMIN}")).json()
        audited = _audited(store_url)
        counted = {day["server"]: (day["bytes_out"], day["connections"]) for day in days}
        assert counted == {agent.server: (agent.bytes, agent.subscribers) for agent in agents}
        (keynote,) = [record for record in listed if record["name"] == "keynote"]
        assert keynote["totalSubscribers"] == sum(agent.subscribers for agent in agents)
        assert keynote["aciveSubscribers"] == len(agents)
        names = {record["name"] for record in listed}
        assert not operator.deleted & names
        published = 1 + sum(agent.publishes for agent in agents)
        discarded = audited.get("discard", 0)
        assert published + audited["import"] == len(listed) + audited["delete stream"] + discarded
        assert len(operator.imported) <= audited["import"], "a confirmed import is missing in the audit log"
        followed = {key: record["updated"] for key, record in console.records.items()}
        assert followed == {(r["scope"], r["name"], r["startTime"]): r["updated"] for r in listed}, (
            "a cursor skipped a change"
        )
        kills = sum(node.kills for node in nodes) - how_many
        print(
            f"{engine}: {SECONDS:g} s, {kills} kills, {discarder.kills} of retention, "
            f"{sum(agent.reports for agent in agents)} reports acknowledged, {published} publishes, "
            f"{len(operator.imported)} imports, {len(operator.deleted)} deletes, {discarded} discarded, "
            f"{console.polls} polls, {operator.lists} lists"
        )
        assert discarded > SECONDS, "records are discarded while the others work"
        assert kills >= SECONDS // 6
        assert "s3cret" not in "".join(line for node in nodes for line in node.log_lines)


@pytest.mark.postgresql
async def test_process_that_hangs_in_a_write_blocks_others_only_briefly(tmp_path: Path, postgresql: Cluster) -> None:
    with postgresql.database() as store_url:
        hung = open_store(store_url, A_DAY_AGO)
        with hung.writing() as connection:
            connection.begin()
            async with nodes_on(tmp_path, store_url, 1) as (node,), httpx.AsyncClient(timeout=LONGEST_WAIT_S) as http:
                answer = await http.post(f"{node.url}/api/v1/import", json=[a_record()], headers=AUTHORIZED)
                assert answer.status_code == 200, answer.text
            connection.invalidate()
        hung.close()
