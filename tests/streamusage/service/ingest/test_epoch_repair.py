"""Repair of a server whose epoch numbers an earlier version let be used up by one request near 2^53."""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import select, update

from streamusage.agent.journal.ledger import Ledger
from streamusage.api.report import EpochIssued
from streamusage.service.rules.apply import ServerState
from streamusage.service.rules.epoch_repair import LARGEST_EPOCH, plan_epoch_repair
from streamusage.service.store.schema import server_sessions, servers, slots
from streamusage.service.store.store import open_store
from tests.streamusage.service.conftest import NOW, Estate
from tests.support.service.server_repair import repair, run_agent, status, sums
from tests.support.service.wrong_clock import STEP_MS, CountedServer, serving

NEAR = 2**53 - 3
"""What an earlier version had issued after such a request."""


def bricked_store(directory: Path, store_url: str, *, was_active: bool) -> CountedServer:
    """Return a server whose service issued epochs up to 2^53, as earlier versions did: the agent's own epoch is one of
    the last numbers (`was_active`), or one from before.
    """
    counted = CountedServer(directory, store_url, NOW - 600_000)
    store = open_store(store_url, counted.now)
    counted.ledger.record(counted.reading(None))
    counted.sync(store)
    counted.count(store, 6)
    if was_active:
        set_issued(store, NEAR)
        with counted.journal.transaction() as tx:
            tx.clear()  # a new journal gets one of the last epochs
        counted.ledger = Ledger(counted.journal, "second-journal", "edge-1", "standalone", STEP_MS)
        counted.ledger.record(counted.reading(None))
        counted.count(store, 6)
        assert counted.ledger.head.epoch == NEAR + 1
    set_issued(store, 2**53)
    store.close()
    return counted


def set_issued(store: Any, issued: int) -> None:
    with store.writing() as connection, connection.begin():
        connection.execute(update(servers).values(issued=issued))


async def request_epoch(estate: Estate) -> httpx.Response:
    return await estate.request(
        "POST", "/api/v1/agents/edge-1/epochs", token="edge-1-token", content=b'{"journal":"another"}'
    )


async def issue(estate: Estate) -> EpochIssued:
    answer = await request_epoch(estate)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=EpochIssued)


@pytest.mark.parametrize("was_active", [False, True])
async def test_repaired_server_issues_epochs_and_its_agent_heals_every_figure(
    tmp_path: Path, store_url: str, was_active: bool
) -> None:
    counted = bricked_store(tmp_path, store_url, was_active=was_active)
    async with serving(counted, tmp_path) as estate:
        refused = await request_epoch(estate)
        assert (refused.status_code, "servers repair edge-1" in refused.json()["errorMessage"]) == (409, True)
        assert (await status(estate))["repair"] == "epochs used up"
        before = await sums(estate)
        planned = await repair(estate, dry=True)
        assert (planned["needed"], planned["highest_epoch_before"]) == (True, 2**53)
        assert planned["highest_epoch"] < 10
        assert (await status(estate))["repair"] == "epochs used up", "a plan changes nothing"
        done = await repair(estate, dry=False)
        assert (done["highest_epoch"], done["slots"], done["voids"]) == (planned["highest_epoch"], 0, [])
        assert "repair" not in await status(estate)
        assert await sums(estate) == before
        await run_agent(estate, counted, 12)
        assert await sums(estate) == counted.true_sums()
        assert (await status(estate))["watermark"] == counted.now
        assert (await issue(estate)).epoch < 10
        assert not (await repair(estate, dry=True))["needed"]
        epochs = await estate.running.service.read(
            lambda c: {
                *c.execute(select(slots.c.epoch)).scalars(),
                *c.execute(select(server_sessions.c.epoch)).scalars(),
            }
        )
        assert max(epochs) < 10


async def test_server_that_never_reported_is_listed_and_repaired(tmp_path: Path, store_url: str) -> None:
    counted = CountedServer(tmp_path, store_url, NOW)
    store = open_store(store_url, NOW)
    store.close()
    async with serving(counted, tmp_path) as estate:
        await issue(estate)
        await estate.running.service.write(lambda c: c.execute(update(servers).values(issued=2**53)))
        assert (await status(estate))["repair"] == "epochs used up"
        await repair(estate, dry=False)
        assert (await issue(estate)).epoch == 1
        await run_agent(estate, counted, 6)
        assert (await status(estate))["watermark"] == counted.now


def test_order_of_epochs_is_kept() -> None:
    state = ServerState(server="s", epoch=2**53 - 7, issued=2**53)
    planned = plan_epoch_repair(state, {1, 3, 2**53 - 9, 2**53 - 7})
    assert planned is not None
    assert planned.numbers == {2**53 - 9: 4, 2**53 - 7: 5}
    assert (planned.state.epoch, planned.state.issued, planned.ends_active_epoch) == (5, 5, True)
    assert plan_epoch_repair(ServerState(server="s", epoch=3, issued=LARGEST_EPOCH), {3}) is None
