"""The service's clock, with a real service on a real port: what a doubt stops, what continues, and how it ends."""

import asyncio
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import Connection, func, select

from streamusage.api.report import MachineClock, Report, SampleRow, SlotRow
from streamusage.service.accounting.ledger import set_closed_until
from streamusage.service.retention import DAY_MS
from streamusage.service.store.clock_rows import accept_time, load_clocks
from streamusage.service.store.schema import closed_days, metadata, servers, usage
from streamusage.service.tokens import Identity, Tokens, digest_of
from streamusage.service.trusted_clock import TrustedClock
from tests.streamusage.service import conftest
from tests.streamusage.service.conftest import NOW, Estate, a_record
from tests.support.postgresql import Cluster
from tests.support.service.answers import fetch_servers
from tests.support.service.held_write import HeldWrite
from tests.support.service.machine_clocks import ServiceMachine
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tests.support.waiting import wait_until

MINUTE = 60_000
YEAR = 365 * DAY_MS
LOGGER = "streamusage.service"


@pytest.fixture
def machine(tmp_path: Path, store_url: str) -> ServiceMachine:
    return ServiceMachine(tmp_path, store_url)


def trusted(estate: Estate) -> TrustedClock:
    return estate.running.service.clock


async def until_doubt(estate: Estate, *, ends: bool = False) -> None:
    await wait_until(lambda: (trusted(estate).state.doubt is None) is ends, "the doubt began or ended")


async def count_rows(estate: Estate, table: Any) -> int:
    return await estate.running.service.read(
        lambda connection: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
    )


async def read_store(estate: Estate) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of the store, except the service's clock, the fact that a server's clock is refused, and the
    summing and comparing of hours and days, which are jobs of their own."""

    def read(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
        left_out = {"clocks", "lives", "utc_days", "unchecked_hours"}
        refusal = {servers.c.clock_refused_at, servers.c.clock_refused_by_ms}
        summing = {servers.c.summed_to, servers.c.days_summed_to}
        return {
            table.name: sorted(
                (
                    tuple(row)
                    for row in connection.execute(
                        select(*(column for column in table.c if column not in refusal | summing))
                    )
                    if not str(row[0]).startswith("clock refused ")
                ),
                key=repr,
            )
            for table in metadata.sorted_tables
            if table.name not in left_out
        }

    return await estate.running.service.read(read)


def lines_of(caplog: pytest.LogCaptureFixture, part: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if part in record.getMessage()]


async def test_service_that_is_a_year_ahead_for_20_s_files_and_closes_nothing_wrongly(
    machine: ServiceMachine, caplog: pytest.LogCaptureFixture
) -> None:
    async with machine.service() as estate:
        clock = machine.clock
        agent = ReportingAgent(estate, "edge-1")
        clock.now += 10_000
        await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_out=5))
        clock.off_ms = YEAR
        await until_doubt(estate)
        for _ in range(2):
            clock.now += 10_000
            sent = agent.report(SlotRow(slot=NOW, revision=0, bytes_out=7))
            answer = await agent.send(sent)
            assert answer.status_code == 200, "reports are accepted in doubt"
            assert (answer.json()["now"], answer.json()["clock"]) == (clock.now, "doubtful")
            assert answer.headers["date"] == datetime.fromtimestamp(clock.now // 1000, UTC).strftime(
                "%a, %d %b %Y %H:%M:%S GMT"
            )
        ready = await estate.request("GET", "/readyz", None)
        assert (ready.status_code, ready.json()["clock"]) == (200, "doubtful")
        assert "365 d ahead of trusted time" in ready.json()["message"]
        metrics = (await estate.request("GET", "/metrics")).text
        assert "streamtop_clock_doubtful 1.0" in metrics
        assert "streamtop_clock_wall_minus_trusted_seconds 3.1536e+07" in metrics
        listed = (await estate.request("GET", "/api/v1/servers")).json()
        assert (listed["now"], listed["clock"]["state"], listed["clock"]["cause"]) == (clock.now, "doubtful", "step")
        clock.off_ms = 0
        await until_doubt(estate, ends=True)
        clock.now += 10_000
        answer = await agent.send(agent.report())
        assert "clock" not in answer.json(), "a trusted clock is not mentioned"
        assert (await estate.request("GET", "/readyz", None)).json() == {
            "status": "ready", "now": clock.now, "clock": "trusted",
        }  # fmt: skip
        assert "streamtop_clock_doubtful 0.0" in (await estate.request("GET", "/metrics")).text
        assert await count_rows(estate, closed_days) == 0
        (span,) = (await estate.request("GET", f"/api/v1/coverage?from={NOW}&to={clock.now}")).json()["servers"][0][
            "spans"
        ]
        assert (span["from"], span["to"], span["state"]) == (NOW, clock.now, "live")
    assert len(lines_of(caplog, "the clock of the service is in doubt: ")) == 1
    assert lines_of(caplog, "is trusted again after 20 s: the wall clock is back")


@pytest.mark.parametrize("begins", ["while it runs", "at a start", "at a reboot"])
async def test_service_that_is_500_days_ahead_for_150_s_discards_nothing(
    machine: ServiceMachine, begins: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with machine.service() as estate:
        await estate.import_records(a_record("kept"))
        agent = ReportingAgent(estate, "edge-1")
        machine.clock.now += 40_000
        await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_out=5), a_session(live=False, active=0))
        await wait_until(lambda: load_first_clock(estate, machine.clock.now - 10_000), "trusted time is stored")
        if begins == "while it runs":
            machine.clock.off_ms = 500 * DAY_MS
            await run_150_s(estate, machine)
    if begins != "while it runs":
        if begins == "at a reboot":
            machine.reboot(500 * DAY_MS)
        machine.clock.off_ms = 500 * DAY_MS
        async with machine.service() as estate:
            await run_150_s(estate, machine)
    assert len(lines_of(caplog, "retention discarded nothing; due are no rows")) == 1
    assert not lines_of(caplog, "retention discarded 1")


async def run_150_s(estate: Estate, machine: ServiceMachine) -> None:
    await until_doubt(estate)
    for _ in range(15):
        machine.clock.now += 10_000
        await asyncio.sleep(0.03)
    assert len(await estate.records()) == 2
    assert (await estate.request("GET", "/api/v1/daily?from=2026-11-18&to=2026-11-18")).json()["days"]
    assert await count_rows(estate, closed_days) == 0
    assert trusted(estate).now_ms() <= machine.clock.now


async def load_first_clock(estate: Estate, after_ms: int) -> bool:
    states = await estate.running.service.read(load_clocks)
    return bool(states) and states[-1].instant_ms >= after_ms


async def test_doubt_logs_what_retention_refuses_and_catches_up_when_it_ends(
    machine: ServiceMachine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    async with machine.service() as estate:
        await estate.import_records(a_record("old"))
        machine.clock.now += 7 * DAY_MS - 3_600_000
        machine.clock.off_ms = YEAR
        await until_doubt(estate)
        machine.clock.now += 2 * 3_600_000
        refused = "retention discarded nothing; due are 1 rows of usage from before 2026-11-18"

        def is_logged_later(part: str) -> bool:
            machine.clock.now += MINUTE  # a round of retention may have begun just before
            return bool(lines_of(caplog, part))

        await wait_until(lambda: is_logged_later(refused), "retention refused")
        assert len(await estate.records()) == 1
        machine.clock.off_ms = 0
        await until_doubt(estate, ends=True)
        discarded = "retention discarded 1 rows of usage"
        await wait_until(lambda: is_logged_later(discarded), "retention logs what it did")
        assert await estate.records() == []


async def test_import_only_estate_discards_and_closes(
    machine: ServiceMachine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    async with machine.service() as estate:
        await estate.import_records(a_record("old"))
        machine.clock.now += 7 * DAY_MS + 200_000

        async def is_empty() -> bool:
            return not await estate.records()

        await wait_until(is_empty, "the imported record was discarded")

        async def closed_to() -> int:
            answer = await estate.request("GET", "/api/v1/daily?from=2026-11-18&to=2026-11-18")
            return int(answer.json()["closed_to"] or 0)

        today = machine.clock.now // DAY_MS * DAY_MS

        async def is_closed() -> bool:
            return await closed_to() == today

        await wait_until(is_closed, "every day that is over is closed, and today is not")
        assert len(lines_of(caplog, "of UTC for 0 servers")) == 7


async def test_day_that_is_not_over_by_trusted_time_cannot_be_closed(machine: ServiceMachine) -> None:
    async with machine.service(close_grace_ms=0) as estate:
        agent = ReportingAgent(estate, "edge-1")
        machine.clock.now += 10_000
        await agent.sync_up()
        machine.clock.off_ms = YEAR
        await until_doubt(estate)
        before = await read_store(estate)
        for day in ("2026-11-18", "2027-11-17"):
            refused = await estate.request("POST", "/api/v1/days/close", json={"day": day})
            assert refused.status_code == 409
            assert "in doubt" in refused.json()["errorMessage"]
            assert "no day was closed" in refused.json()["errorMessage"]
        assert (await read_store(estate))["closed_days"] == before["closed_days"] == []
        daily = await estate.request("GET", "/api/v1/daily?from=2026-11-18&to=2026-11-18")
        assert daily.json()["clock"] == "doubtful"


async def test_nothing_closes_by_itself_in_doubt(machine: ServiceMachine, caplog: pytest.LogCaptureFixture) -> None:
    async with machine.service(close_settle_ms=0) as estate:
        agent = ReportingAgent(estate, "edge-1")
        machine.clock.now = NOW // DAY_MS * DAY_MS + DAY_MS - 3_600_000
        await agent.sync_up()
        machine.clock.off_ms = YEAR
        await until_doubt(estate)
        machine.clock.now += 2 * 3_600_000
        await agent.sync_up()
        await wait_until(
            lambda: lines_of(caplog, "no day was closed; due from 2026-11-18 of UTC on"), "closing refused"
        )
        assert await count_rows(estate, closed_days) == 0
        machine.clock.off_ms = 0

        async def is_closed() -> bool:
            return await count_rows(estate, closed_days) == 1

        await wait_until(is_closed, "the day closes when the doubt has ended")


async def test_service_in_1970_stores_nothing_from_the_future_and_recovers(machine: ServiceMachine) -> None:
    machine.clock.off_ms = -NOW
    async with machine.service() as estate:
        agent = ReportingAgent(estate, "edge-1")
        await agent.begin()
        machine.clock.now += 10_000
        report = agent.report(a_session())
        refused = await agent.send(report)
        assert (refused.status_code, refused.json()["reason"], refused.json()["clock"]) == (409, "clock", "doubtful")
        machine.clock.off_ms = 0
        await until_doubt(estate, ends=True)
        assert (await agent.send(report)).json()["reason"] == "clock", "its agent dates these rows again"
        accepted = await agent.send(with_another_revision(report))
        assert (accepted.status_code, accepted.json()["now"]) == (200, machine.clock.now)
        assert len(await estate.records()) == 1


async def test_restart_in_doubt_stays_in_doubt_with_the_same_trusted_time(machine: ServiceMachine) -> None:
    async with machine.service() as estate:
        machine.clock.off_ms = YEAR
        await until_doubt(estate)
        machine.clock.now += 10_000
        since = trusted(estate).status().since
        await wait_until(lambda: is_stored_in_doubt(estate), "the doubt is stored")
    machine.clock.now += 3 * DAY_MS
    async with machine.service() as estate:
        assert trusted(estate).now_ms() == machine.clock.now, "the boot clock continued"
        status = (await estate.request("GET", "/api/v1/servers")).json()["clock"]
        assert (status["state"], status["since"], status["wall_ahead_ms"]) == ("doubtful", since, YEAR)
    machine.reboot(YEAR)
    async with machine.service() as estate:
        assert trusted(estate).status().cause == "store"
        assert machine.clock.now - 5 * MINUTE <= trusted(estate).now_ms() <= machine.clock.now


async def is_stored_in_doubt(estate: Estate) -> bool:
    return any(state.doubt for state in await estate.running.service.read(load_clocks))


async def test_operator_accepts_the_wall_clock_while_the_service_runs(machine: ServiceMachine) -> None:
    async with machine.service() as estate:
        machine.clock.off_ms = 3 * DAY_MS
        await until_doubt(estate)
        await estate.running.service.write(lambda connection: accept_time(connection, machine.clock.now_ms() + YEAR))
        await asyncio.sleep(0.1)
        assert trusted(estate).state.doubt, "another time than this machine's was accepted"
        await estate.running.service.write(lambda connection: accept_time(connection, machine.clock.now_ms()))
        await until_doubt(estate, ends=True)
        assert trusted(estate).now_ms() == machine.clock.now_ms()


async def test_operator_accepts_the_wall_clock_before_a_start(machine: ServiceMachine) -> None:
    async with machine.service() as estate:
        pass
    machine.reboot(0, down_ms=4 * DAY_MS)
    async with machine.service() as estate:
        assert trusted(estate).status().cause == "store"
        await estate.running.service.write(lambda connection: accept_time(connection, machine.clock.now_ms()))
    machine.clock.now += MINUTE
    async with machine.service() as estate:
        assert trusted(estate).state.doubt is None


async def test_end_of_a_doubt_is_stored_by_a_service_that_is_stopped_at_once(machine: ServiceMachine) -> None:
    async with machine.service() as estate:
        machine.clock.off_ms = 3 * DAY_MS
        await until_doubt(estate)
        await wait_until(lambda: is_stored_in_doubt(estate), "the doubt is stored")
        trusted(estate).accept()
    async with machine.service() as estate:
        assert trusted(estate).state.doubt is None
        assert not await is_stored_in_doubt(estate)


def tokens_of(*names: str) -> Tokens:
    identities = {digest_of(f"{name}-token"): Identity(name, "agent", name) for name in names}
    return Tokens(identities | {digest_of("admin-token"): Identity("boss", "admin")})


async def test_three_machines_end_a_doubt_and_tell_the_time_after_a_reboot(
    machine: ServiceMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"edge-{number}" for number in range(3)]
    monkeypatch.setattr(conftest, "TOKENS", tokens_of(*names))
    async with machine.service():
        pass
    machine.reboot(0, down_ms=4 * DAY_MS)
    async with machine.service() as estate:
        agents = [ReportingAgent(estate, name) for name in names]
        assert trusted(estate).now_ms() < machine.clock.now - 3 * DAY_MS

        async def show_clocks() -> None:
            for agent in agents:
                question = {"machine": {"boot": f"machine of {agent.server}", "at": machine.clock.now}}
                assert (await agent.request("clock", msgspec.json.encode(question))).status_code == 200

        await show_clocks()
        await wait_until(lambda: trusted(estate).now_ms() == machine.clock.now, "trusted time is the machines' median")
        assert trusted(estate).word == "doubtful"
        for _ in range(7):
            machine.clock.now += 100_000
            await show_clocks()
            await asyncio.sleep(0.05)
        await until_doubt(estate, ends=True)


async def test_clock_operation_answers_with_both_stamps_and_has_no_effect_on_accounts(machine: ServiceMachine) -> None:
    async with machine.service() as estate:
        agent = ReportingAgent(estate, "edge-1")
        before = await read_store(estate)
        answer = await agent.request("clock", b"{}")
        assert (answer.status_code, answer.json()) == (200, {"now": NOW, "received_at": NOW})
        agent.server = "origin-1"
        other = await estate.request("POST", "/api/v1/agents/edge-1/clock", "origin-1-token", content=b"{}")
        assert other.status_code == 403
        wrong = await estate.request("POST", "/api/v1/agents/edge-1/clock", "edge-1-token", content=b'{"machine": 1}')
        assert wrong.status_code == 422
        assert await read_store(estate) == before


@pytest.mark.parametrize("path", ["direct", "route"])
async def test_reply_has_the_time_of_its_making_not_of_its_queueing(machine: ServiceMachine, path: str) -> None:
    async with machine.service() as estate:
        agent = ReportingAgent(estate, "edge-1")
        await agent.begin()
        machine.clock.now += 10_000
        report = agent.report()
        body = msgspec.json.encode(report)
        held = HeldWrite()
        waiting = estate.running.service.writer.submit(held)
        assert await asyncio.to_thread(held.began.wait, 60)
        received_at = machine.clock.now
        headers = {} if path == "direct" else {"Expect": "100-continue"}
        sending = asyncio.create_task(agent.request("reports", body, **headers))
        await wait_until(lambda: estate.running.service.writer._queue.qsize() > 0, "the report waits for the writer")
        machine.clock.now += 8_000
        held.go.set()
        answer = (await sending).json()
        assert (answer["received_at"], answer["now"]) == (received_at, received_at + 8_000)
        await asyncio.wrap_future(waiting)
        hole = msgspec.structs.replace(report, since=90, upto=95, based_on=None)
        refused = (await agent.request("reports", msgspec.json.encode(hole))).json()
        assert refused.keys() >= {"received_at", "timestamp"}
        issued = await agent.begin()
        assert (issued["received_at"], issued["now"]) == (machine.clock.now, machine.clock.now)


LIMIT = 120_000


def with_another_revision(report: Report) -> Report:
    """Return what an agent sends after a refusal: it dated its rows again, which makes new revisions."""
    return msgspec.structs.replace(report, upto=report.upto + 1)


def move_ahead(report: Report, by_ms: int, what: str, now: int) -> Report:
    """Return the report with one instant moved to `by_ms` after now."""
    at = now + by_ms
    replace = msgspec.structs.replace
    match what:
        case "baseline":
            return replace(report, baseline=replace(report.baseline, at=at))
        case "span":
            return replace(report, spans=(replace(report.spans[0], to_ms=at),))
        case "slot":
            return replace(report, slots=(replace(report.slots[0], slot=at),))
        case "session":
            return replace(report, sessions=(replace(report.sessions[0], end_time=at),))
        case "sample":
            return replace(report, samples=(replace(report.samples[0], slot=at),))
    raise AssertionError(what)


@pytest.mark.parametrize("what", ["baseline", "span", "slot", "session", "sample"])
async def test_coverage_from_the_future_is_refused_and_nothing_is_stored(machine: ServiceMachine, what: str) -> None:
    async with machine.service() as estate:
        agent = ReportingAgent(estate, "edge-1")
        machine.clock.now += 10_000
        await agent.sync_up(a_session())
        machine.clock.now += 10_000
        sample = SampleRow(slot=NOW, scope="live", name="stream1", revision=0, active=2, highest=3)
        report = agent.report(SlotRow(slot=NOW, revision=0, bytes_out=9), a_session(total=6), sample)
        before = await read_store(estate)
        refused = await agent.send(move_ahead(report, LIMIT + 1, what, machine.clock.now))
        assert refused.status_code == 409
        answer = refused.json()
        assert (answer["reason"], answer["timestamp"], answer["epoch"]) == ("clock", machine.clock.now, 1)
        assert "nothing was stored" in answer["errorMessage"]
        assert await read_store(estate) == before
        listed = (await fetch_servers(estate))["edge-1"]
        assert (listed["clock_refused_at"], listed["clock_refused_by_ms"]) == (machine.clock.now, LIMIT + 1)
        machine.clock.now += 1_000
        spans = (await estate.request("GET", f"/api/v1/coverage?from={NOW}&to={machine.clock.now}")).json()
        newest = spans["servers"][0]["spans"][-1]
        assert (newest["state"], newest["to"]) == ("missing", machine.clock.now)
        assert "reports are refused" in newest["reason"]
        dated_again = with_another_revision(report)
        accepted = await agent.send(move_ahead(dated_again, LIMIT - 1_000, "baseline", machine.clock.now))
        assert accepted.status_code == 200
        assert (await fetch_servers(estate))["edge-1"]["clock_refused_at"] is None
        assert 'outcome="clock"' in (await estate.request("GET", "/metrics")).text


async def test_server_whose_first_report_is_refused_for_its_clock_is_listed(machine: ServiceMachine) -> None:
    async with machine.service() as estate:
        agent = ReportingAgent(estate, "edge-1")
        await agent.begin()
        report = agent.report(a_session(), upto_ms=NOW + YEAR)
        assert (await agent.send(report)).json()["reason"] == "clock"
        machine.clock.now += 5_000
        assert (await agent.send(report)).json()["reason"] == "clock"
        listed = (await fetch_servers(estate))["edge-1"]
        assert (listed["clock_refused_at"], listed["watermark"], listed["epoch"]) == (NOW, None, 0)
        (server,) = (await estate.request("GET", f"/api/v1/coverage?from={NOW}&to={NOW + MINUTE}")).json()["servers"]
        (span,) = server["spans"]
        assert (span["from"], span["to"], span["state"]) == (NOW, NOW + 5_000, "missing")
        assert await count_rows(estate, usage) == 0


async def test_machine_that_disagrees_marks_itself(machine: ServiceMachine) -> None:
    async with machine.service() as estate:
        agent = ReportingAgent(estate, "edge-1")
        await agent.begin()
        machine.clock.now += 10_000
        report = msgspec.structs.replace(agent.report(), machine=MachineClock("another", machine.clock.now + YEAR))
        assert (await agent.send(report)).status_code == 200
        await asyncio.sleep(0.1)
        assert (await fetch_servers(estate))["edge-1"]["machine_offset_ms"] == YEAR
        assert trusted(estate).word == "trusted"
        assert trusted(estate).status().machines == 1


@pytest.mark.postgresql
async def test_processes_on_several_machines_keep_their_own_clocks_in_one_store(
    tmp_path: Path, postgresql: Cluster
) -> None:
    with postgresql.database() as store_url:
        await keep_two_clocks(ServiceMachine(tmp_path, store_url), ServiceMachine(tmp_path, store_url))


async def keep_two_clocks(machine: ServiceMachine, other: ServiceMachine) -> None:
    other.boot = "another-machine"
    other.clock.booted = NOW - 77 * DAY_MS
    async with machine.service() as one, other.service() as two:
        machine.clock.off_ms = YEAR
        await until_doubt(one)
        await wait_until(lambda: is_stored_in_doubt(one), "the doubt is stored")
        assert trusted(two).word == "trusted"
        states = {state.boot: state for state in await two.running.service.read(load_clocks)}
        assert {boot: state.doubt is not None for boot, state in states.items()} == {
            "boot-1": True,
            "another-machine": False,
        }
        assert {state.instant_ms // DAY_MS for state in states.values()} == {NOW // DAY_MS}


async def test_server_that_appears_after_days_were_closed_in_advance_has_no_day_closed_before_it_is_over(
    machine: ServiceMachine,
) -> None:
    async with machine.service(close_settle_ms=0) as estate:
        today = NOW // DAY_MS * DAY_MS
        # As a service of an earlier version left it, whose clock was a month ahead.
        await estate.running.service.write(
            lambda connection: set_closed_until(connection, ZoneInfo("UTC"), today + 31 * DAY_MS)
        )
        agent = ReportingAgent(estate, "edge-1")
        machine.clock.now += 10_000
        await agent.sync_up()
        await asyncio.sleep(0.2)
        assert await count_rows(estate, closed_days) == 0
        machine.clock.now = today + DAY_MS + 10_000
        await agent.sync_up()

        async def is_closed() -> bool:
            return await count_rows(estate, closed_days) == 1

        await wait_until(is_closed, "the day that is over is closed")
        await asyncio.sleep(0.2)
        assert await is_closed(), "today is not"


async def test_server_of_which_no_report_was_accepted_can_be_removed(machine: ServiceMachine) -> None:
    async with machine.service() as estate:
        agent = ReportingAgent(estate, "edge-1")
        await agent.begin()
        assert (await agent.send(agent.report(upto_ms=NOW + YEAR))).json()["reason"] == "clock"
        assert (await estate.request("DELETE", "/api/v1/servers/edge-1")).status_code == 200
        assert (await fetch_servers(estate))["edge-1"]["state"] == "removed"
        window = await estate.request("GET", f"/api/v1/coverage?from={NOW}&to={NOW + MINUTE}")
        assert window.json()["servers"][0]["spans"] == []
