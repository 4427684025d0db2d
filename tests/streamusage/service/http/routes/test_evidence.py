"""Statements, the chain of closings and corrections over HTTP, on both engines."""

import asyncio
import base64
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from streamusage.api.daily import DayDifference
from streamusage.api.evidence import Chain, ChainRow, Correction, CorrectionResult, Corrections, SignedStatement
from streamusage.api.report import SlotRow
from streamusage.core.days import zone
from streamusage.core.figures import SUM_NAMES
from streamusage.evidence.chain import ChainedEntry, find_break
from streamusage.evidence.keys import new_key
from streamusage.evidence.statement import Statement, parse
from streamusage.evidence.verification import check_fork, check_service, is_proven, verify
from streamusage.service.accounting.corrections import (
    ApprovalPolicy,
    ApprovalRule,
    approved_by_day,
    list_corrections,
)
from streamusage.service.queries.statement import compose_statement
from streamusage.service.store.backup import back_up, restore
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.schema import closed_days
from tests.streamusage.service.conftest import Estate
from tests.support.service.parties.reporting import ReportingAgent
from tests.support.service.query_plans import Plans, recorded_plans
from tests.support.service.used_store import DAY, HOUR, MINUTE, NOON, settle, use, used_estate

KEY = new_key()
UTC = zone("UTC")
OF_DAY = f"from={DAY}&to={DAY}&tz=UTC"
NEXT_DAY = "2026-11-21"
MIDNIGHT_AFTER_NEXT = NOON + 36 * HOUR


async def answer(estate: Estate, path: str, kind: Any, **options: Any) -> Any:
    """Return the decoded answer of a request below /api/v1."""
    method = "POST" if "json" in options else "GET"
    response = await estate.request(method, f"/api/v1/{path}", **options)
    assert response.status_code == 200, response.text
    return msgspec.json.decode(response.content, type=kind)


async def signed(estate: Estate, query: str = OF_DAY) -> tuple[bytes, bytes, Statement]:
    """Return the bytes of a statement, its signature, and what it says."""
    found = await answer(estate, f"statement?{query}", SignedStatement)
    content = found.statement.encode()
    return content, base64.b64decode(found.signature or ""), parse(content)


async def change(estate: Estate, path: str, token: str = "admin-token", **body: object) -> Correction:
    """Return the correction that a request below `corrections` proposed, approved or reversed."""
    found = await answer(estate, f"corrections{path}", CorrectionResult, json=body, token=token)
    return found.correction


async def corrections(estate: Estate) -> list[Correction]:
    """Return the corrections of the day."""
    return (await answer(estate, f"corrections?{OF_DAY}", Corrections)).corrections


async def whole_chain(estate: Estate) -> list[ChainRow]:
    """Return every entry of the chain."""
    found = await answer(estate, "chain", Chain)
    return found.entries


async def close_next_day(estate: Estate, agents: list[ReportingAgent], after_ms: int = HOUR) -> None:
    """Let the servers report past the end of the next day, `after_ms` after it."""
    estate.clock.now = MIDNIGHT_AFTER_NEXT + after_ms
    for agent in agents:
        await agent.sync_up()
    await settle(estate)


async def late_slot(estate: Estate, agent: ReportingAgent, minute: int, byte_count: int) -> None:
    """Report a slot of the closed day again, with more traffic."""
    row = SlotRow(slot=NOON + minute * MINUTE, revision=0, bytes_out=byte_count, connections={"rtmp": 1})
    await agent.sync_up(row)
    await settle(estate)


async def test_statement_of_closed_day_is_signed_and_verifies(store_url: str) -> None:
    async with used_estate(store_url, statement_key=KEY) as estate:
        await use(estate)
        content, signature, statement = await signed(estate)
        assert is_proven(statement, verify(content, statement, signature, KEY.public, estate.clock.now))
        assert (await signed(estate))[0] == content
        rows = await whole_chain(estate)
        held = check_service(statement, estate.running.url, statement.service, rows, [])
        assert held.verdict == "holds", held
        assert statement.servers == ["edge-1", "origin-1"]
        daily = (await estate.request("GET", f"/api/v1/daily?{OF_DAY}")).json()["days"]
        for name in SUM_NAMES:
            assert getattr(statement.totals.closed, name) == sum(day[name] for day in daily)


async def test_chain_has_every_closing_once_and_no_break(store_url: str) -> None:
    async with used_estate(store_url) as estate:
        await use(estate)
        rows = await whole_chain(estate)
        assert find_break([ChainedEntry(row.number, row.hash, row.content) for row in rows]) is None
        assert [row.number for row in rows] == list(range(len(rows)))
        kinds = [row.content["kind"] for row in rows]
        assert kinds == ["beginning", "closing", "closing"]


async def test_late_arrival_is_proposed_by_the_service_and_billed_once_approved(store_url: str) -> None:
    async with used_estate(store_url, statement_key=KEY) as estate:
        agents = await use(estate)
        before = (await signed(estate))[0]
        [proposal] = await corrections(estate)
        assert (proposal.state, proposal.proposed_by) == ("proposed", "service")
        assert proposal.difference == DayDifference(connections=1, bytes_out=999, connections_by_protocol={"rtmp": 1})
        approved = await change(estate, "/approve", id=proposal.id)
        assert (approved.state, approved.approved_by) == ("approved", "boss")
        # It is billed in the period of its approval, not in that of its day.
        assert (await signed(estate))[0] == before
        await close_next_day(estate, agents)
        content, signature, statement = await signed(estate, f"from={NEXT_DAY}&to={NEXT_DAY}&tz=UTC")
        assert [row.id for row in statement.corrections] == [proposal.id]
        assert statement.totals.corrections == proposal.difference
        assert is_proven(statement, verify(content, statement, signature, KEY.public, estate.clock.now))


async def test_closed_and_approved_and_pending_are_what_the_slots_have(store_url: str) -> None:
    async with used_estate(store_url) as estate:
        agent, _ = await use(estate)
        [first] = await corrections(estate)
        await change(estate, "/approve", id=first.id)
        await late_slot(estate, agent, 6, 5_000)
        await late_slot(estate, agent, 6, 7_000)
        day = next(
            day
            for day in (await estate.request("GET", f"/api/v1/daily?{OF_DAY}")).json()["days"]
            if day["server"] == "edge-1"
        )
        pending = [row.difference.bytes_out for row in await corrections(estate) if row.state == "proposed"]
        assert pending == [5_000, 2_000]
        approved = day["adjustment"]["approved"]["bytes_out"]
        assert approved == first.difference.bytes_out
        assert day["bytes_out"] + approved + sum(pending) == day["adjustment"]["figures"]["bytes_out"]


async def test_reversal_makes_the_amount_pending_again(store_url: str) -> None:
    async with used_estate(store_url) as estate:
        await use(estate)
        [first] = await corrections(estate)
        await change(estate, "/approve", id=first.id)
        taken_back = await change(estate, "/reverse", id=first.id, reason="wrong customer")
        assert (taken_back.state, taken_back.reverses) == ("proposed", first.id)
        refused = await estate.request("POST", "/api/v1/corrections/approve", json={"id": taken_back.id})
        assert refused.status_code == 409
        assert "another admin's token" in refused.json()["errorMessage"]
        done = await change(estate, "/approve", "second-admin-token", id=taken_back.id)
        assert done.difference.bytes_out == -first.difference.bytes_out
        again = await change(estate, "", day=DAY, server="edge-1", reason="the right one")
        assert again.difference == first.difference
        assert [row.content["kind"] for row in await whole_chain(estate)][-2:] == ["correction", "correction"]


async def test_automatic_approval_stays_within_its_share_of_the_day(store_url: str) -> None:
    policy = ApprovalPolicy(ApprovalRule.SECOND_TOKEN, 0.01)
    async with used_estate(store_url, approval=policy) as estate:
        agent, _ = await use(estate)
        closed = sum(7_000 * hour * 3 for hour in range(1, 12))  # roughly what edge-1 sent on the day
        await late_slot(estate, agent, 6, closed // 50)
        by = [(row.state, row.approved_by) for row in await corrections(estate)]
        assert by == [("approved", "service"), ("proposed", None)]


async def test_nothing_is_signed_of_a_day_that_is_not_closed(store_url: str) -> None:
    async with used_estate(store_url, statement_key=KEY) as estate:
        await use(estate)
        for query in (f"from={DAY}&to={NEXT_DAY}&tz=UTC", f"from={DAY}&to={DAY}&tz=Europe/Berlin"):
            refused = await estate.request("GET", f"/api/v1/statement?{query}")
            assert refused.status_code == 409, refused.text
            assert "signed" in refused.json()["errorMessage"] or "account zone" in refused.json()["errorMessage"]


async def test_statement_of_a_service_without_a_key_is_not_signed(tmp_path: Path) -> None:
    async with used_estate(f"sqlite:///{tmp_path}/usage.db") as estate:
        await use(estate)
        found = await answer(estate, f"statement?{OF_DAY}", SignedStatement)
        assert found.signature is None
        assert parse(found.statement.encode()).key is None


async def test_restore_from_an_older_backup_shows_as_a_fork(tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    async with used_estate(sqlite_url(tmp_path / "usage.db"), statement_key=KEY) as estate:
        agents = await use(estate)
        await asyncio.to_thread(back_up, sqlite_url(tmp_path / "usage.db"), backup, lambda *_: None)
        await close_next_day(estate, agents)
        _, _, statement = await signed(estate, f"from={NEXT_DAY}&to={NEXT_DAY}&tz=UTC")
    restored = sqlite_url(tmp_path / "restored.db")
    restore(restored, backup, lambda *_: None)
    async with used_estate(restored, NOON + 19 * HOUR, statement_key=KEY) as estate:
        rows = await whole_chain(estate)
        held = check_service(statement, "it", statement.service, rows, [])
        assert (held.verdict, "has no entry" in held.text) == ("fails", True)
        again = [ReportingAgent(estate, name, life=f"{name}.2") for name in ("edge-1", "origin-1")]
        for agent in again:
            agent.watermark = NOON + 19 * HOUR
            await agent.begin()
        await close_next_day(estate, again, 2 * HOUR)
        held = check_service(statement, "it", statement.service, await whole_chain(estate), [])
        assert (held.verdict, "has another entry" in held.text) == ("fails", True)
        _, _, other = await signed(estate, f"from={NEXT_DAY}&to={NEXT_DAY}&tz=UTC")
        assert [finding.verdict for finding in check_fork([("before", statement), ("after", other)])] == ["fails"]


async def test_changed_figures_are_not_signed(store_url: str) -> None:
    async with used_estate(store_url, statement_key=KEY) as estate:
        await use(estate)

        def change(connection: Connection) -> None:
            figures = connection.execute(select(closed_days.c.figures).where(closed_days.c.revision == 1)).scalar_one()
            raised = bytes(figures).replace(b'"bytes_out":1', b'"bytes_out":9')
            assert raised != bytes(figures)
            connection.execute(update(closed_days).where(closed_days.c.revision == 1).values(figures=raised))

        await estate.running.service.write(change)
        refused = await estate.request("GET", f"/api/v1/statement?{OF_DAY}")
        assert refused.status_code == 503
        assert "are not those that were closed" in refused.json()["errorMessage"]


async def test_statement_and_corrections_read_no_table_as_a_whole(store_url: str) -> None:
    async with used_estate(store_url, statement_key=KEY) as estate:
        await use(estate)
        await change(estate, "/approve", id=1)
        plans = Plans()
        day = date.fromisoformat(DAY)
        with estate.running.service.store.reading() as connection, recorded_plans(connection, plans):
            compose_statement(connection, day, day, UTC, None, ["UTC"], None, MIDNIGHT_AFTER_NEXT)
            list_corrections(connection, UTC, day, day, None, NOON)
            approved_by_day(connection, UTC, day, day, ["edge-1"])
        assert not plans.scans.keys() & {"closed_days", "chain", "corrections"}, plans.scans
