"""The load of tests with several service processes: agents that report, a console that follows, and an operator."""

import asyncio
import random

import httpx
import msgspec

from streamusage.api.report import Based, Baseline, PeakWindow, Report, SessionRow, SlotRow, SpanRow
from tests.streamusage.service.conftest import A_DAY_AGO, USAGE, a_record, day_of_a_day_ago
from tests.support.service.nodes import ADMIN, AUTHORIZED, SERVERS, Node


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
                *self.short_publishes(),
            ),
        )  # fmt: skip

    def short_publishes(self) -> tuple[SessionRow, ...]:
        """Return those of the revisions that are not acknowledged: the last of every three has one."""
        return tuple(
            SessionRow(
                publish_id=f"p{number}", revision=3 * number, scope="short", name=self.server,
                start_time=A_DAY_AGO + number, end_time=A_DAY_AGO + 3 * number, live=False,
                active=0, highest=1, total=1,
            )
            for number in range(self.acknowledged // 3 + 1, self.revision // 3 + 1)
        )  # fmt: skip


class Console:
    """Follows the changes from any node and keeps the received records."""

    def __init__(self, nodes: list[Node], *, expects_resets: bool = False) -> None:
        self.nodes = nodes
        self.expects_resets = expects_resets
        self.resets = 0
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
        if page["reset"] and self.polls:
            assert self.expects_resets
            self.resets += 1
            self.records.clear()
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


async def check_conserved(
    http: httpx.AsyncClient, base: str, agents: list[Agent], console: Console, operator: Operator | None
) -> None:
    """Compare what a service has with what was sent, acknowledged and followed, to the unit."""
    day = day_of_a_day_ago()
    days = (await http.get(f"{base}/api/v1/daily?from={day}&to={day}", headers=AUTHORIZED)).json()["days"]
    counted = {day["server"]: (day["bytes_out"], day["connections"]) for day in days if day["bytes_out"]}
    assert counted == {agent.server: (agent.bytes, agent.subscribers) for agent in agents}
    listed = (await http.get(f"{base}{USAGE}?accessToken={ADMIN}")).json()
    followed = {key: record["updated"] for key, record in console.records.items()}
    assert followed == {(r["scope"], r["name"], r["startTime"]): r["updated"] for r in listed}, (
        "a cursor skipped a change, or a lost one stays on the screen"
    )
    published = {(r["name"], r["startTime"]) for r in listed if r["scope"] == "short"}
    assert len(published) == sum(agent.publishes for agent in agents)
    if operator is not None:
        names = {record["name"] for record in listed}
        assert operator.imported - operator.delete_requested <= names, "an acknowledged import is missing"
        assert not operator.deleted & names, "an acknowledged delete is undone"
