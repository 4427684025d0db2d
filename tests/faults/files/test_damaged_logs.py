"""A byte of the write-ahead log is flipped after a crash: of an agent's journal, and of the service's store.

SQLite ends the log where a frame does not match its checksum, without a report. What opens is an older state. Each
figure is healed all the same: a journal continues, or a new one does; agents send again what the service lost.
"""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.salvage import FILE_SUFFIXES, open_journal
from streamusage.agent.journal.sent_file import Sent, SentFile, is_older
from streamusage.agent.journal.sqlite import Ballast
from streamusage.service.errors import StoreError
from tests.faults.files.journal_file import CrashingJournal, FileSimulation
from tests.faults.invariants import check
from tests.faults.store_simulation import SqliteSimulation, check_days, check_ledger

LOG_HEADER_BYTES = 32
FRAME_BYTES = 24 + 4096
EVENTS = 60


def run_events(simulation: Any) -> None:
    """Let viewers come and go, and the agent read and report."""
    simulation._read()
    simulation._sync()
    simulation._sync()
    steps = (simulation._connect, simulation._disconnect, simulation._move_bytes, simulation._read, simulation._sync)
    for _ in range(EVENTS):
        simulation._pass_time()
        simulation.random.choices(steps, (3, 1, 4, 6, 3))[0]()


def copy_damaged(path: Path, to: Path, frame: int) -> bool:
    """Copy a database as a crash leaves it, with a byte of a frame of its log flipped. Return whether it has the
    frame.
    """
    to.parent.mkdir()
    for suffix in FILE_SUFFIXES:
        part = path.with_name(path.name + suffix)
        if part.exists() and suffix != "-shm":
            shutil.copyfile(part, to.with_name(to.name + suffix))
    log = to.with_name(to.name + "-wal")
    content = bytearray(log.read_bytes())
    at = LOG_HEADER_BYTES + frame * FRAME_BYTES + random.Random(frame).randrange(FRAME_BYTES)
    if at >= len(content):
        return False
    content[at] ^= 1 << frame % 8
    log.write_bytes(content)
    return True


@pytest.mark.parametrize("seed", range(3))
def test_flipped_byte_in_the_log_of_a_journal_changes_no_figure(
    seed: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    replaced = continued = 0
    for frame in range(0, 400, 3):
        directory = tmp_path / f"{frame}"
        directory.mkdir()
        simulation = FileSimulation(seed, directory)
        run_events(simulation)
        damaged = directory / "crashed" / "journal.db"
        if not copy_damaged(simulation.files[-1].path, damaged, frame):
            break
        caplog.clear()
        opened = open_journal(damaged)
        with opened.transaction() as tx:
            is_new = tx.head() is None
        opened.close()
        simulation.files.append(CrashingJournal(damaged, simulation))
        simulation.journal, simulation.ledger = simulation.files[-1], None
        simulation.journals += 1
        simulation.watching_at_least.clear()
        simulation._heal()
        check(simulation)
        replaced, continued = replaced + is_new, continued + (not is_new)
        for file in simulation.files:
            file.journal.close()
            Ballast(file.path).release()
    assert replaced > 3, "the older state of a journal whose newer one was sent is replaced"
    assert continued, "it is continued if nothing newer was sent"


@pytest.mark.parametrize("seed", range(2))
def test_flipped_byte_in_the_log_of_a_store_is_healed_by_agents(seed: int, tmp_path: Path) -> None:
    lost = 0
    for frame in range(0, 4_000, 37):
        directory = tmp_path / f"{frame}"
        directory.mkdir()
        simulation = SqliteSimulation(seed, directory)
        run_events(simulation)
        damaged = directory / "crashed" / "usage.db"
        more = copy_damaged(simulation.path, damaged, frame)
        simulation.sql.close()
        if not more:
            break
        simulation.path, simulation.url = damaged, f"sqlite:///{damaged}"
        before = simulation._agent().head.acknowledged
        try:
            simulation.sql = simulation._open()
        except StoreError:
            continue  # found
        with simulation.sql.reading() as connection:
            found = connection.exec_driver_sql("SELECT acknowledged FROM servers").scalar()
        lost += (found or 0) < before
        simulation._heal()
        simulation._read_store()
        check(simulation)
        check_days(simulation)
        check_ledger(simulation)
        simulation.sql.close()
    assert lost, "the service lost what it had acknowledged"


def test_older_journal_is_kept_and_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    simulation = FileSimulation(1, tmp_path)
    run_events(simulation)
    path = simulation.files[-1].path
    simulation.files[-1].journal.close()
    SentFile(path).write(Sent("journal-1", 10_000))
    opened = open_journal(path)
    Ledger(opened, "another", "edge-1", "edge", 10_000)
    with opened.transaction() as tx:
        head = tx.head()
    assert head is not None
    assert head.journal == "another"
    assert "older state of itself" in caplog.text
    assert len(list(tmp_path.glob("*.damaged-*Z"))) == 1
    assert SentFile(path).read() is None
    opened.close()


@pytest.mark.parametrize(
    ("journal", "revision", "sent", "expected"),
    [
        ("j", 5, None, False),
        ("j", 5, Sent("j", 5), False),
        ("j", 5, Sent("j", 6), True),
        ("j", 5, Sent("other", 6), False),
        ("j", 50, Sent("j~1", 6), True),
        ("j~1", 1, Sent("j", 600), False),
        ("j~2", 7, Sent("j~2", 8), True),
    ],
)
def test_journal_is_older_than_what_it_sent(journal: str, revision: int, sent: Sent | None, expected: bool) -> None:
    assert is_older(journal, revision, sent) == expected


@pytest.mark.parametrize("content", [b"", b"12 7 j\n", b"\xff\xfe", b"x"])
def test_content_that_does_not_match_its_checksum_is_ignored(tmp_path: Path, content: bytes) -> None:
    file = SentFile(tmp_path / "journal.db")
    file.write(Sent("j~1", 12))
    assert file.read() == Sent("j~1", 12)
    assert file.path.stat().st_mode & 0o777 == 0o600
    file.path.write_bytes(content)
    assert file.read() is None
