"""A PostgreSQL cluster that is restored to a moment, as docs/operating.md describes it."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from streamusage.api.report import SlotRow
from tests.streamusage.service.conftest import NOW, Estate, a_record, an_estate
from tests.support.postgresql import PASSWORD
from tests.support.postgresql_nodes import DatabaseNode, owned_folder
from tests.support.service.answers import fetch_day
from tests.support.service.parties.reporting import ReportingAgent

pytestmark = pytest.mark.postgresql


class ArchivedServer:
    """A server with an archive of its log, and the one that replaces it."""

    def __init__(self, folder: Path, lost: DatabaseNode, restored: DatabaseNode) -> None:
        self.lost, self.restored = lost, restored
        self._backup, self._archive = folder / "backup", folder / "archive"

    def back_up(self) -> None:
        self.lost.back_up(self._backup)

    def restore(self, until: str) -> None:
        self.restored.restore(self._backup, self._archive, until)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchivedServer]:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with owned_folder() as (folder, run), ExitStack() as running:
        archive = folder / "archive"
        run(["mkdir", archive])
        lost, restored = DatabaseNode(folder, run), DatabaseNode(folder, run)
        lost.create(archive=archive)
        lost.start()
        for node in (lost, restored):
            running.callback(node.stop)
        yield ArchivedServer(folder, lost, restored)


async def names(estate: Estate, cursor: str = "") -> tuple[list[str], bool, str]:
    """Return the names of the changed records, whether the console must begin again, and the next cursor."""
    answer = await estate.request("GET", f"/api/v1/changes?cursor={cursor}")
    page = answer.json()
    return sorted(record["name"] for record in page["records"]), page["reset"], page["cursor"]


async def test_delete_of_everything_is_undone_by_a_restore_to_the_moment_before(
    server: ArchivedServer, tmp_path: Path
) -> None:
    async with an_estate(tmp_path, store_url=server.lost.url()) as estate:
        agent = ReportingAgent(estate)
        await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_in=5))
        await estate.import_records(a_record("before-the-backup"))
        await asyncio.to_thread(server.back_up)
        await estate.import_records(a_record("after-the-backup"))
        _, _, seen_before = await names(estate)
        until = server.lost.now()
        await asyncio.sleep(0.01)
        await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_in=7))
        await estate.usage("DELETE")
        _, _, seen_after = await names(estate)
        await asyncio.to_thread(server.lost.finish_log)
    server.lost.stop()
    server.restore(until)

    async with an_estate(tmp_path, store_url=server.restored.url()) as estate:
        both = ["after-the-backup", "before-the-backup"]
        assert (await names(estate))[0] == both
        assert (await names(estate, seen_before))[:2] == ([], False)
        assert (await names(estate, seen_after))[:2] == (both, True), "the console that saw the delete begins again"
        assert (await fetch_day(estate))["bytes_in"] == 5
        agent.estate = estate
        refused = await agent.send(agent.report())
        assert refused.status_code == 409
        agent.acknowledged = refused.json()["acknowledged"]
        await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_in=7))
        assert (await fetch_day(estate))["bytes_in"] == 7, "the agent reports again what the store lacks"
