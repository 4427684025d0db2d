"""A service without any agent: records are imported, and only its own clocks show the time.

Closing and retention advance with trusted time, so that an idle service still closes its days and discards old records.
"""

from random import Random
from typing import NamedTuple

from tests.faults.clocks.machines import DAY, HOUR, MINUTE
from tests.faults.clocks.service_clock import ServiceClock

KEEP_RECORDS_MS = 7 * DAY
LONGEST_WRONG_MS = 12 * HOUR
BEGAN = 20_000 * DAY


class ImportedRecord(NamedTuple):
    """A record with the true time and the service's time of its import."""

    imported_at: int
    touched_at: int


class ImportOnlySimulation(ServiceClock):
    """A schedule of imports, idle time, and wrong clocks of the service."""

    keep_ms = KEEP_RECORDS_MS

    def __init__(self, seed: int, steps: int = 40) -> None:
        self.seed = seed
        self.clocks = Random(f"import only {seed}")
        self.clock_faults = {}
        self.fleet = []
        self.steps = steps
        self.now = BEGAN + self.clocks.randrange(DAY)
        self.records: list[ImportedRecord] = []
        self.discarded = 0
        self.wrong_from = self.now
        self.start_clocks(self.now)

    def run(self) -> "ImportOnlySimulation":
        self._import()
        for _ in range(self.steps):
            self._wait(self.clocks.choice((MINUTE, HOUR, 8 * HOUR, 30 * HOUR)))
            fault = self.clocks.random()
            if fault < 0.4:
                self._import()
            elif fault < 0.6:
                self._set_wrong()
            elif fault < 0.75:
                self.restart_service()
            elif fault < 0.8:
                self.now += 3 * DAY
                self.wrong_from += 3 * DAY
                self.start_service_again()
                self._count("service stopped for days")
        self.end_doubt()
        self._wait(HOUR)
        assert self.closed_to == self.now // DAY * DAY, f"days are closed up to {self.closed_to}, it is {self.now}"
        old = [record for record in self.records if record.imported_at < self.now - self.keep_ms - HOUR]
        assert not old, f"{len(old)} records of more than a week ago are not discarded"
        return self

    def happened(self) -> dict[str, int]:
        return {**self.clock_faults, **({"old records discarded": self.discarded} if self.discarded else {})}

    def _wait(self, for_ms: int) -> None:
        """Let time pass. Nothing contradicts a wall clock that is wrong for a day, so that it is corrected before."""
        end = self.now + for_ms
        while self.now < end:
            self.now = min(end, self.now + HOUR)
            if self.now - self.wrong_from > LONGEST_WRONG_MS:
                self.service_ahead = 0
            self.look_at_clocks()

    def _set_wrong(self) -> None:
        was_right = not self.service_ahead
        self.set_service_clock()
        self.wrong_from = self.now if was_right else self.wrong_from

    def _import(self) -> None:
        self.look_at_clocks()
        self.records.append(ImportedRecord(self.now, self.service_now))

    def look_at_clocks(self) -> None:
        self.tick_service({})

    def find_newest_time(self) -> int | None:
        return self.trusted.instant_ms  # it is stored every 30 s

    def discard(self, before_ms: int) -> None:
        for record in [record for record in self.records if record.touched_at < before_ms]:
            age_ms, behind_ms = self.now - record.imported_at, record.imported_at - record.touched_at
            assert age_ms + max(0, behind_ms) >= self.keep_ms - 2 * MINUTE, f"a record of {age_ms} ms ago is discarded"
            self.records.remove(record)
            self.discarded += 1


class ImportsClosedByWallClock(ImportOnlySimulation):
    """An idle service closes by its wall clock."""

    def closing_time(self) -> int | None:
        return self.service_wall


class ImportsDiscardedByWallClock(ImportOnlySimulation):
    """An idle service discards by its wall clock."""

    def discarding_time(self) -> int | None:
        return self.service_wall


class ImportsWaitForReports(ImportOnlySimulation):
    """Closing advances with the reports of agents only."""

    def closing_time(self) -> int | None:
        return None
