"""The connection to PostgreSQL breaks in a COMMIT, before or after the database receives it: the client receives
503 with an unknown outcome, and a repeated request counts nothing twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from streamusage.api.report import SlotRow
from streamusage.service.store.store import open_store
from tests.streamusage.service.conftest import NOW, Estate, a_record, an_estate
from tests.support.postgresql import Cluster
from tests.support.service.held_write import HeldWrite
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tests.support.waiting import LONGEST_WAIT_S

pytestmark = pytest.mark.postgresql


MARK = "lost-commit"


class Wire:
    """Forwards bytes between the service and the database. `cut` is `before` or `after`: the connection breaks before
    or after the COMMIT of the next transaction that contains `MARK` reaches the database, and no answer is returned."""

    def __init__(self, database_port: int) -> None:
        self._database_port = database_port
        self.cut: str = ""
        self.cuts = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._database_port)
        answers = asyncio.create_task(self._answers(there, writer))
        statements = b""
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                statements += data
                if b"COMMIT" in data:
                    if self.cut and MARK.encode() in statements:
                        await self._cut(data, there, back, answers)
                        break
                    statements = b""
                back.write(data)
                await back.drain()
        answers.cancel()
        writer.close()
        back.close()

    async def _cut(
        self, data: bytes, there: asyncio.StreamReader, back: asyncio.StreamWriter, answers: "asyncio.Task[None]"
    ) -> None:
        answers.cancel()
        with suppress(asyncio.CancelledError):
            await answers
        if self.cut == "after":
            back.write(data)
            assert b"COMMIT" in await asyncio.wait_for(there.read(1 << 16), LONGEST_WAIT_S), (
                "the database has committed"
            )
        self.cut = ""
        self.cuts += 1

    async def _answers(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await there.read(1 << 16):
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def wired(tmp_path: Path, cluster: Cluster) -> AsyncIterator[tuple[Estate, Wire]]:
    """A service whose database is behind a wire that can be cut."""
    wire = Wire(cluster.port)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with cluster.database() as store_url:
        async with an_estate(tmp_path, store_url=store_url.replace(f":{cluster.port}/", f":{port}/")) as estate:
            yield estate, wire
    server.close()


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_report_whose_commit_is_lost_counts_once(tmp_path: Path, postgresql: Cluster, cut: str) -> None:
    async with wired(tmp_path, postgresql) as (estate, wire):
        agent = ReportingAgent(estate, "edge-1")
        await agent.begin()
        estate.clock.now += 10_000
        report = agent.report(
            SlotRow(slot=NOW, revision=0, bytes_out=700, connections={"rtmp": 3}), a_session("e", name=MARK)
        )
        body = msgspec.json.encode(report)
        wire.cut = cut
        lost = await agent.request("reports", body)
        assert (lost.status_code, wire.cuts) == (503, 1)
        assert "whether the change was kept is unknown" in lost.json()["errorMessage"]
        assert lost.headers["retry-after"]
        again = await agent.request("reports", body)
        assert (again.status_code, again.json()["acknowledged"]) == (200, report.upto), again.text
        (day,) = (await estate.request("GET", "/api/v1/daily?from=2026-11-18&to=2026-11-18")).json()["days"]
        assert (day["bytes_out"], day["connections"]) == (700, 3)
        (record,) = await estate.records()
        assert (record["name"], record["totalSubscribers"]) == (MARK, a_session("e").total)


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_delete_with_a_lost_commit_is_not_reported_as_undone(
    tmp_path: Path, postgresql: Cluster, cut: str
) -> None:
    async with wired(tmp_path, postgresql) as (estate, wire):
        await estate.import_records(a_record(MARK), a_record("b"))
        wire.cut = cut
        answer = await estate.usage("DELETE", f"/live/{MARK}")
        assert (answer.status_code, wire.cuts) == (503, 1)
        assert "unknown" in answer.json()["errorMessage"]
        left = {record["name"] for record in await estate.records()}
        assert left == ({"b"} if cut == "after" else {MARK, "b"})
        deletes = [
            entry
            for entry in (await estate.request("GET", "/api/v1/audit")).json()["entries"]
            if entry["operation"] == "delete stream"
        ]
        assert len(deletes) == (cut == "after"), "the audit log has the delete if it was committed"


async def test_deletes_with_a_lost_common_commit_are_not_retried(tmp_path: Path, postgresql: Cluster) -> None:
    """A repeated delete would find no record and wrongly return 404 to its client."""
    async with wired(tmp_path, postgresql) as (estate, wire):
        await estate.import_records(a_record(MARK), a_record("b"))
        writer, held = estate.running.service.writer, HeldWrite()
        first = writer.submit(held)
        assert await asyncio.to_thread(held.began.wait, LONGEST_WAIT_S)
        deletes = [asyncio.create_task(estate.usage("DELETE", f"/live/{name}")) for name in (MARK, "b")]
        async with asyncio.timeout(LONGEST_WAIT_S):
            while writer._queue.qsize() < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        wire.cut = "after"
        held.go.set()
        assert [(await answer).status_code for answer in deletes] == [503, 503]
        assert (first.done(), wire.cuts) == (True, 1)
        entries = (await estate.request("GET", "/api/v1/audit")).json()["entries"]
        assert sorted(entry["operation"] for entry in entries) == ["delete stream", "delete stream", "import"]


def test_silent_database_ends_a_connection_within_a_minute(postgresql: Cluster) -> None:
    """A database whose host vanished sends nothing, not even that it is gone."""
    with postgresql.database() as url:
        store = open_store(url, NOW)
        for engine in (store._readers, store._writer):
            with engine.connect() as pooled:
                connection: psycopg.Connection[Any] = pooled.connection.driver_connection  # type: ignore[assignment]
                parameters = connection.info.get_parameters()
            idle, interval, count = (int(parameters[f"keepalives_{name}"]) for name in ("idle", "interval", "count"))
            assert max(idle + count * interval, int(parameters["tcp_user_timeout"]) / 1000) <= 60
        store.close()
