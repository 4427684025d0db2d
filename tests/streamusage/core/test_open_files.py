"""Open files are compared with their paths; files of other users' interest are named with their chmod."""

import os
import stat
from pathlib import Path

from streamusage.core.open_files import OpenFiles, describe_readable, open_to_append, others_can_read


def test_files_are_compared_by_identity(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    path.touch()
    files = OpenFiles(path, ("", "-wal"))
    files.remember()
    assert files.find_change() == ""
    (tmp_path / "usage.db-wal").touch()
    files.remember()
    path.rename(tmp_path / "moved.db")
    assert files.find_change() == f"{path} was moved or removed while it was open"
    path.touch()
    files.remember()
    assert files.find_change() == f"{path} was replaced by another file while it was open"
    (tmp_path / "moved.db").rename(path)
    assert files.find_change() == ""
    (tmp_path / "usage.db-wal").unlink()
    assert files.find_change() == f"{path}-wal was moved or removed while it was open"


def test_files_that_others_can_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "figures"
    for mode, can_read in ((0o600, False), (0o640, True), (0o604, True), (0o620, False)):
        path.touch()
        path.chmod(mode)
        assert others_can_read(path) is can_read
    assert not others_can_read(tmp_path / "missing")
    assert describe_readable(path, "a secret").endswith(f"{path}, which contains a secret: chmod 600 {path}")


def test_new_files_can_be_read_by_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with open_to_append(tmp_path / "spool") as file:
            file.write(b"1\n")
    finally:
        os.umask(before)
    with open_to_append(tmp_path / "spool") as file:
        file.write(b"2\n")
    assert (tmp_path / "spool").read_bytes() == b"1\n2\n"
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o600
