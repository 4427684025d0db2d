"""Closed days keep the disagreements that were open, and statements have them whatever heals later."""

from contextlib import closing

from msgspec import UNSET
from sqlalchemy import text, update

from streamusage.core.coverage import Interval
from streamusage.evidence.keys import new_key
from streamusage.evidence.statement import Statement
from streamusage.evidence.verification import is_proven, verify
from streamusage.service.accounting.cross_checks import is_check_due
from streamusage.service.accounting.disagreements import load_disagreements
from streamusage.service.accounting.hours import find_unsummed
from streamusage.service.store.schema import closed_days
from streamusage.service.store.store import open_store
from tests.streamusage.service.conftest import Estate
from tests.support.service.honest_estate import HonestServer
from tests.support.service.parties.reporting import ReportingAgent
from tests.support.service.statements import find_differences, read_statement
from tests.support.service.used_store import DAY, HOUR, MINUTE, NOON, settle, used_estate
from tests.support.waiting import wait_until

KEY = new_key()
SENT = 360_000_000


async def close_day(estate: Estate, received_of_a_minute: int) -> dict[str, ReportingAgent]:
    """Report an hour in which an origin sent 6 MB a minute, and the rest of the day, until it is closed."""
    agents = {}
    for name, role in (("origin-1", "origin"), ("edge-1", "edge")):
        server = HonestServer(name, role, 1)  # type: ignore[arg-type]
        for slot in range(NOON, NOON + HOUR, MINUTE):
            figures = server.at("s", slot)
            figures.bytes_in = 6_000_000 if role == "origin" else received_of_a_minute
            figures.bytes_out = 6_000_000 if role == "origin" else 0
        agent = agents[name] = ReportingAgent(estate, name, role, life=f"{name}.1")  # type: ignore[arg-type]
        agent.watermark = NOON
        estate.clock.now = NOON + HOUR + 10_000
        await agent.sync_up(*(row for slot in range(NOON, NOON + HOUR, MINUTE) for row in server.rows(slot)))
    await compared(estate)
    estate.clock.now = NOON + 12 * HOUR + 10_000
    for agent in agents.values():
        await agent.sync_up()
    await compared(estate)
    await settle(estate)
    return agents


async def compared(estate: Estate) -> None:
    async def is_done() -> bool:
        return not await estate.running.service.read(lambda one: bool(find_unsummed(one)) or is_check_due(one))

    await wait_until(is_done, "hours are compared", every_seconds=0.01)


async def statement(estate: Estate, first: str = DAY, last: str = DAY) -> tuple[bytes, bytes, Statement]:
    return await read_statement(estate, first, last)


def differences(store_url: str) -> set[tuple[str, str]]:
    return find_differences(store_url, NOON + 100 * HOUR)


async def test_statement_has_what_was_open_at_the_closing_also_when_it_is_explained_later(store_url: str) -> None:
    async with used_estate(store_url, statement_key=KEY) as estate:
        agents = await close_day(estate, 3_000_000)
        content, signature, found = await statement(estate)
        assert is_proven(found, verify(content, found, signature, KEY.public, estate.clock.now))
        for day in found.days:
            assert day.disagreements is not UNSET
            (row,) = day.disagreements
            assert (row.kind, row.server, row.edges, row.hours) == ("origin-edges", "origin-1", ["edge-1"], 1)
            assert (row.first, row.second) == (SENT, SENT // 2)
        late = HonestServer("edge-1", "edge", 1)
        for slot in range(NOON, NOON + HOUR, MINUTE):
            late.at("s", slot).bytes_in = 6_000_000
        estate.clock.now += 10_000
        await agents["edge-1"].sync_up(*(row for slot in range(NOON, NOON + HOUR, MINUTE) for row in late.rows(slot)))
        await compared(estate)
        everything = Interval(0, 2**53)
        assert await estate.running.service.read(lambda one: load_disagreements(one, everything, None)) == []
        assert (await statement(estate))[0] == content
    assert differences(store_url) == set()


async def test_day_without_disagreements_has_none_in_its_statement(store_url: str) -> None:
    async with used_estate(store_url, statement_key=KEY) as estate:
        await close_day(estate, 6_000_000)
        content, _, found = await statement(estate)
        assert b"disagreements" not in content
        assert {day.server for day in found.days} == {"origin-1", "edge-1"}
    assert differences(store_url) == set()


async def test_every_change_of_closed_disagreements_is_found(store_url: str) -> None:
    async with used_estate(store_url) as estate:
        await close_day(estate, 3_000_000)
    with closing(open_store(store_url, 0)) as store, store.reading() as connection:
        stored = bytes(connection.execute(text("SELECT disagreements FROM closed_days")).scalars().first() or b"")
    raised = stored.replace(b'"first":360000000', b'"first":180000000')
    assert raised != stored
    for value in (raised, None, b"{}"):
        with closing(open_store(store_url, 0)) as store, store.writing() as connection, connection.begin():
            connection.execute(update(closed_days).values(disagreements=value))
        assert {table for table, _ in differences(store_url)} >= {"closed_days"}, value
    async with used_estate(store_url, NOON + 13 * HOUR) as estate:
        answer = await estate.request("GET", f"/api/v1/statement?from={DAY}&to={DAY}&tz=UTC")
        assert answer.status_code == 503
