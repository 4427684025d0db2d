"""Files of kept results: one for each service, found by address, written atomically, never overwritten in doubt."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.commands.kept_results import kept_comparison, kept_row
from tui.config.reconciled_files import ReconciledFileError, ReconciledFiles, file_name, keep_comparison
from tui.reconcile.kept import KeptComparison

ONE, OTHER = "http://one.example:5080", "http://other.example:5080"


def agreeing(day: str) -> KeptComparison:
    return kept_comparison(kept_row(day, 1, 1, "agrees"))


FRIDAY, SATURDAY = agreeing("2026-11-20"), agreeing("2026-11-21")


def comparisons_at(folder: Path, address: str) -> list[KeptComparison]:
    found = ReconciledFiles(folder).read()
    assert not found.problems
    return [known for file in found.documents.values() if address in file.addresses for known in file.comparisons]


def test_results_read_back_from_a_private_file(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "reconciled"
    assert ReconciledFiles(folder).read() == ({}, {})
    path = keep_comparison(folder, "ab12", ONE, FRIDAY)
    assert keep_comparison(folder, "ab12", ONE, SATURDAY) == path == folder / "ab12.json"
    assert comparisons_at(folder, ONE) == [FRIDAY, SATURDAY]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert os.listdir(folder) == ["ab12.json"], "no temporary file and no lock"


def test_two_services_have_a_file_each(tmp_path: Path) -> None:
    keep_comparison(tmp_path, "ab12", ONE, FRIDAY)
    keep_comparison(tmp_path, "cd34", OTHER, SATURDAY)
    assert (comparisons_at(tmp_path, ONE), comparisons_at(tmp_path, OTHER)) == ([FRIDAY], [SATURDAY])


def test_service_with_two_addresses_has_one_file(tmp_path: Path) -> None:
    keep_comparison(tmp_path, "ab12", ONE, FRIDAY)
    keep_comparison(tmp_path, "ab12", OTHER, SATURDAY)
    assert comparisons_at(tmp_path, ONE) == comparisons_at(tmp_path, OTHER) == [FRIDAY, SATURDAY]


def test_results_move_to_the_name_that_a_service_receives(tmp_path: Path) -> None:
    unnamed = keep_comparison(tmp_path, "", ONE, FRIDAY)
    named = keep_comparison(tmp_path, "ab12", ONE, SATURDAY)
    assert (unnamed.exists(), comparisons_at(tmp_path, ONE)) == (False, [FRIDAY, SATURDAY])
    assert keep_comparison(tmp_path, "", ONE, FRIDAY) == named, "without its name it is known by its address"


def test_another_service_at_an_address_takes_the_address(tmp_path: Path) -> None:
    keep_comparison(tmp_path, "ab12", ONE, FRIDAY)
    keep_comparison(tmp_path, "ab12", OTHER, FRIDAY)
    keep_comparison(tmp_path, "cd34", ONE, SATURDAY)
    assert (comparisons_at(tmp_path, ONE), comparisons_at(tmp_path, OTHER)) == ([SATURDAY], [FRIDAY])


@pytest.mark.parametrize("service", ["../../x", ".hidden", "a/b\x00\x1b[2J", "n" * 5000, ""])
def test_file_name_is_safe(service: str, tmp_path: Path) -> None:
    name = file_name(service, "http://h/../../x")
    assert (tmp_path / name).parent == tmp_path
    assert name.isascii()
    assert name.isprintable()
    assert not name.startswith(".")
    assert len(name) < 110
    assert name != file_name(f"{service}_", "http://h/../../x"), "other names have other files"


@pytest.mark.parametrize("content", [b"", b'{"kind": "mine"}', b'{"kind": "streamtop-reconciled", "version": 9}'])
def test_unusable_file_is_named_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = keep_comparison(tmp_path, "ab12", ONE, FRIDAY)
    path.write_bytes(content)
    with pytest.raises(ReconciledFileError) as refused:
        keep_comparison(tmp_path, "ab12", ONE, SATURDAY)
    assert str(path) in str(refused.value)
    assert "nothing was kept" in str(refused.value)
    found = ReconciledFiles(tmp_path).read()
    assert list(found.problems) == [path]
    assert str(path) in found.problems[path]
    assert path.read_bytes() == content
    keep_comparison(tmp_path, "cd34", OTHER, SATURDAY)
    assert path.read_bytes() == content


def test_folder_in_place_of_a_file_and_file_in_place_of_the_folder_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    assert "is not a file of kept comparisons" in ReconciledFiles(tmp_path).read().problems[tmp_path / "x.json"]
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in ReconciledFiles(tmp_path / "file").read().problems[tmp_path / "file"]
    with pytest.raises(ReconciledFileError, match="nothing was kept"):
        keep_comparison(tmp_path / "file", "ab12", ONE, FRIDAY)


def test_changed_file_is_read_again(tmp_path: Path) -> None:
    files = ReconciledFiles(tmp_path)
    path = keep_comparison(tmp_path, "ab12", ONE, FRIDAY)
    first = files.read().documents[path]
    assert files.read().documents[path] is first
    keep_comparison(tmp_path, "ab12", ONE, SATURDAY)
    assert files.read().documents[path].comparisons == [FRIDAY, SATURDAY]
    path.unlink()
    assert files.read() == ({}, {})


def test_commands_at_the_same_time_keep_all_results(tmp_path: Path) -> None:
    days = [f"2026-11-{day:02}" for day in range(1, 29)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda day: keep_comparison(tmp_path, "ab12", ONE, agreeing(day)), days))
    assert sorted(known.rows[0].day for known in comparisons_at(tmp_path, ONE)) == days
