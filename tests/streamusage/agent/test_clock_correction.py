"""Correction of the agent's clock by the service's: counted figures do not change."""

from pathlib import Path
from random import Random

import pytest

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.agent.reading import EndedConnection, Reading
from streamusage.agent.runner import Agent
from streamusage.agent.sync.schedule import SyncSchedule
from streamusage.api.report import (
    Acknowledgement,
    Based,
    ClockQuestion,
    ClockReading,
    EpochIssued,
    EpochRequest,
    Report,
)
from tests.faults.media_server import MediaServer

HOUR = 3_600_000
TRUE_NOW = 1_795_000_000_000


class MachineClock:
    """Clock of a machine whose wall time is wrong by `wrong_ms`."""

    def __init__(self, wrong_ms: int) -> None:
        self.elapsed = 1_000
        self.wrong_ms = wrong_ms

    @property
    def true_now(self) -> int:
        return TRUE_NOW + self.elapsed

    def now_ms(self) -> int:
        return self.true_now + self.wrong_ms

    def elapsed_ms(self) -> int:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.elapsed += int(seconds * 1000)


class SimulatedSource:
    """Source of a media server on the same machine, whose log has the machine's wrong time."""

    def __init__(self, server: MediaServer, machine: MachineClock) -> None:
        self.server, self.machine = server, machine

    async def read(self, cursor: str | None) -> Reading:
        return self.server.read(self.machine.now_ms(), cursor)

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        return self.server.ended_between(from_cursor, to_cursor)

    async def close(self) -> None: ...


class AcceptingService:
    """Accepts every report, and has the correct time."""

    def __init__(self, machine: MachineClock) -> None:
        self.machine = machine
        self.reports: list[Report] = []

    async def issue_epoch(self, request: EpochRequest) -> EpochIssued:
        return EpochIssued(epoch=1, based_on=Based(0, 0), now=self.machine.true_now)

    async def read_clock(self, question: ClockQuestion) -> ClockReading:
        now = self.machine.true_now
        return ClockReading(now=now, received_at=now)

    async def send(self, report: Report) -> Acknowledgement:
        self.reports.append(report)
        return Acknowledgement(epoch=1, acknowledged=report.upto, now=self.machine.true_now)


def an_agent(journal: SqliteJournal, machine: MachineClock, server: MediaServer, service: AcceptingService) -> Agent:
    return Agent(
        server="edge-1",
        source=SimulatedSource(server, machine),
        ledger=Ledger(journal, "j", "edge-1", "edge", 10_000),
        link=service,
        schedule=SyncSchedule("edge-1", 10_000, 0, Random(1)),
        poll_interval_ms=1_000,
        clock=machine,
        run="boot id of this machine",
    )


async def test_agent_on_a_machine_that_booted_in_the_wrong_year_counts_exactly(tmp_path: Path) -> None:
    machine = MachineClock(-20 * 365 * 24 * HOUR)
    server, service = MediaServer(Random(1), machine.now_ms()), AcceptingService(machine)
    journal = SqliteJournal(tmp_path / "journal.db", synchronous="off")
    agent = an_agent(journal, machine, server, service)
    await agent.poll()
    server.connect(machine.now_ms(), "publish", "s1")
    for step in range(60):
        machine.elapsed += 1_000
        if step % 5 == 0:
            server.connect(machine.now_ms(), "play", "s1")
        if step % 7 == 6:
            server.disconnect(machine.now_ms(), max(server.open))
        server.move_bytes(machine.now_ms())
        await agent.poll()
        if step % 10 == 3:
            await agent.sync()
    for number in list(server.open):
        server.disconnect(machine.now_ms(), number)
    machine.elapsed += 1_000
    await agent.poll()
    await agent.sync()
    journal.close()
    latest = {row.slot: row for report in service.reports for row in report.slots}
    truth = server.truth
    assert abs(service.reports[-1].sent_at - machine.true_now) < 10
    assert sum(row.bytes_out for row in latest.values()) == truth.bytes_out[-1]
    assert sum(sum(row.connections.values()) for row in latest.values()) == len(truth.connections)
    assert sum(row.view_time_ms for row in latest.values()) == sum(ended - began for began, ended in truth.views)
    assert max(latest) > TRUE_NOW - HOUR, "units after the correction are filed at the correct time"


@pytest.mark.parametrize("wrong_ms", [-HOUR, HOUR])
async def test_restarted_agent_on_a_machine_with_a_wrong_clock_counts_view_time_once(
    tmp_path: Path, wrong_ms: int
) -> None:
    machine = MachineClock(wrong_ms)
    server, service = MediaServer(Random(1), machine.now_ms()), AcceptingService(machine)
    server.connect(machine.now_ms(), "publish", "s1")
    server.connect(machine.now_ms(), "play", "s1")
    for restart in range(3):
        journal = SqliteJournal(tmp_path / "journal.db", synchronous="off")
        agent = an_agent(journal, machine, server, service)
        for _ in range(20):
            await agent.poll()
            machine.elapsed += 1_000
        await agent.poll()
        await agent.sync()
        await agent.poll()
        await agent.sync()
        journal.close()
        machine.elapsed += 30_000 if restart < 2 else 0
    latest = {row.slot: row for report in service.reports for row in report.slots}
    assert sum(row.view_time_ms for row in latest.values()) == 3 * 20_000 + 2 * 30_000


@pytest.mark.parametrize("set_ms", [-900, -700, 700, 900])
async def test_clock_step_below_a_second_counts_no_viewer_twice(tmp_path: Path, set_ms: int) -> None:
    machine = MachineClock(0)
    server, service = MediaServer(Random(1), machine.now_ms()), AcceptingService(machine)
    journal = SqliteJournal(tmp_path / "journal.db", synchronous="off")
    agent = an_agent(journal, machine, server, service)
    await agent.poll()
    machine.wrong_ms = set_ms
    for step in range(20):
        machine.elapsed += 1_000
        if step % 4 == 0:
            server.connect(machine.now_ms(), "play", "s1")
        if step % 4 == 3:
            server.disconnect(machine.now_ms(), max(server.open))
        await agent.poll()
    await agent.sync()
    await agent.sync()
    journal.close()
    latest = {row.slot: row for report in service.reports for row in report.slots}
    assert sum(sum(row.connections.values()) for row in latest.values()) == len(server.truth.connections) == 5
    assert sum(row.view_time_ms for row in latest.values()) == sum(end - begin for begin, end in server.truth.views)
