"""The journal's file: who may read it, and that a moved, replaced or removed one is noticed."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import MissingJournalError, SqliteJournal
from tests.support.database_files import move, remove, remove_log, replace


@pytest.mark.parametrize("change", [move, remove, replace, remove_log])
def test_changed_file_is_noticed(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    ledger = Ledger(journal, "journal-1", "edge-1", "edge", 10_000)
    change(path)
    with pytest.raises(MissingJournalError, match=r"journal\.db(-wal)? was (moved or removed|replaced)"):
        ledger.record_failed_sync("outage", "unreachable", 1_000)
    with pytest.raises(MissingJournalError), journal.transaction():
        raise AssertionError("the transaction began")
    journal.close()


def test_file_that_moves_during_a_transaction_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    with pytest.raises(MissingJournalError), journal.transaction():
        move(path)
    journal.close()


def test_files_can_be_read_by_their_owner_only(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    Ledger(journal, "journal-1", "edge-1", "edge", 10_000)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    journal.close()
    assert modes == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db.ballast": 0o600}


def test_existing_file_that_others_can_read_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "journal.db"
    SqliteJournal(path).close()
    path.chmod(0o644)
    SqliteJournal(path).close()
    assert [record.getMessage().endswith(f"chmod 600 {path}") for record in caplog.records] == [True]
