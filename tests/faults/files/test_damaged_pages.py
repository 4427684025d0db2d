"""One byte of every page of a store or a journal is flipped, or the page zeroed: it is found, or shown to be harmless.

A store is checked by `verify`, a journal when it is opened. After it was found, nothing is acknowledged.
"""

import random
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.salvage import open_journal
from streamusage.agent.journal.sqlite import Ballast, JournalError
from streamusage.service.accounting.checks.verification import verify_store
from streamusage.service.errors import StoreError
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.store import open_store, open_unchanged
from streamusage.service.store.store_file import StoreFile
from tests.streamusage.service.conftest import Estate, a_record
from tests.support.agent.journal_files import a_journal
from tests.support.service.used_store import NOON, PATHS, figures, use, used_estate

PAGE_BYTES = 4096
LATER = NOON + 19 * 3_600_000


def is_found(store: Path) -> bool:
    try:
        with closing(open_unchanged(sqlite_url(store))) as opened:
            return any(result.differences for result in verify_store(opened, LATER, lambda *_: None))
    except StoreError:
        return True


@pytest.mark.parametrize("fault", ["flipped", "zeroed"])
async def test_every_damaged_page_of_a_store_is_found_or_harmless(tmp_path: Path, fault: str) -> None:
    good, store = tmp_path / "good.db", tmp_path / "usage.db"
    async with used_estate(sqlite_url(good)) as estate:
        await use(estate)
        before = await figures(estate)
    content = good.read_bytes()
    chance = random.Random(12)
    found, harmless = 0, []
    for start in range(0, len(content), PAGE_BYTES):
        damaged = bytearray(content)
        if fault == "flipped":
            damaged[start + chance.randrange(PAGE_BYTES)] ^= 1 << chance.randrange(8)
        else:
            damaged[start : start + PAGE_BYTES] = bytes(PAGE_BYTES)
        store.write_bytes(damaged)
        if is_found(store):
            found += 1
        else:
            harmless.append(start // PAGE_BYTES + 1)
            async with used_estate(sqlite_url(store), LATER) as estate:
                assert await figures(estate) == before, f"page {start // PAGE_BYTES + 1}"
    assert found > 0.9 * len(content) // PAGE_BYTES, f"harmless: {harmless}"


async def test_nothing_is_acknowledged_after_a_service_found_damage(tmp_path: Path) -> None:
    good, store = tmp_path / "good.db", tmp_path / "usage.db"
    async with used_estate(sqlite_url(good)) as estate:
        await use(estate)
    content = good.read_bytes()
    noticed = 0
    for start in range(0, len(content), 3 * PAGE_BYTES):
        damaged = bytearray(content)
        damaged[start + PAGE_BYTES // 2] ^= 1
        store.write_bytes(damaged)
        StoreFile(store).unmark()
        try:
            async with used_estate(sqlite_url(store), LATER) as estate:
                noticed += await is_noticed(estate)
        except StoreError:
            noticed += 1  # by the start, which reads the schema
    assert noticed > 5


async def is_noticed(estate: Estate) -> bool:
    """Read everything and write in between. Return whether damage was noticed; then no later write may succeed."""
    is_damaged = False
    for number, path in enumerate((*PATHS, *PATHS)):
        read = await estate.request("GET", f"/api/v1/{path}")
        written = await estate.import_records(a_record(f"number {number}"))
        assert not (is_damaged and written.status_code == 200)
        is_damaged = is_damaged or "damaged" in read.text or "damaged" in written.text
    ready = await estate.request("GET", "/readyz")
    assert not is_damaged or ready.status_code == 503
    return is_damaged


async def test_store_that_was_found_damaged_is_not_opened(tmp_path: Path) -> None:
    store = tmp_path / "usage.db"
    async with used_estate(sqlite_url(store)) as estate:
        await use(estate)
        StoreFile(store).mark("by a test")
        answer = await estate.import_records({})
        assert answer.status_code != 200
    with pytest.raises(StoreError, match="was found damaged"):
        open_store(sqlite_url(store), LATER)


@pytest.mark.parametrize("fault", ["flipped", "zeroed"])
def test_every_damaged_page_of_a_journal_is_found_or_harmless(
    tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    good, path = tmp_path / "good.db", tmp_path / "journal.db"
    a_journal(good)
    content = good.read_bytes()
    expected = read_journal(good)
    chance = random.Random(12)
    found = 0
    for start in range(0, len(content), PAGE_BYTES):
        damaged = bytearray(content)
        if fault == "flipped":
            damaged[start + chance.randrange(PAGE_BYTES)] ^= 1 << chance.randrange(8)
        else:
            damaged[start : start + PAGE_BYTES] = bytes(PAGE_BYTES)
        path.write_bytes(damaged)
        caplog.clear()
        try:
            present = read_journal(path)
        except JournalError:
            found += 1
            continue
        if present == expected:
            continue
        assert present == [] or present[0].journal == "journal-2", f"page {start // PAGE_BYTES + 1}"
        assert "ERROR" in [record.levelname for record in caplog.records], f"page {start // PAGE_BYTES + 1}"
        found += 1
    assert found


def read_journal(path: Path) -> list[Any]:
    """Open the journal as an agent does. Return its head, first reading and all rows."""
    journal = open_journal(path)
    try:
        Ledger(journal, "journal-2", "edge-1", "edge", 10_000)
        with journal.transaction() as tx:
            return [tx.head(), tx.first_reading(), *tx.changed_since(-1)]
    finally:
        journal.close()
        Ballast(path).release()
