"""Runs two operations in two processes, each schedule from the same start state, and compares with serial orders."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import NamedTuple

from streamusage.service.store.store import open_store
from tests.support.service.change_follower import ChangeFollower
from tests.support.service.stepping.copies import Content, Copies, copies_in, find_differences, find_feed_faults
from tests.support.service.stepping.operations import Operation, operations_of
from tests.support.service.stepping.process import Process
from tests.support.service.stepping.race import Race
from tests.support.service.stepping.schedules import SERIAL, Schedule
from tests.support.service.stepping.start_state import BEGAN, NOW, SECOND, StartState

PAGE = 5
"""Changes of a page: the reader needs several pages for what one operation changes."""

Pair = tuple[Operation, Operation]


class Outcome(NamedTuple):
    """What two operations have left, and what they returned."""

    content: Content
    results: tuple[str, str]


class Run(NamedTuple):
    """An outcome, and how it came about."""

    outcome: Outcome
    statements: tuple[int, int]
    """How many statements each process ran."""
    order: str
    first_blocked: tuple[int, int] | None
    feed_faults: list[str]


class Crossing:
    """Two processes on a database with a start state."""

    def __init__(self, copies: Copies, processes: tuple[Process, Process], state: StartState) -> None:
        self.operations = operations_of(state)
        self._copies = copies
        self._processes = processes
        self._serial: dict[tuple[str, ...], tuple[Run, Run]] = {}
        copies.keep()
        at_start = ChangeFollower(processes[0].store, PAGE)
        at_start.poll()
        self._cursor, self._records = at_start.cursor, at_start.records
        self._content = copies.start

    def run(self, pair: Pair, schedule: Schedule) -> Run:
        """Run both operations from the start state."""
        self._copies.restore(self._content)
        follower = ChangeFollower(self._processes[0].store, PAGE)
        follower.cursor, follower.records = self._cursor, dict(self._records)
        for process in self._processes:
            process.remember_history(True)
        starts = [
            operation.prepare(process.store, NOW + number * SECOND)
            for number, (operation, process) in enumerate(zip(pair, self._processes, strict=True))
        ]
        for start, process in zip(starts, self._processes, strict=True):
            process.remember_history(not any(operation.follows_failover for operation in pair))
            start(process)
        race = Race(self._processes, self._copies.connection, follower.poll)
        race.run(schedule)
        first, second = self._processes
        self._content = self._copies.read()
        return Run(
            Outcome(self._content, (first.result, second.result)),
            (len(first.passed), len(second.passed)),
            race.order,
            race.first_blocked,
            find_feed_faults(self._content) + follower.find_faults(),
        )

    def run_serially(self, pair: Pair) -> tuple[Run, Run]:
        """Return the runs of both serial orders."""
        key = tuple(f"{operation.kind} {operation.name}" for operation in pair)
        if key not in self._serial:
            first, second = SERIAL
            self._serial[key] = self.run(pair, first), self.run(pair, second)
        return self._serial[key]

    def count_statements(self, pair: Pair) -> tuple[int, int]:
        """Return how many statements each operation runs, at most."""
        one, other = (run.statements for run in self.run_serially(pair))
        return max(one[0], other[0]), max(one[1], other[1])

    def find_violations(self, pair: Pair, schedule: Schedule) -> tuple[list[str], Run]:
        """Run a schedule and return how its outcome differs from both serial orders, and what the feed lacks."""
        serial = self.run_serially(pair)
        run = self.run(pair, schedule)
        faults = list(run.feed_faults)
        if run.outcome not in [each.outcome for each in serial]:
            for name, expected in zip(("the first operation first", "the second one first"), serial, strict=True):
                faults.append(f"differs from {name}:")
                faults += find_differences(run.outcome.content, expected.outcome.content)
                if run.outcome.results != expected.outcome.results:
                    faults.append(f"returned {run.outcome.results}, not {expected.outcome.results}")
        return faults, run


@contextmanager
def crossing_in(url: str, *, has_locks: bool = True) -> Iterator[Crossing]:
    """Yield a crossing in an empty database."""
    with ExitStack() as stack:
        copies = stack.enter_context(copies_in(url))
        filled = open_store(url, BEGAN)
        state = StartState(filled)
        filled.close()
        first, second = (stack.enter_context(closing(Process(label, url, NOW, has_locks=has_locks))) for label in "AB")
        yield Crossing(copies, (first, second), state)
