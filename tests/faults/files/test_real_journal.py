"""The same histories with the agent's journal in a real SQLite file, which is reopened at every crash."""

from pathlib import Path

import pytest

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import DamagedJournalError, JournalError, SqliteJournal
from tests.faults.files.journal_file import FileSimulation
from tests.faults.invariants import check
from tests.faults.simulator import SYNC_INTERVAL_MS


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
