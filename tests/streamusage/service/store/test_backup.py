"""Backups are taken from a running service and restored on either engine; what is there is never overwritten."""

import asyncio
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from streamusage.service.errors import StoreError
from streamusage.service.store.backup import back_up, restore
from streamusage.service.store.engines.sqlite import connect_to_file, sqlite_url
from streamusage.service.store.page_checksums import has_page_checksums
from streamusage.service.store.schema import DIVIDED_BY
from streamusage.service.store.store import open_store
from streamusage.service.store.store_file import StoreFile
from tests.streamusage.service.conftest import a_record
from tests.support.needs import skip_or_fail
from tests.support.postgresql import Cluster
from tests.support.program import REPOSITORY
from tests.support.service.partitions import rows_by_partition
from tests.support.service.used_store import NOON, figures, use, used_estate

LATER = NOON + 19 * 3_600_000


def ignore(_what: str, _done: int, _total: int) -> None:
    pass


async def test_backup_of_a_running_service_restores_the_same_figures(
    store_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    backup = tmp_path / "backup.db"
    async with used_estate(store_url) as estate:
        await use(estate)
        before = await figures(estate)
        summary = await asyncio.to_thread(back_up, store_url, backup, ignore)
        await estate.import_records(a_record("after the backup"))
    assert (summary.servers, summary.records) == (2, 2)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert has_page_checksums(backup)
    targets = [sqlite_url(tmp_path / "restored.db")]
    if "postgresql" in store_url:
        with request.getfixturevalue("postgresql").database() as other:
            await expect_restored(other, backup, before)
    for target in targets:
        await expect_restored(target, backup, before)


async def expect_restored(target: str, backup: Path, before: dict[str, object]) -> None:
    restore(target, backup, ignore)
    async with used_estate(target, LATER) as estate:
        assert await figures(estate) == before


@pytest.mark.postgresql
async def test_backup_moves_a_store_to_postgresql_and_back(tmp_path: Path, postgresql: Cluster) -> None:
    first, again = tmp_path / "first.db", tmp_path / "again.db"
    source = sqlite_url(tmp_path / "usage.db")
    async with used_estate(source) as estate:
        await use(estate)
        await estate.import_records(a_record("nul \0 and \1 in a name"))
        before = await figures(estate)
    back_up(source, first, ignore)
    with postgresql.database() as url:
        restore(url, first, ignore)
        with pytest.raises(StoreError, match="not empty; nothing was changed"):
            restore(url, first, ignore)
        with pytest.raises(StoreError, match="--replace is for SQLite"):
            restore(url, first, ignore, replace=True)
        async with used_estate(url, LATER) as estate:
            assert await figures(estate) == before
            with pytest.raises(StoreError, match="a service uses that database"):
                restore(url, first, ignore)
        for table in DIVIDED_BY.keys() - {"samples"}:
            assert rows_by_partition(url, table).keys() == {f"{table}_2026_11"}
        back_up(url, again, ignore)
    restore(source, again, ignore, replace=True)
    async with used_estate(source, LATER) as estate:
        assert await figures(estate) == before


async def test_store_larger_than_the_cache_of_a_copy_is_backed_up_and_restored(tmp_path: Path) -> None:
    source, backup = sqlite_url(tmp_path / "usage.db"), tmp_path / "backup.db"
    async with used_estate(source) as estate:
        await estate.import_records(*(a_record(f"{number:05} {'x' * 200}") for number in range(15_000)))
        before = (await figures(estate))["records"]
    back_up(source, backup, ignore)
    assert backup.stat().st_size > 4_000_000, "SQLite keeps 2 MB in its cache"
    assert has_page_checksums(backup)
    damaged = bytearray(backup.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "damaged.db").write_bytes(damaged)
    with pytest.raises(StoreError, match=r"damaged\.db"):
        restore(sqlite_url(tmp_path / "other.db"), tmp_path / "damaged.db", ignore)
    restored = sqlite_url(tmp_path / "restored.db")
    restore(restored, backup, ignore)
    async with used_estate(restored, LATER) as estate:
        assert (await figures(estate))["records"] == before
    assert not [name for name in os.listdir(tmp_path) if "unchecked" in name]


async def test_restore_keeps_what_is_there(tmp_path: Path) -> None:
    path, backup = tmp_path / "usage.db", tmp_path / "backup.db"
    url = sqlite_url(path)
    async with used_estate(url) as estate:
        await use(estate)
        back_up(url, backup, ignore)
        with pytest.raises(StoreError, match="a service uses the store"):
            restore(url, backup, ignore, replace=True)
    with pytest.raises(StoreError, match="is not empty; nothing was changed; with --replace"):
        restore(url, backup, ignore)
    with pytest.raises(StoreError, match=r"backup\.db exists; nothing was written"):
        back_up(url, backup, ignore)
    change = "UPDATE usage SET name = 'old'"
    with closing(connect_to_file(path)) as connection:
        connection.execute(change)
    kept_as = restore(url, backup, ignore, replace=True).kept_as
    assert kept_as is not None
    with closing(connect_to_file(kept_as)) as connection:
        assert connection.execute("SELECT DISTINCT name FROM usage").fetchall() == [("old",)]
    with closing(connect_to_file(path)) as connection:
        assert ("old",) not in connection.execute("SELECT name FROM usage").fetchall()


async def test_store_restored_by_root_belongs_to_the_owner_of_its_folder(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        skip_or_fail("needs root, to give a folder to another user")
    folder, backup = tmp_path / "state", tmp_path / "backup.db"
    folder.mkdir()
    url = sqlite_url(folder / "usage.db")
    async with used_estate(url):
        back_up(url, backup, ignore)
    os.chown(folder, 54_321, 54_322)
    restore(url, backup, ignore, replace=True)
    found = (folder / "usage.db").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (54_321, 54_322, 0o600)


async def test_damaged_store_is_not_backed_up_and_is_replaced_by_a_backup(tmp_path: Path) -> None:
    path, backup = tmp_path / "usage.db", tmp_path / "backup.db"
    url = sqlite_url(path)
    async with used_estate(url) as estate:
        await use(estate)
        before = await figures(estate)
    back_up(url, backup, ignore)
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 + 2_000] ^= 1
    path.write_bytes(content)
    StoreFile(path).mark("found by a test")
    with pytest.raises(StoreError, match="cannot"):
        back_up(url, tmp_path / "other.db", ignore)
    assert not (tmp_path / "other.db").exists()
    assert restore(url, backup, ignore, replace=True).kept_as is not None
    async with used_estate(url, LATER) as estate:
        assert await figures(estate) == before


async def test_store_of_an_earlier_version_gets_page_checksums_by_backup_and_restore(tmp_path: Path) -> None:
    old = REPOSITORY / "tests/compatibility/fixtures/store.db"
    path, backup = tmp_path / "usage.db", tmp_path / "backup.db"
    shutil.copy(old, path)
    url = sqlite_url(path)
    open_store(url, LATER).close()
    assert not has_page_checksums(path)
    back_up(url, backup, ignore)
    restore(url, backup, ignore, replace=True)
    assert has_page_checksums(path)


def test_backup_of_an_earlier_version_is_migrated_by_the_service(tmp_path: Path) -> None:
    restore(sqlite_url(tmp_path / "usage.db"), REPOSITORY / "tests/compatibility/fixtures/store.db", ignore)
    with closing(open_store(sqlite_url(tmp_path / "usage.db"), LATER)) as store, store.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM servers")).scalar()


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000])
def test_file_that_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "backup.db").write_bytes(content)
    with pytest.raises(StoreError, match="nothing was changed"):
        restore(sqlite_url(tmp_path / "usage.db"), tmp_path / "backup.db", ignore)
    assert not (tmp_path / "usage.db").exists()


async def test_backup_of_another_program_is_restored_without_its_checksums(tmp_path: Path) -> None:
    path, backup = tmp_path / "usage.db", tmp_path / "backup.db"
    url = sqlite_url(path)
    async with used_estate(url) as estate:
        await use(estate)
        before = await figures(estate)
        with sqlite3.connect(path) as source, sqlite3.connect(backup) as target:
            source.backup(target)
    with pytest.raises(StoreError, match="restore it with --ignore-checksums"):
        restore(url, backup, ignore, replace=True)
    restore(url, backup, ignore, replace=True, ignores_checksums=True)
    assert has_page_checksums(path)
    async with used_estate(url, LATER) as estate:
        assert await figures(estate) == before
    content = bytearray(backup.read_bytes())
    content[4096 * 3 : 4096 * 4] = bytes(4096)
    backup.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged"):
        restore(url, backup, ignore, replace=True, ignores_checksums=True)


def test_backup_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    open_store(sqlite_url(backup), 0).close()
    with closing(connect_to_file(backup)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer streamtop"):
        restore(sqlite_url(tmp_path / "usage.db"), backup, ignore)


def test_store_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store at"):
        back_up(sqlite_url(tmp_path / "usage.db"), tmp_path / "backup.db", ignore)
    with pytest.raises(StoreError, match="there is no backup at"):
        restore(sqlite_url(tmp_path / "usage.db"), tmp_path / "backup.db", ignore)
    assert list(tmp_path.iterdir()) == []
