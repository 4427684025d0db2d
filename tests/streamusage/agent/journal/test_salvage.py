"""Recovery of damaged journals: they are never refused and never deleted; complete ones continue."""

from pathlib import Path
from random import Random

import pytest

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.protocol import Head
from streamusage.agent.journal.salvage import open_journal, salvaged_path
from streamusage.agent.journal.sqlite import Ballast
from tests.support.agent.journal_files import a_journal


def open_and_close(path: Path) -> Head:
    journal = open_journal(path)
    head = Ledger(journal, "journal-2", "edge-1", "edge", 10_000).head
    journal.close()
    return head


def damaged_files(directory: Path) -> list[Path]:
    return [path for path in directory.glob("*.damaged-*") if not path.name.endswith(("-wal", "-shm"))]


def test_intact_journal_continues(tmp_path: Path) -> None:
    head = a_journal(tmp_path / "journal.db")
    assert open_and_close(tmp_path / "journal.db") == head
    assert not damaged_files(tmp_path)


def test_journal_with_a_damaged_index_is_salvaged_completely(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    head = a_journal(path)
    damage_the_index(path)
    assert open_and_close(path) == head
    assert len(damaged_files(tmp_path)) == 1


def test_damaged_journal_stays_where_the_copy_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    head = a_journal(path)
    damage_the_index(path)
    obstacle = salvaged_path(path)
    obstacle.mkdir()
    with pytest.raises(OSError, match="salvaged"):
        open_and_close(path)
    assert not damaged_files(tmp_path)
    obstacle.rmdir()
    assert open_and_close(path) == head
    assert len(damaged_files(tmp_path)) == 1


def test_start_that_died_between_the_renames_is_completed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    head = a_journal(path)
    path.rename(salvaged_path(path))
    assert open_and_close(path) == head
    assert sorted(file.name for file in tmp_path.iterdir()) == ["journal.db", "journal.db.ballast"]


def damage_the_index(path: Path) -> None:
    """Overwrite the root page of the index, which contains no data of its own."""
    import apsw

    connection = apsw.Connection(str(path))
    (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'rows_by_revision'").fetchone()
    size = connection.pragma("page_size")
    connection.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = bytes(size)
    path.write_bytes(content)


@pytest.mark.parametrize("seed", range(40))
def test_any_damage_lets_the_agent_start_and_deletes_nothing(seed: int, tmp_path: Path) -> None:
    """Either every record is recovered, or a new journal begins; nothing in between."""
    path = tmp_path / "journal.db"
    head = a_journal(path)
    content = bytearray(path.read_bytes())
    random = Random(seed)
    for _ in range(random.choice((1, 3, 20))):
        at = random.randrange(len(content))
        content[at : at + 64] = random.randbytes(64)
    del content[len(content) - 10_000 * (seed % 3 == 0) :]
    path.write_bytes(content)
    found = open_and_close(path)
    assert found == head or found.journal == "journal-2"
    if found != head:
        assert [file.read_bytes() for file in damaged_files(tmp_path)] == [bytes(content)]


def test_empty_file_begins_a_new_journal(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"")
    assert open_and_close(tmp_path / "journal.db").journal == "journal-2"


def test_ballast_is_reserved_and_released(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "journal.db")
    ballast.reserve()
    assert ballast.path.stat().st_size == Ballast.BYTES
    ballast.release()
    assert not ballast.path.exists()
    ballast.release()
