"""Several service processes on one PostgreSQL close the same days while they are killed: each day is closed once, and
closed figures plus the entries of the ledger equal the reported figures."""

import asyncio
import json
import random
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import cycle
from pathlib import Path

import httpx
import msgspec
import pytest
from sqlalchemy import select

from streamusage.api.report import Based, Baseline, PeakWindow, Report, SlotRow, SpanRow
from streamusage.core.days import day_interval, zone
from streamusage.service.store.schema import adjustments, closed_days
from streamusage.service.store.store import open_store
from tests.support.postgresql import Cluster
from tests.support.service.nodes import AUTHORIZED, SERVERS, Node, kill_now_and_then, nodes_on
from tests.support.waiting import LONGEST_WAIT_S

HOUR = 3_600_000
TODAY = datetime.now(UTC).date()
DAYS = [TODAY - timedelta(days=back) for back in range(6, 1, -1)]
BEGAN = day_interval(DAYS[0], zone("UTC")).from_ms
ENDS = day_interval(TODAY - timedelta(days=1), zone("UTC")).from_ms + HOUR
"""The last day is closed well before this; the day after it stays open."""
ZONES = ("UTC", "America/New_York")


class Reporter:
    """Reports an hour at a time to any node, repeats it until one acknowledges, and corrects earlier hours."""

    def __init__(self, server: str, nodes: list[Node], http: httpx.AsyncClient) -> None:
        self.server, self.nodes, self.http = server, nodes, http
        self.random = random.Random(server)
        self.revision = self.acknowledged = self.epoch = 0
        self.based_on: Based | None = None
        self.upto = BEGAN
        self.slots: dict[int, int] = {}

    async def report_all(self) -> None:
        while self.upto < ENDS:
            touched = [self.upto]
            self.slots[self.upto] = self.random.randrange(1, 1_000)
            if self.random.random() < 0.3:
                late = self.random.choice(list(self.slots))
                self.slots[late] += self.random.randrange(1, 1_000)
                touched.append(late)
            await self._send_until_acknowledged(touched, self.upto + HOUR)
            self.upto += HOUR
            await asyncio.sleep(self.random.random() / 50)

    async def correct_some(self) -> None:
        for _ in range(6):
            late = self.random.choice(list(self.slots))
            self.slots[late] += self.random.randrange(1, 1_000)
            await self._send_until_acknowledged([late], self.upto)
            await asyncio.sleep(self.random.random())

    async def _send_until_acknowledged(self, touched: list[int], upto: int) -> None:
        span = SpanRow(from_ms=self.upto, to_ms=upto, revision=self.revision + 1, state="counted")
        self.revision += 1
        rows = [
            SlotRow(slot=slot, revision=self.revision, bytes_out=self.slots[slot], connections={"rtmp": 1})
            for slot in dict.fromkeys(touched)
        ]
        while self.acknowledged < self.revision:
            try:
                await self._report(rows, span, upto)
            except (httpx.TransportError, httpx.TimeoutException):
                await asyncio.sleep(0.05)

    async def _report(self, rows: list[SlotRow], span: SpanRow, upto: int) -> None:
        base = f"{self.random.choice(self.nodes).url}/api/v1/agents/{self.server}"
        headers = {"Authorization": f"Bearer {self.server}-s3cret"}
        if not self.epoch:
            answer = await self.http.post(f"{base}/epochs", content=b'{"journal": "j1"}', headers=headers)
            if answer.status_code != 200:
                return
            self.epoch, self.based_on = answer.json()["epoch"], Based(**answer.json()["based_on"])
        report = Report(
            server=self.server, role="edge", life="j1.1", epoch=self.epoch, since=self.acknowledged, upto=self.revision,
            sent_at=upto, sync_interval_ms=10_000, based_on=self.based_on, slots=tuple(rows),
            spans=(span,) if span.to_ms > span.from_ms else (),
            baseline=Baseline(
                at=upto, boot="b", started_at=BEGAN, since=BEGAN, bytes_in=0, bytes_out=0, window=PeakWindow(upto, 0, 0)
            ),
        )  # fmt: skip
        answer = await self.http.post(f"{base}/reports", content=msgspec.json.encode(report), headers=headers)
        if answer.status_code == 200 or (answer.status_code == 409 and self.based_on is not None):
            self.acknowledged, self.based_on = answer.json()["acknowledged"], None
        else:
            assert answer.status_code == 503, answer.text

    def truth(self, day: date, tz: str) -> int:
        """Return the bytes that this agent reported for a day, with all corrections."""
        interval = day_interval(day, zone(tz))
        return sum(count for slot, count in self.slots.items() if interval.from_ms <= slot < interval.to_ms)


@pytest.mark.postgresql
async def test_no_day_is_closed_twice_and_no_later_figure_is_lost(tmp_path: Path, postgresql: Cluster) -> None:
    with postgresql.database() as store_url:
        zones = [word for name in ZONES for word in ("--account-zone", name)]
        async with nodes_on(tmp_path, store_url, 3, *zones) as nodes, httpx.AsyncClient(timeout=LONGEST_WAIT_S) as http:
            reporters = [Reporter(server, nodes, http) for server in SERVERS]
            over = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(kill_now_and_then(nodes, over))
                await asyncio.gather(*(reporter.report_all() for reporter in reporters))
                await _until_closed(nodes, http)
                await asyncio.gather(*(reporter.correct_some() for reporter in reporters))
                over.set()
            kills = sum(node.kills for node in nodes)
            reported_days = {
                (name, day["day"], day["server"]): day
                for name in ZONES
                for day in (await _daily(nodes[0], http, name))["days"]
            }
        store = open_store(store_url, time.time_ns() // 1_000_000)
        with store.reading() as connection:
            closed = connection.execute(select(closed_days)).all()
            entries = connection.execute(select(adjustments)).all()
        store.close()
    keys = {(row.tz, row.day, row.server) for row in closed}
    assert {("UTC", day.isoformat(), server) for day in DAYS for server in SERVERS} <= keys
    assert len(keys) == len(closed)
    assert sorted(row.revision for row in closed) == list(range(1, len(closed) + 1)), "each closing has a revision"
    assert {row.rule for row in closed} == {"watermark"}
    assert entries, "no late figures arrived: the test proves nothing"
    moved: dict[tuple[str, str, str], int] = {}
    for row in entries:
        key = (row.tz, row.day, row.server)
        moved[key] = moved.get(key, 0) + json.loads(row.difference)["bytes_out"]
    for row in closed:
        key = (row.tz, row.day, row.server)
        numbers = [entry.entry for entry in entries if (entry.tz, entry.day, entry.server) == key]
        assert sorted(numbers) == list(range(1, row.entries + 1)), f"the ledger of {key} skips or doubles an entry"
        reporter = next(reporter for reporter in reporters if reporter.server == row.server)
        truth = reporter.truth(date.fromisoformat(row.day), row.tz)
        assert json.loads(row.figures)["bytes_out"] + moved.get(key, 0) == truth, key
        assert (reported_days[key]["adjustment"] is not None) == (key in moved)
    print(f"{kills} kills, {len(closed)} days closed, {len(entries)} entries")


async def _daily(node: Node, http: httpx.AsyncClient, tz: str) -> dict[str, object]:
    window = f"from={DAYS[0] - timedelta(days=1)}&to={DAYS[-1]}&tz={tz}"
    answer = await http.get(f"{node.url}/api/v1/daily?{window}", headers=AUTHORIZED)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def _until_closed(nodes: list[Node], http: httpx.AsyncClient) -> None:
    """Wait until every zone has closed all days that are due, while processes are killed."""
    async with asyncio.timeout(LONGEST_WAIT_S):
        for name in ZONES:
            due = day_interval(DAYS[-1] - timedelta(days=0 if name == "UTC" else 1), zone(name)).to_ms
            for node in cycle(nodes):
                with suppress(httpx.TransportError):
                    if ((await _daily(node, http, name))["closed_to"] or 0) >= due:  # type: ignore[operator]
                        break
                await asyncio.sleep(0.2)
