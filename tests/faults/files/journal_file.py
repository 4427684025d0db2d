"""The simulator's agent with its journal in a real SQLite file, which is reopened at every crash."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import SqliteJournal
from tests.faults.simulator import Simulation


class CrashingJournal:
    """A journal file at whose commits the agent may die, before or after."""

    def __init__(self, path: Path, simulation: Simulation) -> None:
        self.path = path
        self.chance = simulation.chance
        self.journal = SqliteJournal(path, synchronous="off")

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with self.journal.transaction() as tx:
            yield tx
            self.chance.crash("before the journal's commit")
        self.chance.crash("after the journal's commit")

    def record_sent(self, journal: str, revision: int) -> None:
        self.journal.record_sent(journal, revision)

    def reopen(self) -> None:
        self.journal.close()
        self.journal = SqliteJournal(self.path, synchronous="off")
        self.journal.check()


class FileSimulation(Simulation):
    """A simulation whose agent has its journal in a file."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.directory = directory
        self.files: list[CrashingJournal] = []
        super().__init__(seed)

    def new_journal(self) -> Any:
        self.journals += 1
        self.files.append(CrashingJournal(self.directory / f"{self.seed}-{self.journals}.db", self))
        return self.files[-1]

    def make_ledger(self) -> Ledger:
        self.files[-1].reopen()
        return super().make_ledger()
