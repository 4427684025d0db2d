"""The same histories with the agent's journal in a real SQLite file, which is reopened at every crash."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import DamagedJournalError, JournalError, SqliteJournal
from tests.faults.invariants import check
from tests.faults.simulator import SYNC_INTERVAL_MS, Simulation


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


@pytest.mark.parametrize("seed", range(60))
def test_histories_with_a_journal_file_violate_no_invariant(seed: int, tmp_path: Path) -> None:
    simulation = FileSimulation(seed, tmp_path)
    try:
        check(simulation.run())
    finally:
        for file in simulation.files:
            file.journal.close()


def test_second_agent_cannot_open_the_journal(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    with pytest.raises(JournalError, match="another agent has this journal open"):
        SqliteJournal(tmp_path / "journal.db")
    journal.close()


def test_changed_byte_fails_the_checksum(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    Ledger(journal, "journal-1", "edge-1", "edge", SYNC_INTERVAL_MS)
    journal.close()
    path.write_bytes(path.read_bytes().replace(b"journal-1", b"journal-2"))
    journal = SqliteJournal(path)
    with pytest.raises(DamagedJournalError, match="checksum"):
        journal.check()


def test_file_that_is_not_a_journal_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"this is not a database, but it is long enough for a header " * 40)
    with pytest.raises(DamagedJournalError, match="damaged"):
        SqliteJournal(path)
    assert path.read_bytes().startswith(b"this is not a database")
