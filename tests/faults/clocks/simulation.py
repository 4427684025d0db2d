"""Simulated clocks: of the agent's machine, of the media server's machine and of the service, each wrong in its way.

The schedule is that of `Simulation`. The agent's time line is the product's; readings and log lines carry the wall
clocks of their machines, pages and replies take time, machines reboot, suspend and lose their time.
"""

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
from streamusage.service.rules.apply import classify_report, covered_of_reporter, find_newest_instant, was_refused
from streamusage.service.rules.trusted_time import MachineReading
from tests.faults.clocks.machines import DAY, HOUR, MINUTE, SECOND, WRONG, Machine
from tests.faults.clocks.seen_viewers import SeenViewers
from tests.faults.clocks.service_clock import ServiceClock
from tests.faults.memory import SERVER, SimulatedCrashError, Store
from tests.faults.simulator import Message, Reply, Simulation

MOST_FIRST_SYNCS = 100
"""Attempts to send the first report. An agent with the right rules needs two or three: a mutation may never succeed."""


class ClockedSimulation(ServiceClock, Simulation):
    """A schedule in which no clock can be trusted. The rules that a mutation may break are methods of their own."""

    PARTS_CHANCE = 0.0
    LOST_COMMITS_WEIGHT = 0.0

    def __init__(self, seed: int, steps: int = 60) -> None:
        self.clocks = Random(f"clocks {seed}")
        self.boots = 0
        self.clock_faults = {}
        self.choose_fleet(seed)
        self.drift_ppm = self.clocks.choice((0, 0, 0, 100, -100))
        self.round_trip_ms: int | None = None
        self.is_service_off = False
        self.page_ms = self.clocks.choice((0, 0, 20, 4_000))
        self.longest_answer_ms = self.page_ms
        super().__init__(seed, steps)
        self.start_clocks(self.now)
        self.viewers = SeenViewers(seed, self.server)
        if self.page_ms >= SECOND:
            self._count("page answered late")
        if self.drift_ppm:
            self._count("machine's clock drifts")
        self._count(self.viewers.description)
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
        self.viewers.stop_listening()
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
        log_from = len(self.server.log) if ledger.cursor is None else int(ledger.cursor)
        is_first = ledger.cursor is None
        self.viewers.listen()
        self.now += self.clocks.randrange(self.page_ms + 1)
        page = self.server.read(self.now, ledger.cursor)
        answer_ms = self.clocks.randrange(self.page_ms + 1)
        self.now += answer_ms
        if answer_ms and self.server.open and self.clocks.random() < 0.3:
            self.server.disconnect(self.now, self.clocks.choice(list(self.server.open)))
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
        reading = self.see(self.viewers.show(reading, log_from, is_first))
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
            msgspec.structs.replace(
                self.server.log[at], ended_at=max(1, self.server.log[at].ended_at + self.stamps[at])
            )
            for at in range(from_line, to_line)
            if not self.viewers.is_lost(at)
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
            ledger.handle_refusal(reply)
            if reply.reason == "clock":
                self._count("coverage of the future refused")
                self._learn_time(ledger)

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
            # The newest exchange bounds the error; samples from before a pause of the machine may be wrong.
            right_ms = self.service_now - self.machine.elapsed(self.now)
            error_ms, before_ms = abs(offset_ms - right_ms), abs(self._offset_ms(ledger) - right_ms)
            assert error_ms <= SECOND + self.round_trip_ms + 300, f"the time line is corrected to {error_ms} ms off"
            agreed = self.time_line._samples.agreed
            assert agreed is not None
            assert error_ms <= before_ms + 2 * agreed.uncertainty_ms, (
                f"a time line that is {before_ms} ms off is now {error_ms} ms off"
            )
        self.time_line.follow(ledger, offset_ms)

    def correction(self, ledger: Ledger) -> int | None:
        return self.time_line.correction(ledger, self.machine.wall(self.now) - self.machine.elapsed(self.now))

    # The service.

    def serve(self, message: Message) -> Reply:
        self._take_time()
        if self.is_service_off:
            raise SimulatedCrashError("the service is off")
        self.look_at_clocks()
        received = self.service_now
        self._take_time()
        reply = super().serve(message)
        clock: ClockState = "trusted" if self.trusted.doubt is None else "doubtful"
        reply = msgspec.structs.replace(reply, received_at=received, clock=clock)
        if self.chance.happens("one reply with a wrong clock", 0.01):
            reply = _shifted(reply, self.clocks.choice((-1, 1)) * self.clocks.randrange(2 * MINUTE, HOUR))
        self._take_time()
        return reply

    def look_at_clocks(self) -> None:
        offset_ms = self.machine.wall(self.now) - self.now
        self.tick_service({SERVER: MachineReading(self.machine.boot, offset_ms, self.now)})

    def find_newest_time(self) -> int | None:
        return self.store.state.watermark

    def discard(self, before_ms: int) -> None:
        old = [key for key in self.store.slots if key[1] < before_ms]
        assert not old, f"{len(old)} slots of the last days are discarded"

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
            if isinstance(message, Report) and self.is_refused(store, message):
                return Refusal(
                    error_message="",
                    timestamp=self.now,
                    reason="clock",
                    epoch=store.state.epoch,
                    acknowledged=store.state.acknowledged,
                    acknowledged_to=covered_of_reporter(store.state, message),
                )
            reply = super().handle(store, message)
            if isinstance(message, Report) and isinstance(reply, Acknowledgement):
                newest = find_newest_instant(message)
                assert newest <= self.now + MOST_AHEAD_MS, "a report of the future is stored"
            return reply
        finally:
            self.now = true_now

    def is_refused(self, store: Store, report: Report) -> bool:
        """Return whether a report is refused for its dates, and record it."""
        life = report.epoch, report.life
        if self.is_future(report):
            store.refused[life] = max(report.upto, store.refused.get(life, 0))
            return True
        is_new = classify_report(store.state, report) == "apply"
        return is_new and was_refused(report, store.refused.get(life, 0))

    def is_future(self, report: Report) -> bool:
        """Return whether a report covers time after the service's; `self.now` is the service's time here."""
        return find_newest_instant(report) > self.now + MOST_AHEAD_MS

    # The schedule.

    def run(self) -> Simulation:
        self._read()
        self._deliver_first_report()
        return super().run()

    def _deliver_first_report(self) -> None:
        # What a journal loses that nobody ever received is no fault of a clock.
        for _ in range(MOST_FIRST_SYNCS):
            if self.store.state.watermark is not None:
                return
            self._sync()
        raise AssertionError(f"no report was accepted in {MOST_FIRST_SYNCS} attempts")

    def happened(self) -> dict[str, int]:
        return {**super().happened(), **self.clock_faults}

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
            self.set_service_clock()
        elif fault < 0.12:
            self.restart_service()
        elif fault < 0.1205:
            self._stop_service_for_days()
        else:
            super()._step()

    def _stop_service_for_days(self) -> None:
        self._count("service stopped for days")
        self.is_service_off = True
        for _ in range(6):
            self.now += DAY // 2
            self._read_or_crash()
            self._sync_or_crash()
        self.is_service_off = False
        self.start_service_again()

    def _reboot(self) -> None:
        died_at = self.now
        self._stamp_lines()
        self.viewers.stop_listening()
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
        self.page_ms = 0
        self.end_doubt()
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
