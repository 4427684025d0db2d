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
import msgspec
import pytest
from sqlalchemy import func, select

from streamusage.api.report import Based, Baseline, PeakWindow, Report, SessionRow, SlotRow, SpanRow
from streamusage.service.store.schema import audit
from streamusage.service.store.store import open_store
from tests.streamusage.service.conftest import A_DAY_AGO, ENGINES, USAGE, a_record, day_of_a_day_ago
from tests.support.postgresql import Cluster
from tests.support.program import REPOSITORY
from tests.support.service.nodes import ADMIN, AUTHORIZED, SERVERS, Node, kill_now_and_then, nodes_on
from tests.support.waiting import LONGEST_WAIT_S

SECONDS = float(os.environ.get("STREAMTOP_MIXED_LOAD_SECONDS", "20"))
"""Minimum duration of the load; ten minutes in the nightly run (bench/README.md)."""

KEPT_MS = 5_000
"""How long retention keeps a record after its last change."""


class Agent:
    """Counts bytes and subscribers, and reports them to any node until one acknowledges."""

    def __init__(self, server: str, nodes: list[Node], seed: int) -> None:
        self.server = server
        self.nodes = nodes
        self.random = random.Random(seed)
        self.epoch = self.revision = self.acknowledged = self.bytes = self.subscribers = 0
        self.publishes = 0
        """Number of short publishes, each of which ended before it was reported."""
        self.based_on: Based | None = None
        self.reports = 0

    async def run(self, http: httpx.AsyncClient, over: asyncio.Event) -> None:
        while not over.is_set() or self.acknowledged < self.revision:
            if self.acknowledged == self.revision:
                self.revision += 1
                self.bytes += self.random.randrange(1000)
                self.subscribers += self.random.randrange(3)
                self.publishes += self.revision % 3 == 0
            try:
                await self._report(http)
            except (httpx.TransportError, httpx.TimeoutException):
                await asyncio.sleep(0.05)

    async def _report(self, http: httpx.AsyncClient) -> None:
        base = f"{self.random.choice(self.nodes).url}/api/v1/agents/{self.server}"
        headers = {"Authorization": f"Bearer {self.server}-s3cret"}
        if not self.epoch:
            answer = await http.post(f"{base}/epochs", content=b'{"journal": "j1"}', headers=headers)
            if answer.status_code != 200:
                return
            issued = answer.json()
            self.epoch, self.based_on = issued["epoch"], Based(**issued["based_on"])
        body = msgspec.json.encode(self.report())
        sent = [http.post(f"{base}/reports", content=body, headers=headers)]
        if self.random.random() < 0.3:  # the same report to another node at the same time
            other = f"{self.random.choice(self.nodes).url}/api/v1/agents/{self.server}/reports"
            sent.append(http.post(other, content=body, headers=headers))
        for answer in await asyncio.gather(*sent, return_exceptions=True):
            if isinstance(answer, httpx.Response) and answer.status_code == 200:
                self.acknowledged, self.based_on = answer.json()["acknowledged"], None
                self.reports += 1
            elif isinstance(answer, httpx.Response):
                assert answer.status_code in {409, 503}, answer.text
                if answer.status_code == 409:  # the other of the two activated the epoch
                    self.acknowledged = answer.json()["acknowledged"]
                    self.based_on = None

    def report(self) -> Report:
        upto = A_DAY_AGO + self.revision
        role = "origin" if self.server == SERVERS[0] else "edge"
        return Report(
            server=self.server, role=role, life="j1.1", epoch=self.epoch, since=self.acknowledged,
            upto=self.revision, sent_at=upto, sync_interval_ms=3_600_000,
            baseline=Baseline(
                at=upto, boot="b", started_at=A_DAY_AGO, since=A_DAY_AGO, bytes_in=0, bytes_out=0,
                window=PeakWindow(upto, 0, 0),
            ),
            based_on=self.based_on,
            slots=(
                SlotRow(
                    slot=A_DAY_AGO, revision=self.revision, bytes_out=self.bytes,
                    connections={"rtmp": self.subscribers},
                ),
            ),
            spans=(
                SpanRow(from_ms=A_DAY_AGO + self.acknowledged, to_ms=upto, revision=self.revision, state="counted"),
            ),
            sessions=(
                SessionRow(
                    publish_id="p", revision=self.revision, scope="live", name="keynote", start_time=A_DAY_AGO,
                    end_time=upto, live=True, active=1, highest=1, total=self.subscribers,
                ),
                *self.short_publish(upto),
            ),
        )  # fmt: skip

    def short_publish(self, upto: int) -> tuple[SessionRow, ...]:
        if self.revision % 3:
            return ()
        return (
            SessionRow(
                publish_id=f"p{self.publishes}", revision=self.revision, scope="short", name=self.server,
                start_time=A_DAY_AGO + self.publishes, end_time=upto, live=False, active=0, highest=1, total=1,
            ),
        )  # fmt: skip


class Console:
    """Follows the changes from any node and keeps the received records."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.random = random.Random("console")
        self.cursor = ""
        self.records: dict[tuple[str, str, int], dict[str, object]] = {}
        self.polls = 0

    async def run(self, http: httpx.AsyncClient, over: asyncio.Event) -> None:
        while not over.is_set():
            await self.poll(http)
            await asyncio.sleep(0.02)

    async def poll(self, http: httpx.AsyncClient) -> bool:
        try:
            node = self.random.choice(self.nodes)
            answer = await http.get(f"{node.url}/api/v1/changes?cursor={self.cursor}&limit=50", headers=AUTHORIZED)
        except (httpx.TransportError, httpx.TimeoutException):
            return True
        if answer.status_code != 200:
            assert answer.status_code == 503, answer.text
            return True
        page = answer.json()
        assert not page["reset"]
        for key in page["deleted"]:
            self.records.pop((key["scope"], key["name"], key["startTime"]), None)
        for record in page["records"]:
            self.records[record["scope"], record["name"], record["startTime"]] = record
        self.cursor = page["cursor"]
        self.polls += 1
        return bool(page["more"] or page["records"] or page["deleted"])


class Operator:
    """Imports records, lists them, and deletes some."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.random = random.Random("operator")
        self.imported: set[str] = set()
        self.delete_requested: set[str] = set()
        self.deleted: set[str] = set()
        self.lists = 0

    async def run(self, http: httpx.AsyncClient, over: asyncio.Event) -> None:
        number = 0
        while not over.is_set():
            number += 1
            name = f"s{number}"
            node = self.random.choice(self.nodes)
            try:
                answer = await http.post(f"{node.url}/api/v1/import", json=[a_record(name)], headers=AUTHORIZED)
                if answer.status_code != 200:
                    assert answer.status_code == 503, answer.text
                    continue
                self.imported.add(name)
                if number % 3 == 0:
                    self.delete_requested.add(name)
                    answer = await http.delete(f"{node.url}{USAGE}/live/{name}?accessToken={ADMIN}")
                    assert answer.status_code in {200, 404, 503}, answer.text
                    if answer.status_code != 503:
                        self.deleted.add(name)
                if number % 10 == 0:
                    answer = await http.get(f"{node.url}{USAGE}?accessToken={ADMIN}")
                    assert answer.status_code in {200, 503}
                    self.lists += 1
            except (httpx.TransportError, httpx.TimeoutException):
                await asyncio.sleep(0.05)


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
        connection = hung.writing()
        connection.begin()
        async with nodes_on(tmp_path, store_url, 1) as (node,), httpx.AsyncClient(timeout=LONGEST_WAIT_S) as http:
            answer = await http.post(f"{node.url}/api/v1/import", json=[a_record()], headers=AUTHORIZED)
            assert answer.status_code == 200, answer.text
        connection.invalidate()
        hung.close()
