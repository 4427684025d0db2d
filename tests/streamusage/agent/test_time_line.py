"""The agent's time line with wrong clocks, slow replies and unreachable services: figures are those of the server."""

from pathlib import Path
from random import Random
from typing import Literal

import pytest
from msgspec import structs

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.agent.metering.passage import is_undated
from streamusage.agent.reading import EndedConnection, Reading
from streamusage.agent.runner import Agent, FencedError
from streamusage.agent.status_file import owed_figures
from streamusage.agent.sync.schedule import SyncSchedule
from streamusage.api.report import (
    Acknowledgement,
    Based,
    Baseline,
    ClockQuestion,
    ClockReading,
    ClockState,
    EpochIssued,
    EpochRequest,
    Refusal,
    Report,
    SlotRow,
    SpanRow,
    ViewerRow,
)
from streamusage.client.errors import UnreachableError
from streamusage.core.reasons import CLOCK_SET_FORWARD, TIME_UNKNOWN
from tests.faults.media_server import MediaServer

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOW = 20_000 * DAY + 7 * HOUR


class World:
    """True time, a media server in it, and what is wrong with the clocks of machine and service."""

    def __init__(self) -> None:
        self.now = NOW
        self.media = MediaServer(Random(1), NOW)
        self.machine_ahead = 0
        self.service_ahead = 0
        self.clock_state: ClockState = "trusted"
        self.is_reachable = True
        self.loses_acknowledgements = False
        self.reply_ms = 0
        """How long the next replies are under way."""

    @property
    def service_now(self) -> int:
        return self.now + self.service_ahead


class Machine:
    """The clocks of the agent's machine in one boot."""

    def __init__(self, world: World) -> None:
        self.world, self.booted = world, world.now

    def now_ms(self) -> int:
        return self.world.now + self.world.machine_ahead

    def elapsed_ms(self) -> int:
        return self.world.now - self.booted + 5_000

    async def sleep(self, seconds: float) -> None:
        self.world.now += round(seconds * 1000)


class NginxLike:
    """A media server whose ages are exact, and whose log has the machine's wall clock."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def read(self, cursor: str | None) -> Reading:
        reading = self.world.media.read(self.world.now, cursor)
        fields = {name: getattr(reading, name) for name in reading.__struct_fields__}
        fields["ended"] = self._by_machine(reading.ended)
        fields["started_at"] = max(1, reading.started_at + self.world.machine_ahead)
        return Reading(**fields | {"at": reading.at + self.world.machine_ahead})

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        return self._by_machine(self.world.media.ended_between(from_cursor, to_cursor))

    def _by_machine(self, lines: tuple[EndedConnection, ...]) -> tuple[EndedConnection, ...]:
        def by_machine(line: EndedConnection) -> EndedConnection:
            fields = {name: getattr(line, name) for name in line.__struct_fields__}
            return EndedConnection(**fields | {"ended_at": line.ended_at + self.world.machine_ahead})

        return tuple(by_machine(line) for line in lines)

    async def close(self) -> None: ...


class Service:
    """A service that keeps the newest rows of each epoch, and refuses the future."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.slots: dict[tuple[int, int], SlotRow] = {}
        self.spans: list[SpanRow] = []
        self.viewers: dict[str, ViewerRow] = {}
        self.epoch = self.revision = 0
        self.life = ""
        self.baseline: Baseline | None = None
        self.refused = 0
        self.requests = 0

    async def _arrive(self) -> int:
        self.requests += 1
        if not self.world.is_reachable:
            raise UnreachableError("service", "connect", "refused")
        return self.world.service_now

    def _replied(self) -> int:
        now = self.world.service_now
        self.world.now += self.world.reply_ms
        return now

    async def read_clock(self, question: ClockQuestion) -> ClockReading:
        received = await self._arrive()
        return ClockReading(now=self._replied(), received_at=received, clock=self.world.clock_state)

    async def issue_epoch(self, request: EpochRequest) -> EpochIssued:
        received = await self._arrive()
        return EpochIssued(
            epoch=max(self.epoch + 1, request.epoch),
            based_on=Based(self.epoch, self.revision),
            now=self._replied(),
            received_at=received,
            life=self.life,
            baseline=self.baseline,
            viewers=tuple(self.viewers.values()),
            clock=self.world.clock_state,
        )

    async def send(self, report: Report) -> Acknowledgement | Refusal:
        received = await self._arrive()
        assert not is_undated(report.baseline.at), "undated rows are never sent"
        if report.epoch <= self.epoch and report.life != self.life:
            return self._refuse("sealed", received)
        if report.baseline.at > received + 2 * MINUTE:
            self.refused += 1
            refusal = self._refuse("clock", received)
            is_active = (report.epoch, report.life) == (self.epoch, self.life) and self.baseline is not None
            return structs.replace(refusal, acknowledged_to=self.baseline.at) if is_active else refusal
        for row in report.slots:
            stored = self.slots.get((report.epoch, row.slot), row)
            assert row.bytes_out >= stored.bytes_out, "a figure is taken back"
            self.slots[report.epoch, row.slot] = row
        self.spans += report.spans
        for viewer in report.viewers:
            if viewer.open:
                self.viewers[viewer.viewer_id] = viewer
            else:
                self.viewers.pop(viewer.viewer_id, None)
        self.epoch, self.revision, self.life, self.baseline = report.epoch, report.upto, report.life, report.baseline
        if self.world.loses_acknowledgements:
            raise UnreachableError("service", "read", "reset")
        return Acknowledgement(
            epoch=report.epoch,
            acknowledged=report.upto,
            now=self._replied(),
            received_at=received,
            clock=self.world.clock_state,
        )

    def _refuse(self, reason: Literal["sealed", "clock"], received: int) -> Refusal:
        return Refusal(
            error_message=f"refused: {reason}",
            timestamp=self._replied(),
            reason=reason,
            epoch=self.epoch,
            acknowledged=self.revision,
            received_at=received,
            clock=self.world.clock_state,
        )


class Estate:
    """One agent of one server, whose machine may reboot and whose journal may be lost."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.world = World()
        self.service = Service(self.world)
        self.boots = self.journals = 0
        self.journal: SqliteJournal | None = None
        self.lose_journal()
        self.boot()

    def lose_journal(self) -> None:
        self.journals += 1

    def boot(self) -> None:
        """Boot the machine; the media server is another one and runs on."""
        self.boots += 1
        self.machine = Machine(self.world)
        self.start_agent()

    def start_agent(self) -> None:
        if self.journal is not None:
            self.journal.close()
        self.journal = SqliteJournal(self.directory / f"{self.journals}.db", synchronous="off")
        self.agent = Agent(
            server="edge-1",
            source=NginxLike(self.world),
            ledger=Ledger(self.journal, f"journal-{self.journals}", "edge-1", "edge", 10_000),
            link=self.service,
            schedule=SyncSchedule("edge-1", 10_000, 0, Random(1)),
            poll_interval_ms=1_000,
            clock=self.machine,
            run=f"boot-{self.boots}",
        )

    async def live(self, seconds: int, *, syncs: bool = True) -> None:
        """Let viewers come and go, read every second, and sync every ten seconds."""
        await self.agent.poll()
        for second in range(seconds):
            self.world.now += 1_000
            if second % 7 == 0:
                self.world.media.connect(self.world.now, "play", "s1")
            if second % 9 == 8 and len(self.world.media.open) > 3:
                self.world.media.disconnect(self.world.now, min(self.world.media.open))
            self.world.media.move_bytes(self.world.now)
            self.world.now += 200
            await self.agent.poll()
            if syncs and second % 10 == 5:
                await self.agent.sync()

    async def finish(self) -> None:
        """Let everyone leave, and let the agent deliver everything."""
        self.world.is_reachable = True
        for number in list(self.world.media.open):
            self.world.media.disconnect(self.world.now, number)
        for _ in range(4):
            self.world.now += 1_000
            await self.agent.poll()
            await self.agent.sync()
        head = self.agent.ledger.head
        assert (head.acknowledged, head.fenced) == (head.revision, False)

    def check(self) -> None:
        """Check that the service has the media server's own figures, and a state for all time."""
        truth, rows = self.world.media.truth, self.service.slots.values()
        assert sum(sum(row.connections.values()) for row in rows) == len(truth.connections)
        assert sum(row.bytes_out for row in rows) == truth.bytes_out[-1]
        assert sum(row.view_time_ms for row in rows) == sum(ended - began for began, ended in truth.views)
        covered = sorted((span.from_ms, span.to_ms) for span in self.service.spans)
        upto = covered[0][0]
        for from_ms, to_ms in covered:
            assert from_ms <= upto, f"no state from {upto} to {from_ms}"
            upto = max(upto, to_ms)
        assert abs(upto - self.world.now) <= 2 * MINUTE

    def reasons(self, state: str) -> set[str]:
        return {span.reason for span in self.service.spans if span.state == state}


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return Estate(tmp_path)


WRONG = [-50 * 365 * DAY, -HOUR, -5 * MINUTE, -10_000, 10_000, 3 * HOUR, 400 * DAY]


@pytest.mark.parametrize("ahead_ms", WRONG)
async def test_machine_with_a_wrong_clock_files_by_the_services_time(estate: Estate, ahead_ms: int) -> None:
    estate.world.machine_ahead = ahead_ms
    await estate.live(60)
    estate.start_agent()
    await estate.live(60)
    await estate.finish()
    estate.check()
    assert not estate.reasons("partial")
    assert abs(max(slot for _, slot in estate.service.slots) - estate.world.now) < 2 * MINUTE


@pytest.mark.parametrize("ahead_ms", WRONG)
async def test_clock_that_is_set_while_the_agent_runs_changes_no_figure(estate: Estate, ahead_ms: int) -> None:
    await estate.live(33)
    estate.world.machine_ahead = ahead_ms
    await estate.live(33)
    estate.world.machine_ahead = 0
    await estate.live(33)
    await estate.finish()
    estate.check()


@pytest.mark.parametrize("ahead_ms", WRONG)
async def test_clock_that_is_set_while_the_agent_is_down_changes_no_figure(estate: Estate, ahead_ms: int) -> None:
    await estate.live(33)
    estate.world.machine_ahead = ahead_ms
    estate.world.now += 40_000
    estate.start_agent()
    await estate.live(33)
    await estate.finish()
    estate.check()


@pytest.mark.parametrize("ahead_ms", WRONG)
async def test_reboot_with_a_wrong_clock_during_an_outage_is_dated_afterwards(estate: Estate, ahead_ms: int) -> None:
    await estate.live(33)
    estate.world.is_reachable = False
    estate.world.now += 60_000
    estate.world.machine_ahead = ahead_ms
    estate.boot()
    await estate.live(150)
    assert estate.agent.ledger.is_undated
    filed_before = estate.world.now
    estate.world.is_reachable = True
    await estate.live(33)
    await estate.finish()
    estate.check()
    assert all(NOW - MINUTE <= slot <= filed_before + 2 * MINUTE for _, slot in estate.service.slots)


@pytest.mark.parametrize("restarts", [False, True])
async def test_lost_acknowledgement_before_the_services_clock_is_set_back_counts_nothing_twice(
    estate: Estate, restarts: bool
) -> None:
    estate.world.service_ahead = HOUR
    await estate.live(63)
    estate.world.loses_acknowledgements = True
    await estate.live(63)
    acknowledged = estate.agent.ledger.head.acknowledged
    assert acknowledged < estate.service.revision, "the service has what the agent takes for unacknowledged"
    estate.world.loses_acknowledgements = False
    estate.world.service_ahead = 0
    if restarts:
        estate.start_agent()
    estate.world.now += 10 * MINUTE
    await estate.live(63)
    assert estate.service.refused > 0
    estate.world.now += HOUR
    await estate.live(63)
    await estate.finish()
    estate.check()


async def test_run_whose_time_of_day_never_became_known_is_marked(estate: Estate) -> None:
    await estate.live(33)
    last_known = estate.world.now
    estate.world.is_reachable = False
    estate.world.machine_ahead = -50 * 365 * DAY
    estate.world.now += 30_000
    estate.boot()
    await estate.live(60)
    estate.world.now += 30_000
    estate.world.machine_ahead = 0
    estate.boot()
    rebooted = estate.world.now
    await estate.live(33)
    estate.world.is_reachable = True
    await estate.live(20)
    await estate.finish()
    estate.check()
    unknown = [span for span in estate.service.spans if span.reason == TIME_UNKNOWN]
    assert min(span.from_ms for span in unknown) <= last_known
    assert max(span.to_ms for span in unknown) >= rebooted


@pytest.mark.parametrize("ahead_ms", [-50 * 365 * DAY, -5 * MINUTE, 5 * MINUTE])
async def test_lost_journal_on_a_machine_with_a_wrong_clock_continues(estate: Estate, ahead_ms: int) -> None:
    await estate.live(60)
    estate.world.machine_ahead = ahead_ms
    estate.world.now += 40_000
    estate.lose_journal()
    estate.boot()
    await estate.live(60)
    await estate.finish()
    estate.check()


@pytest.mark.parametrize("reply_ms", [8_000, 60_000])
async def test_slow_reply_of_a_correct_service_corrects_nothing(estate: Estate, reply_ms: int) -> None:
    await estate.live(20)
    estate.world.reply_ms = reply_ms
    await estate.live(10)
    estate.world.reply_ms = 0
    await estate.live(30)
    await estate.finish()
    estate.check()
    assert not estate.reasons("partial")


@pytest.mark.parametrize("ahead_ms", [-90_000, 90_000, DAY])
async def test_service_whose_clock_is_corrected_changes_no_figure(estate: Estate, ahead_ms: int) -> None:
    estate.world.service_ahead = -ahead_ms
    await estate.live(60)
    estate.world.service_ahead = 0
    await estate.live(120)
    await estate.finish()
    estate.check()


async def test_coverage_that_a_wrong_service_accepted_waits_until_its_time_has_come(estate: Estate) -> None:
    estate.world.service_ahead = 10 * MINUTE
    await estate.live(60)
    estate.world.service_ahead = 0
    await estate.live(60)
    assert estate.service.refused
    owed = estate.agent.ledger.head
    assert owed.acknowledged < owed.revision
    estate.world.now += 9 * MINUTE
    await estate.live(60)
    await estate.finish()
    estate.check()


async def test_forward_correction_is_marked(estate: Estate) -> None:
    estate.world.service_ahead = -HOUR
    await estate.live(60)
    estate.world.service_ahead = 0
    await estate.live(60)
    await estate.finish()
    estate.check()
    assert CLOCK_SET_FORWARD in estate.reasons("partial")


async def test_future_that_the_service_refuses_is_dated_again(estate: Estate) -> None:
    await estate.live(33)
    estate.world.is_reachable = False
    await estate.live(150)
    estate.world.is_reachable = True
    estate.world.service_ahead = -HOUR  # the service restarts with a clock that is an hour behind
    await estate.live(40)
    assert estate.service.refused
    assert estate.agent.ledger.head.acknowledged > 0
    estate.world.service_ahead = 0
    await estate.live(60)
    await estate.finish()
    estate.check()


async def test_agent_does_not_follow_a_service_that_doubts_its_clock(estate: Estate) -> None:
    await estate.live(33)
    estate.world.service_ahead, estate.world.clock_state = 30 * DAY, "doubtful"
    await estate.live(60)
    estate.world.service_ahead, estate.world.clock_state = 0, "trusted"
    await estate.live(33)
    await estate.finish()
    estate.check()
    assert not estate.reasons("partial")


async def test_minute_that_waits_for_the_time_of_day_is_shown_by_the_machines_clock(estate: Estate) -> None:
    estate.world.is_reachable = False
    estate.world.now += 20_000
    estate.boot()
    began = estate.machine.now_ms()
    await estate.live(33)
    ledger = estate.agent.ledger
    assert ledger.is_undated
    owed = owed_figures(ledger, estate.machine.now_ms() - estate.machine.elapsed_ms())
    assert owed.oldest_minute is not None
    assert abs(owed.oldest_minute - began) <= MINUTE


async def test_restarted_agent_knows_the_time_of_its_boot_without_the_service(estate: Estate) -> None:
    await estate.live(33)
    estate.world.is_reachable = False
    estate.start_agent()
    await estate.live(33)
    assert not estate.agent.ledger.is_undated
    await estate.finish()
    estate.check()


async def test_copied_journal_of_a_server_with_a_newer_journal_is_fenced(estate: Estate) -> None:
    await estate.live(33)
    old_number = estate.journals
    estate.lose_journal()
    estate.start_agent()
    await estate.live(33)
    estate.journals = old_number
    estate.start_agent()
    estate.world.now += 1_000
    await estate.agent.poll()
    with pytest.raises(FencedError, match="another journal reports"):
        await estate.agent.sync()
    assert estate.agent.ledger.head.fenced
