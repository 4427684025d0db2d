"""SQLite and PostgreSQL answer the same to every request, whatever happened in which order of arrival.

Each seed is a history of reports, silences, late reports, deletes, undone deletes, imports, removals, closings and
retention with folding. It is done to four services: on each engine, in two orders in which reports of one instant
arrive. After each step every answer of every route is compared. The seed is in the name of the test.
`STREAMTOP_HISTORIES` is the number of histories, `STREAMTOP_FIRST_SEED` the seed of the first, and
`STREAMTOP_HISTORY_STEPS` the length of each.
"""

import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from streamusage.service.store.engines.sqlite import sqlite_url
from tests.streamusage.service.conftest import OwnedClock
from tests.support.postgresql import Cluster
from tests.support.service.alike.quiet_service import a_quiet_service
from tests.support.service.alike.random_history import TOKENS, RandomHistory, differences, first_difference
from tests.support.service.random_estate import BEGIN, CUSTOMERS, DAY, ZONES

pytestmark = pytest.mark.postgresql

FIRST_SEED = int(os.environ.get("STREAMTOP_FIRST_SEED", "1"))
SEEDS = range(FIRST_SEED, FIRST_SEED + int(os.environ.get("STREAMTOP_HISTORIES", "1")))
STEPS = int(os.environ.get("STREAMTOP_HISTORY_STEPS", "12"))


@pytest.fixture(autouse=True)
def revised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents of these estates change figures of two days at most, so that a fortnight is enough."""
    monkeypatch.setattr("streamusage.service.rules.folding.REVISED_MS", 3 * DAY)
    monkeypatch.setattr("tests.support.service.random_estate.KEPT_BY_AGENT_MS", 2 * DAY)


@pytest.mark.parametrize("seed", SEEDS)
async def test_engines_answer_the_same_in_each_order_of_arrival(seed: int, tmp_path: Path, postgresql: Cluster) -> None:
    clock = OwnedClock()
    clock.now = BEGIN
    async with AsyncExitStack() as opened:
        services = {}
        for order in ("in order", "reversed"):
            urls = {
                "SQLite": sqlite_url(tmp_path / f"{order}.db"),
                "PostgreSQL": opened.enter_context(postgresql.database()),
            }
            for engine, url in urls.items():
                service = a_quiet_service(url, clock, TOKENS, tuple(ZONES), CUSTOMERS)
                services[f"{engine} {order}"] = await opened.enter_async_context(service)
        history = RandomHistory(seed, services, clock)
        for number in range(STEPS):
            await history.step()
            found = await history.read_answers(everything=number % 10 == 9 or number == STEPS - 1)
            for one, other, of_order in (
                ("SQLite in order", "PostgreSQL in order", False),
                ("SQLite reversed", "PostgreSQL reversed", False),
                ("SQLite in order", "SQLite reversed", True),
            ):
                different = differences(found[one], found[other], of_order=of_order)
                lines = [f"{path}: {first_difference(*pair)}" for path, pair in different.items()]
                message = "\n".join([f"seed {seed}, step {number}, {one} and {other}:", *lines, *history.done[-12:]])
                assert not different, message
