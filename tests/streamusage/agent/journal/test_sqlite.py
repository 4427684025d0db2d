"""The journal's file: who may read it, and that a moved, replaced or removed one is noticed."""

import stat
from collections.abc import Callable
from pathlib import Path

import apsw
import msgspec
import pytest

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.rows import key_of
from streamusage.agent.journal.sqlite import MissingJournalError, SqliteJournal, with_checksum
from streamusage.api.report import Peak, SlotRow
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


PEAK = Peak(bps=8, at=9, window_ms=10)
SLOT = SlotRow(
    slot=60_000,
    revision=3,
    connections={"rtmp": 1},
    bytes_in=4,
    bytes_out=5,
    view_time_ms=6,
    peak_in=PEAK,
    peak_out=None,
)
BODY_OF_SLOT = [60_000, 3, {"rtmp": 1}, 4, 5, 6, {"bps": 8, "at": 9, "window_ms": 10}, None]
"""A slot's row as version 0.1.0 stores it."""


def test_body_of_a_slot_has_the_order_of_the_first_version(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    with journal.transaction() as transaction:
        transaction.put(key_of(SLOT)[1], SLOT)
    journal.close()
    ((body,),) = apsw.Connection(str(tmp_path / "journal.db")).execute("SELECT body FROM rows").fetchall()
    assert msgspec.msgpack.decode(body)[: len(BODY_OF_SLOT)] == BODY_OF_SLOT


@pytest.mark.parametrize("length", [8, 7, 6])
def test_body_of_an_earlier_version_is_read(tmp_path: Path, length: int) -> None:
    SqliteJournal(tmp_path / "journal.db").close()
    body = msgspec.msgpack.encode(BODY_OF_SLOT[:length])
    file = apsw.Connection(str(tmp_path / "journal.db"))
    record = with_checksum((0, "SlotRow", "60000", 3, 120_000, body))
    file.execute("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)", record)
    file.close()
    journal = SqliteJournal(tmp_path / "journal.db")
    with journal.transaction() as transaction:
        (row,) = transaction.changed_since(0)
    journal.close()
    assert row == (SLOT if length > 6 else msgspec.structs.replace(SLOT, peak_in=None))
