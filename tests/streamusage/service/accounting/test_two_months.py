"""Two months of a scripted estate in two time zones: every figure, statement and export equals the plain model.

The script has outages, time that is lost or partial, late data before and after the closing, days that an operator
closes, a server that is found late, corrections that are proposed, approved and reversed, and customers whose rules
change. Berlin's 25 October has 25 hours.
"""

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import date
from pathlib import Path
from random import Random

import pytest

from streamusage.client.usage_client import UsageClient
from streamusage.core.days import zone
from streamusage.evidence.keys import new_key
from streamusage.evidence.statement import NotStatementError, parse
from streamusage.evidence.verification import is_proven, verify
from streamusage.service.accounting.checks.verification import verify_store
from streamusage.service.rules.cross_checks import Threshold
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.store import open_store
from streamusage.service.tokens import Identity, Tokens, digest_of
from tests.streamusage.service import conftest
from tests.streamusage.service.conftest import Estate, OwnedClock, an_estate
from tests.support.commands.run_command import run_command
from tests.support.postgresql import Cluster
from tests.support.program import Program
from tests.support.service.two_months.checks import Checks
from tests.support.service.two_months.forgeries import changed_bytes, list_forgeries
from tests.support.service.two_months.plain_model import PlainEstate, by_day
from tests.support.service.two_months.plain_rules import PlainRule
from tests.support.service.two_months.script import (
    FIRST_SERVERS,
    LATE_AFTER_MS,
    ROLES,
    SETTLE_MS,
    ZONES,
    Script,
    at,
    product_rules,
)

KEY = new_key()
BERLIN, KOLKATA = ZONES
RULES = (
    PlainRule("Acme", scopes=("acme", "acme/*")),
    PlainRule("Beta", streams=("live/match-*", "beta/50%25*"), last_day=date(2026, 9, 20)),
    PlainRule("Gamma", streams=("live/match-*",), first_day=date(2026, 9, 21)),
)
CHANGED_RULES = (
    PlainRule("Acme", scopes=("acme",)),
    PlainRule("Beta", scopes=("beta",), streams=("live/match-2",)),
    PlainRule("Gamma", streams=("live/match-1",), last_day=date(2026, 10, 19)),
    PlainRule("Delta", streams=("acme/eu/a%2Fb", "gamma/*")),
    PlainRule("Epsilon", streams=("live/match-1", "live/news"), first_day=date(2026, 10, 20)),
)
OTHER_RULES = (PlainRule("Other", scopes=("live", "acme", "acme/*", "beta", "gamma")),)
SEPTEMBER = date(2026, 9, 1), date(2026, 9, 30)
OCTOBER = date(2026, 10, 1), date(2026, 10, 31)
WEEKS = date(2026, 10, 8), date(2026, 10, 22)
"""Days with gaps, days that an operator closed, corrections, and both sets of rules."""
CROSS_CHECK = Threshold() if os.environ.get("STREAMTOP_COMPARES_HOURS") == "1" else Threshold(0)
"""Cross-checks of all hours take a third of the time, and find nothing: the script reports no samples."""


@pytest.fixture(autouse=True)
def tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {digest_of(f"{name}-token"): Identity(name, "agent", name) for name in ROLES}
    known |= {digest_of("admin-token"): Identity("boss", "admin")}
    known |= {digest_of("second-admin-token"): Identity("controller", "admin")}
    monkeypatch.setattr(conftest, "TOKENS", Tokens(known))


@asynccontextmanager
async def serving(store_url: str, now: int, rules: tuple[PlainRule, ...]) -> AsyncIterator[Estate]:
    """Run the service from that time on, with its customers file."""
    clock = OwnedClock()
    clock.now = now
    zones = [zone(name) for name in ZONES]
    options = {"account_zones": zones, "close_settle_ms": SETTLE_MS, "statement_key": KEY, "cross_check": CROSS_CHECK}
    async with an_estate(Path(), clock, store_url, customers=product_rules(rules), **options) as estate:
        yield estate


class Timeline:
    """The events of the script, by the time after which they happen."""

    def __init__(self, script: Script, client: UsageClient, second: UsageClient, checks: Checks) -> None:
        self.script, self.client, self.second, self.checks = script, client, second, checks
        self.events: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (at(9, 14, 7), self._leave("edge-2")),
            (at(9, 16, 7), self._check(9, 12, 16)),
            (at(9, 17, 23, 1), self._return("edge-2")),
            (at(9, 20, 7), self.approve_some),
            (at(9, 22, 7), self._lose("edge-1", "partial")),
            (at(10, 3, 7), self._lose("origin-1", "lost")),
            (at(10, 5, 7), self.approve_some),
            (at(10, 6, 7), self.reverse_and_propose_again),
            (at(10, 8, 18, 31), self._leave("edge-1")),
            (at(10, 11, 7), self.close_days_of_a_server_that_is_away),
            (at(10, 11, 18, 31), self.change_rules),
            (at(10, 12, 7), self._check(10, 7, 12)),
            (at(10, 12, 23, 1), self._return("edge-1")),
            (at(10, 15, 7), self.find_a_server_late),
            (at(10, 20, 7), self.approve_some),
            (at(10, 24, 22), self._leave("edge-2")),
            (at(10, 25, 22), self._check(10, 23, 25)),
            (at(10, 25, 23, 1), self._return("edge-2")),
            (at(10, 28, 7), self.approve_some),
            (at(10, 29, 7), self.reverse_and_propose_again),
        ]

    async def run(self, end: int) -> None:
        """Run the script with the events up to a time."""
        for when, event in self.events:
            if self.script.plain.now <= when < end:
                await self.script.run_until(when)
                await event()
        await self.script.run_until(end)

    def _leave(self, name: str) -> Callable[[], Awaitable[None]]:
        async def leave() -> None:
            self.script.away.add(name)

        return leave

    def _return(self, name: str) -> Callable[[], Awaitable[None]]:
        async def come_back() -> None:
            self.script.away.discard(name)

        return come_back

    def _lose(self, name: str, state: str) -> Callable[[], Awaitable[None]]:
        async def lose() -> None:
            self.script.loses[name] = state

        return lose

    def _check(self, month: int, first: int, last: int) -> Callable[[], Awaitable[None]]:
        async def check() -> None:
            await self.checks.sums(date(2026, month, first), date(2026, month, last))

        return check

    async def approve_some(self) -> None:
        for correction in [row for row in self.script.plain.corrections if row.approved_at is None][:6]:
            await self.script.approve(self.client, correction)

    async def reverse_and_propose_again(self) -> None:
        known = self.script.plain.corrections
        reversed_already = [row.reverses for row in known]
        approved = [
            row for row in known if row.approved_at is not None and row.reverses is None and row not in reversed_already
        ]
        for correction in approved[:2]:
            await self.script.reverse(self.client, self.second, correction)
        again = await self.script.propose(self.client, approved[0])
        await self.script.approve(self.second, again)

    async def close_days_of_a_server_that_is_away(self) -> None:
        for name in ZONES:
            for day in (date(2026, 10, 8), date(2026, 10, 9)):
                await self.script.close_by_operator(name, day, "edge-1")

    async def change_rules(self) -> None:
        self.script.change_rules(CHANGED_RULES)

    async def find_a_server_late(self) -> None:
        self.script.add_server("edge-3", at(10, 9, 12))


class Run:
    """A script that runs against a store, also over restarts of the service."""

    def __init__(self, store_url: str, seed: int, begin: int) -> None:
        self.store_url, self.seed = store_url, seed
        self.plain = PlainEstate(ZONES, begin, LATE_AFTER_MS, SETTLE_MS)
        self.plain.rules = RULES
        self.script: Script | None = None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Timeline]:
        """Run the service with the present rules, and yield the script."""
        async with (
            serving(self.store_url, self.plain.now, self.plain.rules) as estate,
            UsageClient(estate.running.url, "admin-token", clock=estate.clock) as client,
            UsageClient(estate.running.url, "second-admin-token", clock=estate.clock) as second,
        ):
            if self.script is None:
                self.script = Script(estate, self.plain, self.seed)
                for name in FIRST_SERVERS:
                    self.script.add_server(name, self.plain.now)
            else:
                self.script.continue_with(estate)
            yield Timeline(self.script, client, second, Checks(self.plain, client))


def check_refusals(exported: dict[str, bytes], changes: int) -> None:
    """Check that a statement is proven by the key, and that nothing else is: no changed byte, and no forgery."""
    seed = secrets.randbelow(2**32)
    print(f"changed bytes of seed {seed}")
    content, signature = exported["json"], exported["signature"]
    now = parse(content).period.to_ms + 1

    def is_accepted(content: bytes, signature: bytes | None) -> bool:
        try:
            statement = parse(content)
        except NotStatementError:
            return False
        return is_proven(statement, verify(content, statement, signature, KEY.public, now))

    assert is_accepted(content, signature)
    for what, changed in changed_bytes(content, Random(seed), changes):
        assert not is_accepted(changed, signature), f"seed {seed}: {what}"
    for place, mask in enumerate(Random(seed).choices(range(1, 256), k=len(signature))):
        other = signature[:place] + bytes([signature[place] ^ mask]) + signature[place + 1 :]
        assert not is_accepted(content, other), f"seed {seed}: byte {place} of the signature ^ {mask}"
    for forgery in list_forgeries(content, signature, new_key()):
        assert not is_accepted(forgery.content, forgery.signature), forgery.name


def check_store(store_url: str, now: int) -> None:
    with closing(open_store(store_url, 0)) as store:
        results = list(verify_store(store, now, lambda _what, _done, _total: None))
    assert [one for result in results for one in result.differences] == []


def check_that_all_happened(plain: PlainEstate, zone_name: str, first: date, last: date) -> None:
    """Check that the script had what it is there for."""
    servers = [of_server for _, found in by_day(plain, zone_name, first, last) for of_server in found.values()]
    rules = {of_server.closing.rule for of_server in servers if of_server.closing is not None}
    assert rules == {"watermark", "operator", "late"}
    covered = {state for of_server in servers for state, length in of_server.coverage.items() if length}
    assert covered == {"live", "backfilled", "partial", "missing", "lost"}
    assert {of_server.state for of_server in servers} >= {"final", "adjusted"}
    assert any(part.is_late for of_server in servers for part in of_server.parts)
    assert any(row.reverses and row.approved_at for row in plain.corrections)
    assert any(row.approved_at is None for row in plain.corrections)
    used = {of_server.closing.rules for of_server in servers if of_server.closing is not None}
    assert used == {RULES, CHANGED_RULES}


async def test_every_figure_of_two_months_equals_the_truth_and_every_export_reproduces(
    tmp_path: Path, streamtop: Program
) -> None:
    run = Run(sqlite_url(tmp_path / "usage.db"), 17, at(9, 1))
    whole = SEPTEMBER[0], date(2026, 11, 3)
    exported: dict[tuple[str, tuple[date, date]], dict[str, bytes]] = {}
    async with run.serving() as timeline:
        await timeline.run(at(10, 2))
        for name in ZONES:
            exported[name, SEPTEMBER] = await timeline.checks.exports(name, *SEPTEMBER)
        await timeline.run(at(10, 20))
    async with run.serving() as timeline:
        await timeline.run(at(11, 3, 12))
        for name in ZONES:
            for period in (OCTOBER, WEEKS):
                exported[name, period] = await timeline.checks.exports(name, *period)
        await timeline.checks.sums(*whole)
        await timeline.checks.days(*whole)
        await timeline.checks.corrections(*whole)
        await timeline.approve_some()
    check_that_all_happened(run.plain, BERLIN, *whole)
    run.plain.rules = OTHER_RULES
    async with run.serving() as timeline:
        timeline.script.raise_share = 0.9  # nearly each report adds to a closed day
        await timeline.run(at(11, 5, 12))
        for (name, period), files in exported.items():
            assert await timeline.checks.exports(name, *period) == files, (name, period)
        for name in ZONES:  # in which corrections of earlier days were approved
            await timeline.checks.statement(name, date(2026, 11, 1), date(2026, 11, 3))
        await timeline.checks.days(*whole)
        await timeline.checks.corrections(*whole)
        await timeline.checks.sums(date(2026, 10, 29), date(2026, 11, 5))
        await check_commands(tmp_path, streamtop, timeline.script.estate, exported[BERLIN, OCTOBER])
        assert all(timeline.script.happened[what] for what in ("raised minutes", "moved to a stream"))
    assert any(row.customers and not any(row.amount) for row in run.plain.corrections)
    check_store(run.store_url, run.plain.now)
    check_refusals(exported[KOLKATA, WEEKS], 50)


async def check_commands(tmp_path: Path, streamtop: Program, estate: Estate, expected: dict[str, bytes]) -> None:
    """Check that the commands write the same bytes, and refuse a changed file."""
    period = ("--from", str(OCTOBER[0]), "--to", str(OCTOBER[1]), "--tz", BERLIN)
    for form, content in expected.items():
        if form != "signature":
            path = tmp_path / f"october.{form}"
            ended = await run_command(estate, streamtop, "daily", "export", *period, "--format", form, "-o", str(path))
            assert (ended.code, path.read_bytes() == content) == (0, True), (form, ended.err)
    statement, public = tmp_path / "october.json", tmp_path / "statement.pub"
    assert statement.with_name("october.json.sig").read_bytes() == expected["signature"]
    public.write_text(KEY.public.to_pem())
    verifying = ("daily", "verify", str(statement), "--key", str(public), "--online")
    ended = await run_command(estate, streamtop, *verifying)
    assert (ended.code, [line.split()[0] for line in ended.out.splitlines()]) == (0, ["holds"] * 5), ended.out
    statement.write_bytes(statement.read_bytes().replace(b'"bytes_out":1', b'"bytes_out":2', 1))
    assert (await run_command(estate, streamtop, *verifying)).code == 4


@pytest.mark.postgresql
async def test_every_figure_of_some_weeks_equals_the_truth_on_postgresql(postgresql: Cluster) -> None:
    whole = date(2026, 10, 7), date(2026, 10, 26)
    with postgresql.database() as store_url:
        run = Run(store_url, 18, at(10, 7))
        async with run.serving() as timeline:
            await timeline.run(at(10, 26, 7))
            exported = {name: await timeline.checks.exports(name, *WEEKS) for name in ZONES}
            await timeline.checks.sums(*whole)
        run.plain.rules = OTHER_RULES
        async with run.serving() as timeline:
            timeline.script.raise_share = 0.9
            await timeline.run(at(10, 27, 7))
            assert {name: await timeline.checks.exports(name, *WEEKS) for name in ZONES} == exported
            await timeline.checks.sums(*whole)
            await timeline.checks.days(*whole)
            await timeline.checks.corrections(*whole)
        check_store(run.store_url, run.plain.now)
    check_refusals(exported[KOLKATA], 20)
