"""A store that is damaged, moved, replaced or removed while the service runs: nothing is acknowledged."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from streamusage.service.errors import StoreError, UnusableStoreError
from streamusage.service.store.engines import apsw_dbapi
from streamusage.service.store.engines.sqlite import connect_to_file, sqlite_url
from streamusage.service.store.health import LOG_SECONDS, StoreHealth
from streamusage.service.store.store import open_store
from streamusage.service.store.store_file import StoreFile
from streamusage.service.store.writing.writer import Writer
from tests.streamusage.service.conftest import Estate, a_record, an_estate
from tests.support.database_files import move, remove, remove_log, replace
from tests.support.waiting import LONGEST_WAIT_S, wait_until

PAGE_BYTES = 4096


def overwrite(path: Path, page: int, content: bytes, at: int = 0) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES + at)
        file.write(content)


def root_page(path: Path, table: str) -> int:
    connection = connect_to_file(path)
    ((page,),) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchall()
    connection.close()
    return int(page)


def list_files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def expect_refusals(estate: Estate, text: str) -> None:
    answers = [
        await estate.import_records(a_record("later")),
        await estate.usage("DELETE", "/live/stream1"),
        await estate.request("GET", "/readyz"),
    ]
    for answer in answers:
        assert answer.status_code == 503, answer.text
        assert text in answer.json()["errorMessage"]
        assert set(answer.json()) == {"errorMessage", "timestamp"}


@pytest.mark.parametrize("change", [move, remove, replace, remove_log])
async def test_changed_file_ends_writes_and_readiness(tmp_path: Path, change: Callable[[Path], None]) -> None:
    store = tmp_path / "usage.db"
    async with an_estate(tmp_path) as estate:
        assert (await estate.import_records(a_record())).status_code == 200
        assert (await estate.request("GET", "/readyz")).status_code == 200
        change(store)
        files = list_files(tmp_path)
        estate.clock.now += 5_000
        await expect_refusals(estate, "usage.db")
        assert (await estate.usage()).status_code == 503
        assert list_files(tmp_path) == files


async def test_file_that_is_back_can_be_written_again(tmp_path: Path) -> None:
    async with an_estate(tmp_path) as estate:
        move(tmp_path / "usage.db")
        assert (await estate.import_records(a_record())).status_code == 503
        (tmp_path / "moved.db").rename(tmp_path / "usage.db")
        assert (await estate.import_records(a_record())).status_code == 200
        assert len(await estate.records()) == 1


@pytest.mark.parametrize("content", [bytes(PAGE_BYTES), b"\xff"], ids=["zeroed page", "flipped byte"])
async def test_damaged_page_ends_writes_and_readiness(tmp_path: Path, content: bytes) -> None:
    store = tmp_path / "usage.db"
    async with an_estate(tmp_path) as estate:
        await estate.import_records(a_record())
    overwrite(store, root_page(store, "usage"), content, at=0 if len(content) > 1 else 3000)
    async with an_estate(tmp_path) as estate:
        assert (await estate.usage()).status_code == 503
        await expect_refusals(estate, "usage")
        await wait_until(StoreFile(store).mark_path.exists, "the store is marked as damaged")
    with pytest.raises(StoreError, match="was found damaged"):
        open_store(sqlite_url(store), 0)


async def test_damage_found_by_another_process_ends_writes(tmp_path: Path) -> None:
    async with an_estate(tmp_path) as estate:
        StoreFile(tmp_path / "usage.db").mark("the table slots differs")
        estate.clock.now += 5_000
        await expect_refusals(estate, "the table slots differs")


def test_write_during_which_the_file_moves_is_not_acknowledged(tmp_path: Path) -> None:
    store = open_store(sqlite_url(tmp_path / "usage.db"), 0)
    writer = Writer(store)
    writes = [writer.submit(lambda _connection: move(tmp_path / "usage.db")), writer.submit(lambda _connection: None)]
    for write in writes:
        with pytest.raises(UnusableStoreError, match="moved or removed"):
            write.result(LONGEST_WAIT_S)
    writer.stop()
    store.close()


def test_readers_never_create_a_store(tmp_path: Path) -> None:
    store = open_store(sqlite_url(tmp_path / "usage.db"), 0)
    store.health.file = None  # as if the file went after the check
    for part in tmp_path.iterdir():
        part.unlink()
    with pytest.raises(DBAPIError), store.reading():
        pass
    assert list(tmp_path.iterdir()) == []
    store.close()


def test_fault_is_logged_once_a_minute(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "usage.db"
    path.touch()
    now = [100.0]
    file = StoreFile(path)
    file.remember()
    health = StoreHealth("sqlite:///usage.db", file, lambda _error: False, lambda: [], lambda: now[0])
    path.unlink()
    for _ in range(150):
        with pytest.raises(UnusableStoreError, match=r"usage\.db was moved or removed"):
            health.check_write()
        health.watch()
        now[0] += 1
    assert len(caplog.records) == 1 + 149 // LOG_SECONDS


def test_damage_that_a_check_does_not_find_ends_after_the_check(tmp_path: Path) -> None:
    store = open_store(sqlite_url(tmp_path / "usage.db"), time.time_ns() // 1_000_000)
    error = DBAPIError("SELECT 1 FROM usage", None, _io_error())
    assert "in the table usage" in str(store.health.note(error))
    with pytest.raises(UnusableStoreError), store.writing():
        pass
    store.health.watch()
    with store.writing():
        pass
    store.close()


def _io_error() -> Exception:
    error = apsw_dbapi.OperationalError("disk I/O error")
    error.sqlite_errorcode = 10
    return error
