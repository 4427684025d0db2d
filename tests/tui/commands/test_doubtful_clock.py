"""Client commands while the service doubts its clock, and while a server's clock is refused."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from streamusage.api.report import MachineClock
from tests.streamusage.service.conftest import NOW, Estate
from tests.support.commands.run_command import run_command
from tests.support.program import Program
from tests.support.service.machine_clocks import ServiceMachine
from tests.support.service.parties.reporting import ReportingAgent
from tests.support.waiting import wait_until

DAY = 86_400_000
YEAR = 365 * DAY


@pytest.fixture
def machine(tmp_path: Path) -> ServiceMachine:
    return ServiceMachine(tmp_path)


@pytest.fixture
async def estate(machine: ServiceMachine) -> AsyncIterator[Estate]:
    async with machine.service(close_settle_ms=0, close_grace_ms=0) as estate:
        yield estate


async def until_doubt(estate: Estate) -> None:
    await wait_until(lambda: estate.running.service.clock.state.doubt is not None, "the doubt began")


async def test_nothing_is_closed_exported_or_signed_in_doubt(
    estate: Estate, machine: ServiceMachine, streamtop: Program
) -> None:
    agent = ReportingAgent(estate, "edge-1")
    machine.clock.now = NOW // DAY * DAY + DAY + 3_600_000
    await agent.sync_up()
    window = ["--from", "2026-11-18", "--to", "2026-11-18", "--tz", "UTC"]

    async def is_final() -> bool:
        answer = await estate.request("GET", "/api/v1/daily?from=2026-11-18&to=2026-11-18")
        return bool(answer.json()["days"][0]["state"] == "final")

    await wait_until(is_final, "the day is closed")
    assert (await run_command(estate, streamtop, "daily", "export", *window)).code == 0
    machine.clock.off_ms = YEAR
    await until_doubt(estate)
    exported = await run_command(estate, streamtop, "daily", "export", *window, "-o", "november.json")
    assert (exported.code, "doubts its clock" in exported.err, "nothing was signed off" in exported.err) == (
        4,
        True,
        True,
    )
    assert not (streamtop.home / "november.json").exists()
    final = await run_command(estate, streamtop, "daily", "--final-only", *window, "--format", "csv")
    assert (final.code, final.out, "nothing was printed" in final.err) == (4, "", True)
    closed = await run_command(estate, streamtop, "daily", "close", "--day", "2026-11-19", "--tz", "UTC", "--yes")
    assert (closed.code, "no day was closed" in closed.err) == (4, True), closed.err
    listed = await run_command(estate, streamtop, "servers")
    assert "the clock of the service is in doubt" in listed.err
    assert (await run_command(estate, streamtop, "daily", *window)).code == 0, "figures can be read"


async def test_refused_clock_is_listed_and_fails_the_check_of_gaps(
    estate: Estate, machine: ServiceMachine, streamtop: Program
) -> None:
    agent = ReportingAgent(estate, "edge-1")
    machine.clock.now += 10_000
    await agent.sync_up()
    monitoring = ["gaps", "--fail-on", "missing,lost", "--max-age", "5s"]
    assert (await run_command(estate, streamtop, *monitoring)).code == 0
    refused = await agent.send(agent.report(upto_ms=machine.clock.now + YEAR))
    assert refused.json()["reason"] == "clock"
    machine.clock.now += 8_000
    listed = await run_command(estate, streamtop, "servers")
    assert "clock refused" in listed.out
    assert "clock refused, correct the clocks of their machines: edge-1" in listed.err
    failed = await run_command(estate, streamtop, *monitoring)
    assert (failed.code, "missing since" in failed.err) == (1, True), failed.err
    assert "reports are refused" in failed.out


async def test_machine_that_disagrees_is_marked(estate: Estate, machine: ServiceMachine, streamtop: Program) -> None:
    agent = ReportingAgent(estate, "edge-1")
    await agent.begin()
    report = msgspec.structs.replace(agent.report(), machine=MachineClock("another", machine.clock.now - 3_600_000))
    assert (await agent.send(report)).status_code == 200
    assert "live, clock 1h00 behind" in (await run_command(estate, streamtop, "servers")).out
    (row,) = json.loads((await run_command(estate, streamtop, "servers", "--format", "json")).out)
    assert row["machine_offset_ms"] == -3_600_000
