"""Versions of SQLite: a store is not opened with one that may corrupt it."""

from pathlib import Path

import pytest

from streamusage.core.exit_codes import ExitCode
from streamusage.service.errors import MissingDriverError
from streamusage.service.store.engines import apsw_dbapi, sqlite
from streamusage.service.store.engines.sqlite_versions import Version, has_wal_reset_bug
from streamusage.service.store.store import open_store


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 0), True),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 54, 1), False),
        ((4, 0, 0), False),
    ],
)
def test_versions_with_the_wal_reset_bug(version: Version, expected: bool) -> None:
    assert has_wal_reset_bug(version) is expected


def test_installed_library_is_safe() -> None:
    assert not has_wal_reset_bug(apsw_dbapi.sqlite_version_info)


def test_store_is_not_opened_by_an_unsafe_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw_dbapi, "sqlite_version_info", (3, 46, 1))
    reason = r"SQLite 3\.46\.1 .*can corrupt.* nothing was opened.*--only-binary"
    with pytest.raises(MissingDriverError, match=reason) as raised:
        open_store(sqlite.sqlite_url(tmp_path / "usage.db"), 0)
    assert raised.value.exit_code is ExitCode.USAGE
    assert list(tmp_path.iterdir()) == []
