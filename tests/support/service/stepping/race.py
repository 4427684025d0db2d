"""A race of two operations in two processes, in the order of a schedule.

A process that waits for a lock of the other one cannot be stepped: the other one is, until the lock is released.
"""

import time
from collections.abc import Callable, Sequence

import psycopg

from tests.support.service.stepping.process import COMMIT, Process
from tests.support.service.stepping.schedules import Schedule

FIRST_LOOK_S = 0.003
"""How long a statement runs before the database is queried whether it waits for a lock."""
LONGEST_RACE_S = 90.0
"""The limit of a wait for both processes: a race that takes longer hangs."""

_IS_BLOCKED = "SELECT %s = ANY(pg_blocking_pids(%s))"


class HangError(AssertionError):
    """The two processes did not end."""


class Race:
    """Runs the operations of two processes that were started."""

    def __init__(
        self, processes: Sequence[Process], monitor: "psycopg.Connection[tuple[bool]]", on_commit: Callable[[], None]
    ) -> None:
        self.processes = processes
        self.order = ""
        """The label of the process of each statement, in the order in which they began."""
        self.first_blocked: tuple[int, int] | None = None
        """How many statements had run in the first and in the second process when one of them had to wait first."""
        self._monitor = monitor
        self._on_commit = on_commit
        self._ends_at = time.monotonic() + LONGEST_RACE_S

    def run(self, schedule: Schedule) -> None:
        """Run both operations to their end."""
        first = schedule[0].process if schedule else 0
        try:
            for process in self.processes:
                self._settle(process)
            for process, statements in (*schedule, (first, None), (1 - first, None)):
                self._run_turn(self.processes[process], self.processes[1 - process], statements)
        finally:
            for process in self.processes:
                process.open_gate()

    def _run_turn(self, process: Process, other: Process, statements: int | None) -> None:
        """Run so many statements of a process; `None` for all that are left."""
        while statements is None or statements > 0:
            while not self._settle(process):
                self._run_transaction(other)
            if process.is_done:
                return
            self._step(process)
            if statements is not None:
                statements -= 1

    def _run_transaction(self, process: Process) -> None:
        """Run the rest of the transaction whose locks the other process waits for, as far as possible."""
        process.has_ended_transaction = False
        while not process.has_ended_transaction and self._settle(process) and not process.is_done:
            self._step(process)

    def _step(self, process: Process) -> None:
        statement = process.permit()
        self.order += process.label
        self._settle(process)
        if statement == COMMIT:
            self._on_commit()

    def _settle(self, process: Process) -> bool:
        """Wait until the next statement of a process waits for its permit, or none is left. Return False if a lock of
        the other process prevents that.
        """
        wait_s = FIRST_LOOK_S
        while not process.wait(wait_s):
            if time.monotonic() > self._ends_at:
                raise HangError(self._describe())
            if self._is_blocked(process):
                if self.first_blocked is None:
                    self.first_blocked = (len(self.processes[0].passed), len(self.processes[1].passed))
                return False
            wait_s = min(2 * wait_s, 0.05)
        return True

    def _is_blocked(self, process: Process) -> bool:
        (other,) = (each for each in self.processes if each is not process)
        row = self._monitor.execute(_IS_BLOCKED, (other.backend, process.backend)).fetchone()
        return row is not None and row[0]

    def _describe(self) -> str:
        states = [
            f"{process.label} {'has ended' if process.is_done else f'runs {process.passed[-1:]}'}"
            for process in self.processes
        ]
        return f"the processes hang: {'; '.join(states)}; order so far {self.order}"
