"""Simulated clocks: of the agent's machine, of the media server's machine and of the service, each wrong in its way.

The schedule is that of `Simulation`. The agent's time line is the product's; readings and log lines carry the wall
clocks of their machines, pages and replies take time, machines reboot, suspend and lose their time.
"""

from dataclasses import dataclass
from random import Random

import msgspec

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.reading import EndedConnection, Reading
from streamusage.agent.sync.offset import AGREEING_SAMPLES
from streamusage.agent.sync.time_line import TimeLine
from streamusage.api.report import (
    Acknowledgement,
    ClockQuestion,
    ClockReading,
    EpochIssued,
    Refusal,
    Report,
)
from tests.faults.simulator import Message, Reply, Simulation

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
FUTURE_MS = 2 * MINUTE

WRONG = (0, 0, 300, -700, 5 * SECOND, -10 * SECOND, -5 * MINUTE, 3 * HOUR, -50 * 365 * DAY, 400 * DAY)
"""How far a machine's wall clock may be off."""


@dataclass
class Machine:
    """The clocks of a machine in one boot. `ahead` is how far its wall clock is ahead of true time."""

    boot: str
    booted_at: int
    ahead: int
    first_elapsed: int

    def wall(self, now: int) -> int:
        return max(1, now + self.ahead)

    def elapsed(self, now: int) -> int:
        return now - self.booted_at + self.first_elapsed


class ClockedSimulation(Simulation):
    """A schedule in which no clock can be trusted. The rules that a mutation may break are methods of their own."""

    def __init__(self, seed: int, steps: int = 60) -> None:
        self.clocks = Random(f"clocks {seed}")
        self.boots = 0
        self.clock_faults: dict[str, int] = {}
        self.service_ahead = 0
        self.page_ms = self.clocks.choice((0, 0, 20, 4_000))
        self.longest_answer_ms = self.page_ms
        super().__init__(seed, steps)
        self.is_same_machine = self.clocks.random() < 0.5
        """Whether the media server runs on the agent's machine."""
        self.stamps: list[int] = []
        """How far the clock that dates a log line was ahead at that time. The line is written by a media server on the
        agent's machine, or by the agent itself when a callback of a media server elsewhere arrives."""
        self._boot()

    def _boot(self) -> None:
        self.boots += 1
        self.machine = Machine(
            f"machine boot {self.boots}", self.now, self.clocks.choice(WRONG), self.clocks.randrange(5_000)
        )
        self.start_process()

    def start_process(self) -> None:
        self.ledger = None
        self.time_line = TimeLine(self.machine.boot)

    # The agent.

    def _run_agent_step(self, step: object) -> None:
        super()._run_agent_step(step)
        if self.ledger is None:
            self.start_process()

    def _destroy_journal(self) -> None:
        super()._destroy_journal()
        self.start_process()

    def _offset_ms(self, ledger: Ledger) -> int:
        return self.time_line.offset_ms(ledger, self.machine.elapsed(self.now), self.machine.wall(self.now))

    def _read(self) -> None:
        ledger = self._agent()
        offset_ms, asked = self._offset_ms(ledger), self.machine.elapsed(self.now)
        self.now += self.clocks.randrange(self.page_ms + 1)
        page = self.server.read(self.now, ledger.cursor)
        answer_ms = self.clocks.randrange(self.page_ms + 1)
        self.now += answer_ms
        if answer_ms and self.server.open and self.clocks.random() < 0.3:
            self.server.disconnect(self.now, self.clocks.choice(list(self.server.open)))
        log_from = len(self.server.log) if ledger.cursor is None else int(ledger.cursor)
        reading = msgspec.structs.replace(
            page,
            at=self.machine.wall(self.now),
            started_at=self.machine.wall(page.started_at),
            ended=self._lines(log_from, len(self.server.log)) if self.server.keeps_log else (),
            cursor=str(len(self.server.log)),
            uptime_ms=self.now - answer_ms - self.server.started_at
            if not self.is_same_machine or self.clocks.random() < 0.5
            else None,
            age_slack_ms=self.machine.elapsed(self.now) - asked,
        )
        reading = self.see(reading)
        self.chance.crash("of the agent between reading and journal")
        elapsed_ms, wall_ms = self.machine.elapsed(self.now), self.machine.wall(self.now)
        self.record(ledger, self.time_line.place(reading, offset_ms, asked, elapsed_ms, wall_ms))

    def see(self, reading: Reading) -> Reading:
        """Return what the source makes of the page."""
        return reading

    def _stamp_lines(self) -> None:
        self.stamps += [self.machine.ahead] * (len(self.server.log) - len(self.stamps))

    def _lines(self, from_line: int, to_line: int) -> tuple[EndedConnection, ...]:
        self._stamp_lines()
        return tuple(
            msgspec.structs.replace(line, ended_at=max(1, line.ended_at + ahead))
            for line, ahead in zip(self.server.log[from_line:to_line], self.stamps[from_line:to_line], strict=True)
        )

    def _sync(self) -> None:
        ledger = self._agent()
        if ledger.head.baseline is None:
            return
        self._offset_ms(ledger)
        if ledger.is_undated and not self._learn_time(ledger):
            return
        request = ledger.epoch_request()
        sent = self.machine.elapsed(self.now)
        if request is not None:
            issued = self._exchange(ledger, request)
            if isinstance(issued, EpochIssued):
                self._observe(sent, issued.received_at, issued.now)
                first = ledger.first_reading()
                after = issued.baseline.cursor if issued.baseline else first.cursor
                ended = self._lines(int(after), int(first.cursor)) if self.server.keeps_log else ()
                ledger.continue_from(issued, ended)
                assert not ledger.head.fenced, "the live agent was fenced"
            return
        now = self.machine.elapsed(self.now) + self._offset_ms(ledger)
        report = ledger.report(now, "online")
        assert report is not None
        reply = self._exchange(ledger, report)
        if isinstance(reply, Acknowledgement):
            self._observe(sent, reply.received_at, reply.now)
            ledger.acknowledge(reply, now)
            ledger.record_successful_sync(now)
            self._follow(ledger)
        elif isinstance(reply, Refusal):
            self._observe(sent, reply.received_at, reply.timestamp)
            if reply.reason == "clock":
                self._count("coverage of the future refused")
                self._learn_time(ledger)
            ledger.handle_refusal(reply)

    def _learn_time(self, ledger: Ledger) -> bool:
        for _ in range(AGREEING_SAMPLES):
            sent = self.machine.elapsed(self.now)
            reply = self._exchange(ledger, ClockQuestion())
            if isinstance(reply, ClockReading):
                self._observe(sent, reply.received_at, reply.now)
        if not self.time_line.is_known:
            return False
        self._follow(ledger)
        return not ledger.is_undated

    def _observe(self, sent: int, received_at: int | None, replied_at: int) -> None:
        self.time_line.observe(sent, self.machine.elapsed(self.now), received_at, replied_at, "trusted")

    def _follow(self, ledger: Ledger) -> None:
        offset_ms = self.time_line.correction(ledger, self.machine.wall(self.now) - self.machine.elapsed(self.now))
        if offset_ms is not None:
            self._count("time line corrected")
            self.time_line.follow(ledger, offset_ms)

    # The service.

    @property
    def service_now(self) -> int:
        return self.now + self.service_ahead

    def serve(self, message: Message) -> Reply:
        self._take_time()
        received = self.service_now
        self._take_time()
        reply = super().serve(message)
        reply = msgspec.structs.replace(reply, received_at=received)
        self._take_time()
        return reply

    def _take_time(self) -> None:
        self.now += self.clocks.choice((0, 0, 1, 30, 8_000 if self.clocks.random() < 0.1 else 2))

    def handle(self, store: object, message: Message) -> Reply:
        true_now, self.now = self.now, self.service_now
        try:
            if isinstance(message, ClockQuestion):
                return ClockReading(now=self.now, received_at=self.now)
            if isinstance(message, Report) and self.is_future(message):
                return Refusal(
                    error_message="",
                    timestamp=self.now,
                    reason="clock",
                    epoch=store.state.epoch,  # type: ignore[attr-defined]
                    acknowledged=store.state.acknowledged,  # type: ignore[attr-defined]
                )
            return super().handle(store, message)  # type: ignore[arg-type]
        finally:
            self.now = true_now

    def is_future(self, report: Report) -> bool:
        """Return whether a report covers time after the service's; `self.now` is the service's clock here."""
        return report.baseline.at > self.now + FUTURE_MS

    # The schedule.

    def happened(self) -> dict[str, int]:
        return {**super().happened(), **self.clock_faults}

    def _count(self, fault: str) -> None:
        self.clock_faults[fault] = self.clock_faults.get(fault, 0) + 1

    def _step(self) -> None:
        fault = self.clocks.random()
        if fault < 0.03:
            self._stamp_lines()
            self.machine.ahead = self.clocks.choice(WRONG)
            self._count("machine's clock set")
        elif fault < 0.05:
            self._reboot()
        elif fault < 0.06:
            self.now += self.clocks.choice((30 * SECOND, 10 * MINUTE))
            self._count("machine suspended")
        elif fault < 0.07 and not self.is_same_machine:
            pause_ms = self.clocks.choice((3 * SECOND, 10 * MINUTE))
            self._stamp_lines()
            self.now += pause_ms
            self.machine.booted_at += pause_ms
            self.machine.ahead -= pause_ms
            self._count("virtual machine paused")
        elif fault < 0.09:
            self.start_process()
            self._count("agent restarted")
        else:
            super()._step()

    def _reboot(self) -> None:
        died_at = self.now
        self._stamp_lines()
        self.now += self.clocks.choice((20 * SECOND, 5 * MINUTE))
        if self.is_same_machine:
            if self.media_server_crashes and self.clocks.random() < 0.5:
                self.server.crash(died_at, self.now)
            else:
                self.server.quit(died_at, self.now)
        self._stamp_lines()
        self._boot()
        self._count("machine rebooted")

    def _heal(self) -> None:
        """End all faults. The machine's clock stays as wrong as it is."""
        self.page_ms = 0
        super()._heal()
        for _ in range(2):  # a time line that was corrected meanwhile reaches the present with the next reading
            self._read()
            self._sync()
