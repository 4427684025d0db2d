"""A damaged journal is never refused and never deleted; a whole one goes on, else a new one begins."""

from pathlib import Path
from random import Random

import pytest

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.protocol import Head
from streamusage.agent.journal.salvage import open_journal, salvaged_path
from streamusage.agent.journal.sqlite import Ballast, SqliteJournal
from streamusage.api.report import Based, EpochIssued
from tests.faults.media_server import MediaServer


def a_journal(path: Path) -> Head:
    """A journal with some hundred rows; its head."""
    server = MediaServer(Random(3), now := 1_000_000_000)
    journal = SqliteJournal(path, synchronous="off")
    ledger = Ledger(journal, "journal-1", "edge-1", "edge", 10_000)
    for step in range(200):
        now += 20_000
        server.connect(now, "play" if step % 10 else "publish", f"s{step % 7}")
        server.move_bytes(now)
        ledger.record(server.read(now, ledger.cursor))
    ledger.continue_from(EpochIssued(epoch=1, based_on=Based(0, 0), now=now), ())
    journal.close()
    return ledger.head


def opened(path: Path) -> Head:
    journal = open_journal(path)
    head = Ledger(journal, "journal-2", "edge-1", "edge", 10_000).head
    journal.close()
    return head


def set_aside(directory: Path) -> list[Path]:
    return [path for path in directory.glob("*.damaged-*") if not path.name.endswith(("-wal", "-shm"))]


def test_a_sound_journal_goes_on(tmp_path: Path) -> None:
    head = a_journal(tmp_path / "journal.db")
    assert opened(tmp_path / "journal.db") == head
    assert not set_aside(tmp_path)


def test_a_journal_whose_index_is_damaged_is_salvaged_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    head = a_journal(path)
    damage_the_index(path)
    assert opened(path) == head
    assert len(set_aside(tmp_path)) == 1


def test_where_nothing_can_be_salvaged_to_the_damaged_journal_stays_for_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    head = a_journal(path)
    damage_the_index(path)
    in_the_way = salvaged_path(path)
    in_the_way.mkdir()
    with pytest.raises(OSError, match="salvaged"):
        opened(path)
    assert not set_aside(tmp_path)
    in_the_way.rmdir()
    assert opened(path) == head
    assert len(set_aside(tmp_path)) == 1


def test_a_start_that_died_between_two_names_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    head = a_journal(path)
    path.rename(salvaged_path(path))
    assert opened(path) == head
    assert sorted(kept.name for kept in tmp_path.iterdir()) == ["journal.db", "journal.db.ballast"]


def damage_the_index(path: Path) -> None:
    """Overwrites the root page of the index, which holds nothing that the rows do not."""
    import apsw

    connection = apsw.Connection(str(path))
    (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'rows_by_revision'").fetchone()
    size = connection.pragma("page_size")
    connection.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = bytes(size)
    path.write_bytes(content)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_overwritten_the_agent_starts_and_nothing_is_deleted(seed: int, tmp_path: Path) -> None:
    """Either every record is there again, or a new journal begins; never something in between."""
    path = tmp_path / "journal.db"
    head = a_journal(path)
    content = bytearray(path.read_bytes())
    random = Random(seed)
    for _ in range(random.choice((1, 3, 20))):
        at = random.randrange(len(content))
        content[at : at + 64] = random.randbytes(64)
    del content[len(content) - 10_000 * (seed % 3 == 0) :]
    path.write_bytes(content)
    found = opened(path)
    assert found == head or found.journal == "journal-2"
    if found != head:
        assert [kept.read_bytes() for kept in set_aside(tmp_path)] == [bytes(content)]


def test_no_journal_at_all_begins_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"")
    assert opened(tmp_path / "journal.db").journal == "journal-2"


def test_ballast_is_held_and_given_up(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "journal.db")
    ballast.reserve()
    assert ballast.path.stat().st_size == Ballast.BYTES
    ballast.release()
    assert not ballast.path.exists()
    ballast.release()
