"""Mutations of the rules about time: the simulation of wrong clocks must detect every one of them."""

from collections.abc import Callable
from statistics import median_low
from typing import Any
from unittest.mock import patch

import msgspec

from streamusage.agent.journal import acknowledged_marks, folding
from streamusage.agent.journal import ledger as agent_ledger
from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.metering import audiences, meter, passage
from streamusage.agent.metering.line_boots import LineBoots
from streamusage.agent.reading import Reading
from streamusage.agent.sync import offset
from streamusage.api.report import Baseline, ClockState, Report
from streamusage.service.rules import trusted_time
from tests.faults.clocks.machines import DAY, HOUR
from tests.faults.clocks.schedules import LINES_OF_A_WRONG_BOOT, SLOTS_DISCARDED
from tests.faults.clocks.simulation import ClockedSimulation
from tests.faults.simulator import Simulation


class TakesReplyAgeForOffset(ClockedSimulation):
    """The agent takes the age of a reply for an error of its clock."""

    replied_ahead_ms: int | None = None

    def _observe(self, sent: int, received_at: int | None, replied_at: int, clock: ClockState) -> None:
        super()._observe(sent, received_at, replied_at, clock)
        self.replied_ahead_ms = replied_at - self.machine.elapsed(self.now)

    def correction(self, ledger: Ledger) -> int | None:
        if ledger.is_undated or self.replied_ahead_ms is None:
            return super().correction(ledger)
        is_off = abs(self.replied_ahead_ms - self._offset_ms(ledger)) > offset.LEAST_CORRECTION_MS
        return self.replied_ahead_ms if is_off else None


class FilesBaselineTime(ClockedSimulation):
    """The filing time is stored as the baseline: each later reading shows the same setback again."""

    def run(self) -> Simulation:
        step = meter.step

        def step_by_filing_time(state: meter.MeterState, reading: Reading) -> Any:
            after, additions = step(state, reading)
            baseline = msgspec.structs.replace(after.baseline, offset_ms=None)
            return meter.MeterState(baseline, after.viewers), additions

        with patch.object(meter, "step", step_by_filing_time):
            return super().run()


class TakesAgeFromQuestion(ClockedSimulation):
    """Ages on a page are subtracted from the time of the question, although the page is as old as its answer."""

    def see(self, reading: Reading) -> Reading:
        slack_ms = reading.age_slack_ms
        viewers = tuple(msgspec.structs.replace(viewer, age_ms=viewer.age_ms + slack_ms) for viewer in reading.viewers)
        return msgspec.structs.replace(reading, viewers=viewers)


class ClosesByWallClock(ClockedSimulation):
    """The service closes by its wall clock."""

    def closing_time(self) -> int | None:
        return self.service_wall


class DiscardsByWallClock(ClockedSimulation):
    """The service discards by its wall clock."""

    def discarding_time(self) -> int | None:
        return self.service_wall


class BlamesServiceForTwoMachines(ClockedSimulation):
    """The median of three machines contradicts the service's clock, although only two of them do."""

    def run(self) -> Simulation:
        def outvoted_by(machines: list[int], wall_ms: int) -> int | None:
            is_off = (
                len(machines) >= trusted_time.MACHINES and abs(median_low(machines) - wall_ms) > trusted_time.STEP_MS
            )
            return median_low(machines) if is_off else None

        with patch.object(trusted_time, "_outvoted_by", outvoted_by):
            return super().run()


class AcceptsFutureCoverage(ClockedSimulation):
    """The service accepts coverage of time that has not come."""

    def is_future(self, report: Report) -> bool:
        return False


class CorrectsBySingleSample(ClockedSimulation):
    """One sample of the service's clock corrects the time line."""

    def run(self) -> Simulation:
        with patch.object(offset, "AGREEING_SAMPLES", 1):
            return super().run()


class GuessesDurationByWallClock(ClockedSimulation):
    """A duration across a reboot is taken from wall time, at most 40 days."""

    def run(self) -> Simulation:
        measure = passage._passed_on_media_server

        def guess(before: Baseline, viewers: dict[str, Any], boot: str, reading: Reading, last_at: int) -> int | None:
            if before.run == reading.run:
                return measure(before, viewers, boot, reading, last_at)
            wall_before = before.elapsed_ms + (before.machine_offset_ms or 0)
            wall_now = reading.elapsed_ms + (reading.machine_offset_ms or 0)
            return min(max(0, wall_now - wall_before), meter.LONGEST_ABSENCE_MS)

        with patch.object(passage, "_passed_on_media_server", guess):
            return super().run()


class FencesByWallClock(ClockedSimulation):
    """Which journal continues is decided by the time of its first reading."""

    def run(self) -> Simulation:
        def is_newer(baseline: Baseline, reading: Reading) -> bool:
            return baseline.at > reading.elapsed_ms + (reading.machine_offset_ms or 0)

        with patch.object(agent_ledger, "is_newer", is_newer):
            return super().run()


class CreditsLinesInDoubt(ClockedSimulation):
    """Bytes of a log line are added although the clocks do not show to which boot the line belongs."""

    def run(self) -> Simulation:
        with patch.object(LineBoots, "is_certain", lambda *_: True):
            return super().run()


class TrustsUnobservedClock(ClockedSimulation):
    """The time of a log line proves its boot, although nobody observed the machine's clock when it was written."""

    SEEDS = LINES_OF_A_WRONG_BOOT

    def run(self) -> Simulation:
        with patch.object(meter, "UNOBSERVED_FROM_MS", 10**12):
            return super().run()


class DiscardsRowsAfterADay(ClockedSimulation):
    """No mutation: the journal keeps acknowledged rows for a day, so that schedules of some days discard rows."""

    SEEDS = SLOTS_DISCARDED

    def run(self) -> Simulation:
        with (
            patch.object(agent_ledger, "KEEP_ACKNOWLEDGED_MS", DAY),
            patch.object(acknowledged_marks, "MARK_EVERY_MS", HOUR),
        ):
            return super().run()


class CountsIntoDiscardedSlots(DiscardsRowsAfterADay):
    """Units are filed in slots whose rows the journal has discarded, as if the service did not have them."""

    def run(self) -> Simulation:
        with patch.object(folding, "place_row", lambda tx, head, row: row):
            return super().run()


class KeepsStartByWallClock(ClockedSimulation):
    """The start of the media server is remembered by the machine's wall clock."""

    def run(self) -> Simulation:
        with patch.object(meter, "latest_start", lambda reading, now: reading.started_at):
            return super().run()


class MeasuresPausedMachineByItsClock(ClockedSimulation):
    """A paused virtual machine's own clock is the only measure of durations."""

    def run(self) -> Simulation:
        with patch.object(passage, "PAUSED_FROM_MS", 10**12):
            return super().run()


class ForgetsOffset(ClockedSimulation):
    """An agent that restarts files by its wall clock and asks nobody."""

    def start_process(self) -> None:
        super().start_process()
        self.time_line.offset_ms = (  # type: ignore[method-assign]
            lambda ledger, elapsed_ms, wall_ms: _confirm_wall_clock(self, ledger, wall_ms - elapsed_ms)
        )


class CountsNumbersOverAnyPause(ClockedSimulation):
    """Numbers of viewers are taken for the time between two readings, however long it was."""

    def run(self) -> Simulation:
        with patch.object(meter._Step, "_pause_was_too_long", lambda *_: False):
            return super().run()


class CountsJoinsTwice(ClockedSimulation):
    """A new journal counts the joins of its predecessor, too."""

    def run(self) -> Simulation:
        with patch.object(audiences, "_count_joins", lambda last, reading: reading.joined or 0):
            return super().run()


class HidesLostCallbacks(ClockedSimulation):
    """Callbacks that arrived while the agent did not run are not missed."""

    def see(self, reading: Reading) -> Reading:
        return msgspec.structs.replace(reading, misses="", logs_ends=self.server.keeps_log)


def _confirm_wall_clock(simulation: ClockedSimulation, ledger: Ledger, offset_ms: int) -> int:
    ledger.confirm_offset(simulation.machine.boot, offset_ms)
    return offset_ms


CLOCK_MUTATIONS: tuple[Callable[[int], ClockedSimulation], ...] = (
    TakesReplyAgeForOffset,
    FilesBaselineTime,
    TakesAgeFromQuestion,
    ClosesByWallClock,
    DiscardsByWallClock,
    BlamesServiceForTwoMachines,
    AcceptsFutureCoverage,
    CorrectsBySingleSample,
    GuessesDurationByWallClock,
    FencesByWallClock,
    CreditsLinesInDoubt,
    TrustsUnobservedClock,
    CountsIntoDiscardedSlots,
    KeepsStartByWallClock,
    MeasuresPausedMachineByItsClock,
    ForgetsOffset,
    CountsNumbersOverAnyPause,
    CountsJoinsTwice,
    HidesLostCallbacks,
)
