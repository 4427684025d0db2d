"""Figures by customer: in open days by the present rules, in closed days by those of the closing, and only to whom they
are shown.
"""

from contextlib import closing
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, text, update

from streamusage.api.daily import DayDifference
from streamusage.api.evidence import Correction, CorrectionResult, Corrections
from streamusage.api.report import SlotRow, StreamSlotRow
from streamusage.evidence.keys import new_key
from streamusage.evidence.statement import Statement
from streamusage.evidence.verification import is_proven, verify
from streamusage.service.accounting.corrections import ApprovalPolicy, ApprovalRule
from streamusage.service.rules.customers import CustomerRules, DatedRule
from streamusage.service.store.schema import closed_days, customer_rules
from streamusage.service.store.store import open_store
from streamusage.service.tokens import Identity, Tokens, digest_of
from tests.streamusage.service import conftest
from tests.streamusage.service.conftest import Estate
from tests.support.service.parties.reporting import ReportingAgent
from tests.support.service.statements import find_differences, read_statement
from tests.support.service.used_store import settle, used_estate

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = "2026-11-20"
NEXT_DAY = "2026-11-21"
MIDNIGHT = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp() * 1000)
REST, NOBODY = "not by stream", "no customer"
KEY = new_key()


def acme(*streams: str, **days: date) -> DatedRule:
    return DatedRule(name="Acme", streams=streams, **days)


def beta(*streams: str, **days: date) -> DatedRule:
    return DatedRule(name="Beta", streams=streams, **days)


def minute_of(slot: int, rest: int = 0, **streams: int) -> list[SlotRow | StreamSlotRow]:
    """Return a minute with the outgoing bytes of streams, each with a viewer, and those that are not by stream."""
    whole = {"bytes_out": rest + sum(streams.values()), "view_time_ms": 7 * len(streams)}
    return [
        SlotRow(slot=slot, revision=0, connections={"rtmp": len(streams)}, **whole),
        *(
            StreamSlotRow(slot=slot, scope="live", name=name, revision=0, bytes_out=sent, connections=1, view_time_ms=7)
            for name, sent in streams.items()
        ),
    ]


async def report_day(estate: Estate, agents: list[ReportingAgent], day: int = 0, **streams: int) -> None:
    """Report a minute of a day, with one byte that is not by stream, and the time until the day is closed."""
    slot = MIDNIGHT + day * 24 * HOUR + 12 * HOUR
    for at, rows in ((slot + 10_000, minute_of(slot, 1, **streams)), (slot + 13 * HOUR, [])):
        estate.clock.now = at
        for agent in agents:
            await agent.sync_up(*rows)
    await settle(estate)


def agents_of(estate: Estate, *servers: str) -> list[ReportingAgent]:
    agents = [ReportingAgent(estate, name, life=f"{name}.1") for name in servers]
    for agent in agents:
        agent.watermark = MIDNIGHT + 12 * HOUR
    return agents


def sending(store_url: str, *rules: DatedRule, **options: object) -> Any:
    """Return an estate with customers whose clock begins at noon of the day."""
    return used_estate(store_url, MIDNIGHT + 12 * HOUR, customers=CustomerRules(rules), statement_key=KEY, **options)


async def by_customer(
    estate: Estate, first: str = DAY, last: str = DAY, more: str = "", token: str = "admin-token"
) -> dict[str, dict[str, Any]]:
    path = f"/api/v1/daily/sums?from={first}&to={last}&by=month&group=customer{more}"
    answer = await estate.request("GET", path, token=token)
    assert answer.status_code == 200, answer.text
    return {row["group"]: row for row in answer.json()["sums"]}


def sent(rows: dict[str, dict[str, Any]]) -> dict[str, int]:
    return {name: row["bytes_out"] for name, row in rows.items()}


async def statement(estate: Estate, first: str = DAY, last: str = DAY) -> tuple[bytes, bytes, Statement]:
    return await read_statement(estate, first, last)


def differences(store_url: str) -> set[tuple[str, str]]:
    return find_differences(store_url, MIDNIGHT + 100 * HOUR)


async def test_customers_and_the_rest_sum_to_the_servers(store_url: str) -> None:
    async with sending(store_url, acme("live/a*"), beta("live/b")) as estate:
        agents = agents_of(estate, "edge-1", "edge-2")
        for agent in agents:
            estate.clock.now += 10_000
            await agent.sync_up(*minute_of(MIDNIGHT + 12 * HOUR, 1, a1=10, a2=20, b=40, c=80))
        found = await by_customer(estate)
        assert sent(found) == {"Acme": 60, "Beta": 80, NOBODY: 160, REST: 2}
        assert list(found) == ["Acme", "Beta", NOBODY, REST]
        row = found["Acme"]
        assert (row["connections"], row["view_time_ms"], row["average_view_time_ms"]) == (4, 28, 7)
        assert (row["peak_out_bps"], row["servers"], row["traffic"]) == (60 * 8_000 // MINUTE, 2, "measured")
        (whole,) = (await estate.request("GET", f"/api/v1/daily/sums?from={DAY}&to={DAY}&group=all")).json()["sums"]
        assert whole["bytes_out"] == sum(sent(found).values())


async def test_closed_day_keeps_the_customers_of_its_closing(store_url: str) -> None:
    async with sending(store_url, acme("live/a"), beta("live/b")) as estate:
        (agent,) = agents_of(estate, "edge-1")
        await report_day(estate, [agent], a=10, b=20)
        customers = estate.running.service.customers
        customers.replace_with(CustomerRules([acme("live/a", "live/b"), DatedRule(name="Gamma", scopes=("x",))]))
        estate.clock.now = MIDNIGHT + 36 * HOUR + 10_000
        await agent.sync_up(*minute_of(MIDNIGHT + 36 * HOUR, 0, a=1, b=2))
        found = await by_customer(estate)
        assert sent(found) == {"Acme": 10, "Beta": 20, REST: 1}
        assert sent(await by_customer(estate, NEXT_DAY, NEXT_DAY)) == {"Acme": 3}
    assert differences(store_url) == set()


async def test_late_report_adjusts_the_customers_of_the_closing(store_url: str) -> None:
    async with sending(store_url, acme("live/a"), beta("live/b")) as estate:
        (agent,) = agents_of(estate, "edge-1")
        await report_day(estate, [agent], a=10, b=20)
        estate.running.service.customers.replace_with(CustomerRules([beta("live/a", "live/b")]))
        await agent.sync_up(*minute_of(MIDNIGHT + 12 * HOUR, 5, a=40, b=20, c=3))
        found = await by_customer(estate)
        assert {name: row["adjustment"]["bytes_out"] for name, row in found.items()} == {
            "Acme": 30, "Beta": 0, NOBODY: 3, REST: 4,
        }  # fmt: skip
    assert differences(store_url) == set()


async def test_day_that_was_closed_without_rules_has_no_customers(store_url: str) -> None:
    async with sending(store_url) as estate:
        (agent,) = agents_of(estate, "edge-1")
        await report_day(estate, [agent], a=10)
        estate.running.service.customers.replace_with(CustomerRules([acme("live/a")]))
        assert sent(await by_customer(estate)) == {NOBODY: 10, REST: 1}
        _, _, found = await statement(estate)
        assert (found.customers, found.rules, found.days[0].customers) == (msgspec.UNSET,) * 3


async def test_statement_has_the_customers_of_each_day_and_the_rules_that_made_them(store_url: str) -> None:
    changed = [
        acme("live/a", last_day=date(2026, 11, 20)),
        beta("live/b"),
        beta("live/a", first_day=date(2026, 11, 21)),
    ]
    async with sending(store_url, *changed) as estate:
        agents = agents_of(estate, "edge-1", "edge-2")
        await report_day(estate, agents, a=10, b=20, c=5)
        await report_day(estate, agents, 1, a=100, b=200)
        content, signature, found = await statement(estate, DAY, NEXT_DAY)
        assert is_proven(found, verify(content, found, signature, KEY.public, estate.clock.now))
        assert found.customers is not msgspec.UNSET
        assert {row.customer: (row.closed.bytes_out, row.due.connections) for row in found.customers} == {
            "Acme": (20, 2), "Beta": (640, 6), None: (10, 2),
        }  # fmt: skip
        assert found.rules is not msgspec.UNSET
        assert len(found.rules) == 2
        assert sent(await by_customer(estate, DAY, NEXT_DAY)) == {"Acme": 20, "Beta": 640, NOBODY: 10, REST: 4}
        assert (await statement(estate, DAY, NEXT_DAY))[0] == content


async def test_corrections_are_divided_by_the_rules_of_the_closing(store_url: str) -> None:
    policy = ApprovalPolicy(ApprovalRule.NONE)
    async with sending(store_url, acme("live/a"), beta("live/b"), approval=policy) as estate:
        (agent,) = agents_of(estate, "edge-1")
        await report_day(estate, [agent], a=10, b=20)
        estate.running.service.customers.replace_with(CustomerRules([beta("live/a", "live/b", "live/c")]))
        await agent.sync_up(*minute_of(MIDNIGHT + 12 * HOUR, 5, a=40, b=20, c=3))
        await settle(estate)
        (first,) = await corrections(estate)
        assert divided(first) == {"Acme": 30, None: 3}
        assert first.difference.bytes_out == 37, "four more are not by stream"
        await agent.sync_up(*minute_of(MIDNIGHT + 12 * HOUR, 0, a=40, b=28, c=3))
        await settle(estate)
        _, second = await corrections(estate)
        assert divided(second) == {"Beta": 8}
        assert second.difference.bytes_out == 3, "five that were not by stream are now"
        answer = await estate.request(
            "POST", "/api/v1/corrections/reverse", json={"id": first.id, "reason": "not agreed"}
        )
        reversal = msgspec.json.decode(answer.content, type=CorrectionResult).correction
        assert divided(reversal) == {"Acme": -30, None: -3}
        answer = await estate.request(
            "POST",
            "/api/v1/corrections",
            json={"day": DAY, "tz": "UTC", "server": "edge-1", "reason": "agreed after all"},
        )
        again = msgspec.json.decode(answer.content, type=CorrectionResult).correction
        assert (divided(again), again.difference) == (divided(first), first.difference)
        estate.clock.now = MIDNIGHT + 50 * HOUR
        await agent.sync_up()
        await settle(estate)
        content, signature, found = await statement(estate, DAY, NEXT_DAY)
        assert is_proven(found, verify(content, found, signature, KEY.public, estate.clock.now))
        assert found.customers is not msgspec.UNSET
        assert {row.customer: (row.closed.bytes_out, row.corrections.bytes_out) for row in found.customers} == {
            "Acme": (10, 30), "Beta": (20, 8), None: (0, 3),
        }  # fmt: skip
        assert {row.customer: row.due.bytes_out for row in found.customers} == {"Acme": 40, "Beta": 28, None: 3}
    assert differences(store_url) == set()


async def test_bytes_that_move_between_customers_are_a_correction_of_nothing_in_total(store_url: str) -> None:
    async with sending(store_url, acme("live/a"), beta("live/b")) as estate:
        (agent,) = agents_of(estate, "edge-1")
        await report_day(estate, [agent], a=10, b=20)
        await agent.sync_up(*minute_of(MIDNIGHT + 12 * HOUR, 1, a=20, b=10))
        await settle(estate)
        found = await corrections(estate)
        assert [(divided(row), row.difference) for row in found] == [({"Acme": 10, "Beta": -10}, DayDifference())]


async def corrections(estate: Estate) -> list[Correction]:
    answer = await estate.request("GET", f"/api/v1/corrections?from={DAY}&to={DAY}&tz=UTC")
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=Corrections).corrections


def divided(correction: Correction) -> dict[str | None, int]:
    assert correction.customers is not msgspec.UNSET
    return {row.customer: row.bytes_out for row in correction.customers}


async def test_every_change_of_closed_customers_is_found(store_url: str) -> None:
    async with sending(store_url, acme("live/a")) as estate:
        await report_day(estate, agents_of(estate, "edge-1"), a=10)
    with closing(open_store(store_url, 0)) as store, store.reading() as connection:
        (stored,) = connection.execute(text("SELECT customers FROM closed_days")).scalars().all()
    raised = bytes(stored).replace(b'"bytes_out":10,', b'"bytes_out":11,')
    for values, expected in (
        ({"customers": raised}, {"closed_days", "chain"}),
        ({"customers": None}, {"closed_days", "chain"}),
        ({"customers": b"{}"}, {"closed_days"}),
    ):
        change(store_url, update(closed_days).values(**values))
        assert {table for table, _ in differences(store_url)} == expected, values
    change(store_url, update(closed_days).values(customers=stored))
    assert differences(store_url) == set()
    change(store_url, update(customer_rules).values(rules=b"[]"))
    assert {table for table, _ in differences(store_url)} == {"customer_rules"}
    change(store_url, delete(customer_rules))
    assert {what for _, what in differences(store_url)} == {"the rules of its customers are missing"}
    async with used_estate(store_url, MIDNIGHT + 25 * HOUR) as estate:
        answer = await estate.request("GET", f"/api/v1/statement?from={DAY}&to={DAY}&tz=UTC")
        assert answer.status_code == 503
        assert "are not stored as they were when days were closed by them; nothing was signed" in answer.text


def change(store_url: str, statement: Any) -> None:
    with closing(open_store(store_url, 0)) as store, store.writing() as connection, connection.begin():
        connection.execute(statement)


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> str:
    """The token of a viewer who may read the figures of Acme only."""
    identities = {
        digest_of("admin-token"): Identity("boss", "admin"),
        digest_of("edge-1-token"): Identity("edge-1", "agent", "edge-1"),
        digest_of("acme-token"): Identity("acme", "viewer", None, "Acme"),
    }
    monkeypatch.setattr(conftest, "TOKENS", Tokens(identities))
    return "acme-token"


async def test_token_of_a_customer_reads_its_own_figures_only(store_url: str, limited: str) -> None:
    async with sending(store_url, acme("live/a"), beta("live/b")) as estate:
        (agent,) = agents_of(estate, "edge-1")
        estate.clock.now += 10_000
        await agent.sync_up(*minute_of(MIDNIGHT + 12 * HOUR, 1, a=10, b=20))
        assert sent(await by_customer(estate, token=limited)) == {"Acme": 10}
        assert sent(await by_customer(estate, more="&customer=Acme", token=limited)) == {"Acme": 10}
        of_day = f"from={DAY}&to={DAY}"
        rows = await estate.request("GET", f"/api/v1/daily/sums?{of_day}&group=stream", token=limited)
        assert [row["group"] for row in rows.json()["sums"]] == ["live/a"]
        for path in (
            f"daily/sums?{of_day}&group=customer&customer=Beta", f"daily/sums?{of_day}&group=all",
            f"daily/sums?{of_day}&group=server", f"daily?{of_day}", f"statement?{of_day}", "changes", "servers",
            f"adjustments?{of_day}", f"corrections?{of_day}", f"coverage?from={MIDNIGHT}&to={MIDNIGHT + HOUR}",
        ):  # fmt: skip
            refused = await estate.request("GET", f"/api/v1/{path}", token=limited)
            assert refused.status_code == 403, path
            assert "Acme" in refused.text, path
            assert "Beta" not in refused.text, path
        documented = await estate.usage(query=f"accessToken={limited}")
        assert documented.status_code == 400


async def test_one_customer_alone_is_asked_for_by_name(store_url: str) -> None:
    async with sending(store_url, acme("live/a", "live/c"), beta("live/b")) as estate:
        (agent,) = agents_of(estate, "edge-1")
        estate.clock.now += 10_000
        await agent.sync_up(*minute_of(MIDNIGHT + 12 * HOUR, 1, a=10, b=20, c=30))
        assert sent(await by_customer(estate, more="&customer=Acme")) == {"Acme": 40}
        assert await by_customer(estate, more="&customer=Nobody") == {}
        refused = await estate.request("GET", f"/api/v1/daily/sums?from={DAY}&to={DAY}&group=all&customer=Acme")
        assert (refused.status_code, "by stream, scope, customer" in refused.text) == (400, True)
