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
    ClockState,
    EpochIssued,
    Refusal,
    Report,
)
from streamusage.core.coverage import MOST_AHEAD_MS
from streamusage.service.rules import trusted_time
from streamusage.service.rules.apply import find_newest_instant
from streamusage.service.rules.trusted_time import MachineReading
from tests.faults.memory import SERVER, SimulatedCrashError, Store
from tests.faults.simulator import Message, Reply, Simulation

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000

WRONG = (0, 0, 300, -700, 5 * SECOND, -10 * SECOND, -5 * MINUTE, 3 * HOUR, -50 * 365 * DAY, 400 * DAY)
"""How far a machine's wall clock may be off."""

SERVICE_WRONG = (-50 * 365 * DAY, -HOUR, -30 * SECOND, 30 * SECOND, 366 * DAY, 500 * DAY)
"""How far the service's wall clock may be off."""

KEEP_MS = 30 * DAY
"""How long the service keeps slots."""


@dataclass
class Machine:
    """The clocks of a machine in one boot. `ahead` is how far its wall clock is ahead of true time."""

    boot: str
    booted_at: int
    ahead: int
    first_elapsed: int
    drift_ppm: int = 0

    def wall(self, now: int) -> int:
        return max(1, now + self.ahead + self._drift(now))

    def elapsed(self, now: int) -> int:
        return now - self.booted_at + self.first_elapsed + self._drift(now)

    def _drift(self, now: int) -> int:
        return (now - self.booted_at) * self.drift_ppm // 1_000_000


class ClockedSimulation(Simulation):
    """A schedule in which no clock can be trusted. The rules that a mutation may break are methods of their own."""

    PARTS_CHANCE = 0.0
    LOST_COMMITS_WEIGHT = 0.0

    def __init__(self, seed: int, steps: int = 60) -> None:
        self.clocks = Random(f"clocks {seed}")
        self.boots = 0
        self.clock_faults: dict[str, int] = {}
        self.service_ahead = 0
        self.service_boots = 1
        self.fleet = self.clocks.choice((0, 0, 2, 49))
        """How many machines with a right clock report besides the agent's."""
        self.drift_ppm = self.clocks.choice((0, 0, 0, 100, -100))
        self.closed_to = 0
        self.round_trip_ms: int | None = None
        self.is_service_off = False
        self.page_ms = self.clocks.choice((0, 0, 20, 4_000))
        self.longest_answer_ms = self.page_ms
        super().__init__(seed, steps)
        self.trusted = trusted_time.start(None, "service boot 1", self.now, self.now, None, 0)
        if self.page_ms >= SECOND:
            self._count("page answered late")
        if self.drift_ppm:
            self._count("machine's clock drifts")
        if not self.server.keeps_log:
            self._count("viewers without log lines")
        self.is_same_machine = self.clocks.random() < 0.5
        """Whether the media server runs on the agent's machine."""
        self.stamps: list[int] = []
        """How far the clock that dates a log line was ahead at that time. The line is written by a media server on the
        agent's machine, or by the agent itself when a callback of a media server elsewhere arrives."""
        self._boot()

    def _boot(self) -> None:
        self.boots += 1
        ahead = self.clocks.choice(WRONG)
        if abs(ahead) >= DAY:
            self._count("machine booted in 1970" if ahead < 0 else "machine booted far ahead")
        self.machine = Machine(
            f"machine boot {self.boots}", self.now, ahead, self.clocks.randrange(5_000), self.drift_ppm
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
        ends = (line.ended_at for line in self.server.log[len(self.stamps) :])
        self.stamps += [self.machine.wall(end) - end for end in ends]

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
        self.round_trip_ms = None
        self._offset_ms(ledger)
        if ledger.is_undated and not self._learn_time(ledger):
            return
        request = ledger.epoch_request()
        sent = self.machine.elapsed(self.now)
        if request is not None:
            issued = self._exchange(ledger, request)
            if isinstance(issued, EpochIssued):
                self._observe(sent, issued.received_at, issued.now, issued.clock)
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
            self._observe(sent, reply.received_at, reply.now, reply.clock)
            ledger.acknowledge(reply, now)
            ledger.record_successful_sync(now)
            self._follow(ledger)
        elif isinstance(reply, Refusal):
            self._observe(sent, reply.received_at, reply.timestamp, reply.clock)
            if reply.reason == "clock":
                self._count("coverage of the future refused")
                self._learn_time(ledger)
            ledger.handle_refusal(reply)

    def _learn_time(self, ledger: Ledger) -> bool:
        for _ in range(AGREEING_SAMPLES):
            sent = self.machine.elapsed(self.now)
            reply = self._exchange(ledger, ClockQuestion())
            if isinstance(reply, ClockReading):
                self._observe(sent, reply.received_at, reply.now, reply.clock)
        if not self.time_line.is_known:
            return False
        self._follow(ledger)
        return not ledger.is_undated

    def _observe(self, sent: int, received_at: int | None, replied_at: int, clock: ClockState) -> None:
        answered = self.machine.elapsed(self.now)
        self.time_line.observe(sent, answered, received_at, replied_at, clock)
        if clock == "trusted":
            self.round_trip_ms = answered - sent

    def _follow(self, ledger: Ledger) -> None:
        offset_ms = self.correction(ledger)
        if offset_ms is None:
            return
        self._count("time line corrected")
        if self.round_trip_ms is not None:
            # The newest exchange bounds the error. A short pause of the machine makes older samples wrong by 3 s.
            right_ms = self.service_now - self.machine.elapsed(self.now)
            error_ms, before_ms = abs(offset_ms - right_ms), abs(self._offset_ms(ledger) - right_ms)
            assert error_ms <= SECOND + self.round_trip_ms + 300, f"the time line is corrected to {error_ms} ms off"
            assert error_ms <= before_ms + 2 * SECOND, (
                f"a time line that is {before_ms} ms off is now {error_ms} ms off"
            )
        self.time_line.follow(ledger, offset_ms)

    def correction(self, ledger: Ledger) -> int | None:
        return self.time_line.correction(ledger, self.machine.wall(self.now) - self.machine.elapsed(self.now))

    # The service.

    @property
    def service_now(self) -> int:
        """The service's trusted time."""
        return trusted_time.trusted_ms(self.trusted, self.now)

    @property
    def service_wall(self) -> int:
        return max(1, self.now + self.service_ahead)

    def serve(self, message: Message) -> Reply:
        self._take_time()
        if self.is_service_off:
            raise SimulatedCrashError("the service is off")
        self._look_at_clocks()
        received = self.service_now
        self._take_time()
        reply = super().serve(message)
        clock: ClockState = "trusted" if self.trusted.doubt is None else "doubtful"
        reply = msgspec.structs.replace(reply, received_at=received, clock=clock)
        if self.chance.happens("one reply with a wrong clock", 0.01):
            reply = _shifted(reply, self.clocks.choice((-1, 1)) * self.clocks.randrange(2 * MINUTE, HOUR))
        self._take_time()
        return reply

    def _look_at_clocks(self) -> None:
        """Tick the service's trusted time, with the clocks of the machines that report."""
        offset_ms = self.machine.wall(self.now) - self.now
        seen = {SERVER: MachineReading(self.machine.boot, offset_ms, self.now)}
        seen |= {f"edge {n}": MachineReading(f"boot {n}", 0, self.now) for n in range(self.fleet)}
        self.trusted = trusted_time.see_machines(self.trusted, seen, self.now)
        self.trusted = trusted_time.tick(self.trusted, self.trusted.boot, self.service_wall, self.now)
        if self.trusted.doubt is not None:
            self._count("service's clock doubtful")
        closing_time = self.closing_time()
        if closing_time is not None:
            self.closed_to = max(self.closed_to, closing_time // DAY * DAY)
            assert self.closed_to <= self.now + 2 * MINUTE, "a day is closed before it is over"
            for key in [key for key in self.store.slots if key[1] < closing_time - KEEP_MS]:
                del self.store.slots[key]

    def closing_time(self) -> int | None:
        """Return the time by which the service closes and discards; `None` in doubt."""
        return self.service_now if self.trusted.doubt is None else None

    def _take_time(self) -> None:
        slow = self.clocks.random() < 0.1
        taken_ms = self.clocks.choice((0, 0, 1, 30, 8_000 if slow else 2))
        if taken_ms >= SECOND:
            self._count("reply delayed")
        self.now += taken_ms

    def handle(self, store: Store, message: Message) -> Reply:
        true_now, self.now = self.now, self.service_now
        try:
            if isinstance(message, ClockQuestion):
                return ClockReading(now=self.now, received_at=self.now)
            if isinstance(message, Report) and self.is_future(message):
                return Refusal(
                    error_message="",
                    timestamp=self.now,
                    reason="clock",
                    epoch=store.state.epoch,
                    acknowledged=store.state.acknowledged,
                )
            reply = super().handle(store, message)
            if isinstance(message, Report) and isinstance(reply, Acknowledgement):
                newest = find_newest_instant(message)
                assert newest <= self.now + MOST_AHEAD_MS, "a report of the future is stored"
            return reply
        finally:
            self.now = true_now

    def is_future(self, report: Report) -> bool:
        """Return whether a report covers time after the service's; `self.now` is the service's time here."""
        return find_newest_instant(report) > self.now + MOST_AHEAD_MS

    # The schedule.

    def run(self) -> Simulation:
        self._read()
        while self.store.state.watermark is None:
            self._sync()  # what a journal loses that nobody ever received is no fault of a clock
        return super().run()

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
        elif fault < 0.11:
            self._set_service_clock()
        elif fault < 0.12:
            self._restart_service()
        elif fault < 0.1205:
            self._stop_service_for_days()
        else:
            super()._step()

    def _set_service_clock(self) -> None:
        before, self.service_ahead = self.service_ahead, self.clocks.choice((0, *SERVICE_WRONG))
        if abs(before) >= HOUR and not self.service_ahead:
            self._count("service's clock set back")
        if self.service_ahead >= DAY:
            self._count("service's clock years ahead")
        elif self.service_ahead < -DAY:
            self._count("service's clock in 1970")

    def _restart_service(self) -> None:
        """Restart the service, or its machine: only the store shows the time then."""
        boot, kept = self.trusted.boot, self.trusted
        if self.clocks.random() < 0.7:
            self.service_boots += 1
            boot = f"service boot {self.service_boots}"
            self._count("service's machine rebooted")
        newest = self.store.state.watermark
        self.trusted = trusted_time.start(kept, boot, self.service_wall, self.now, newest, 0)

    def _stop_service_for_days(self) -> None:
        self._count("service stopped for days")
        self.is_service_off = True
        for _ in range(6):
            self.now += DAY // 2
            self._read_or_crash()
            self._sync_or_crash()
        self.is_service_off = False
        kept, newest = self.trusted, self.store.state.watermark
        self.trusted = trusted_time.start(kept, kept.boot, self.service_wall, self.now, newest, 0)

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
        """End all faults. The machine's clock stays as wrong as it is, the service's is set right."""
        self.chance.on = False
        self.page_ms = self.service_ahead = 0
        self._look_at_clocks()
        for _ in range(26):
            if self.trusted.doubt is None:
                break
            self.now += HOUR
            self._look_at_clocks()
        assert self.trusted.doubt is None, "a doubt has not ended"
        for _ in range(3):
            self._read()
            self._sync()
        super()._heal()
        for _ in range(2):  # a time line that was corrected meanwhile reaches the present with the next reading
            self._read()
            self._sync()


def _shifted(reply: Reply, by_ms: int) -> Reply:
    """Return a reply of a service whose clock was wrong for a moment."""
    received = None if reply.received_at is None else reply.received_at + by_ms
    if isinstance(reply, Refusal):
        return msgspec.structs.replace(reply, received_at=received, timestamp=reply.timestamp + by_ms)
    return msgspec.structs.replace(reply, received_at=received, now=reply.now + by_ms)
