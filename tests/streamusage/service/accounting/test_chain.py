"""The chain gets an entry for each closing and each void entry, also of those that other versions wrote."""

import shutil
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, func, select, text

from streamusage.evidence.chain import ChainedEntry, find_break
from streamusage.service.accounting.chain import extend_chain, is_chain_behind, read_chain
from streamusage.service.retention import Retention, discard_rows
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.schema import audit, chain, closed_days, voids
from streamusage.service.store.store import Store, open_store
from tests.streamusage.service.conftest import Estate
from tests.support.program import REPOSITORY
from tests.support.service.server_repair import repair
from tests.support.service.used_store import DAY, HOUR, NOON, settle, use, used_estate
from tests.support.service.wrong_clock import YEAR, jumped_store, serving

NOW = NOON + 30 * HOUR


def entries_of(connection: Connection) -> list[ChainedEntry]:
    """Return the whole chain."""
    found = read_chain(connection, 0, 2**53, 10_000, NOW)
    assert not found.more
    return [ChainedEntry(row.number, row.hash, row.content) for row in found.entries]


def count(connection: Connection, kind: str) -> int:
    """Return the number of entries of a kind."""
    query = select(func.count()).select_from(chain).where(chain.c.kind == kind)
    return int(connection.execute(query).scalar_one())


def extend_fully(store: Store, at_most: int) -> int:
    """Extend the chain in batches until nothing is missing, and return how many batches there were."""
    batches = 0
    while True:
        with store.writing() as connection, connection.begin():
            if not is_chain_behind(connection):
                return batches
            extend_chain(connection, NOW, at_most)
        batches += 1


def test_closings_of_an_earlier_version_get_their_entries_in_batches(tmp_path: Path) -> None:
    shutil.copyfile(REPOSITORY / "tests/compatibility/fixtures/store.db", tmp_path / "usage.db")
    with closing(open_store(sqlite_url(tmp_path / "usage.db"), NOW)) as store:
        with store.reading() as connection:
            closings = connection.execute(select(func.count()).select_from(closed_days)).scalar_one()
            assert is_chain_behind(connection)
        assert extend_fully(store, 2) >= closings // 2 > 1
        with store.reading() as connection:
            entries = entries_of(connection)
            assert find_break(entries) is None
            assert count(connection, "closing") == closings
            revisions = [entry.content["revision"] for entry in entries[1:]]
            assert revisions == sorted(set(revisions)), "in the order of their closing"


async def test_closing_and_void_entry_of_another_version_are_added_later(store_url: str) -> None:
    async with used_estate(store_url) as estate:
        await use(estate)
    with closing(open_store(store_url, NOW)) as store:
        with store.writing() as connection, connection.begin():
            # As a process of the previous version writes them, which knows no chain.
            columns = ", ".join(column.name for column in closed_days.c if column.name not in ("revision", "day"))
            connection.execute(
                text(f"INSERT INTO closed_days ({columns}, revision, day) SELECT {columns}, 3, '2026-11-21' "
                     "FROM closed_days WHERE revision = 2")
            )  # fmt: skip
            connection.execute(text("UPDATE counters SET value = 3 WHERE name = 'closed'"))
            row = {"tz": "UTC", "day": DAY, "server": "edge-1", "revision": 1, "at": NOW, "by": "boss", "reason": "r"}
            connection.execute(voids.insert().values(row))
        extend_fully(store, 1)
        with store.reading() as connection:
            entries = entries_of(connection)
            assert find_break(entries) is None
            kinds = [(entry.content["kind"], entry.content.get("revision")) for entry in entries]
            assert kinds == [("beginning", None), ("closing", 1), ("closing", 2), ("closing", 3), ("void", 1)]


async def test_repair_adds_void_entries_and_new_closings(tmp_path: Path) -> None:
    counted = jumped_store(tmp_path, sqlite_url(tmp_path / "usage.db"))
    async with serving(counted, tmp_path, YEAR) as estate:
        await settle(estate)
    async with serving(counted, tmp_path) as estate:
        await repair(estate, dry=False)
        await settle(estate)
        kinds = await estate.running.service.read(lambda connection: [count(connection, name) for name in ("void",)])
        stored = await estate.running.service.read(
            lambda connection: connection.execute(select(func.count()).select_from(voids)).scalar_one()
        )
        assert kinds == [stored]
        assert stored > 0
        assert find_break(await estate.running.service.read(entries_of)) is None


async def test_audit_entries_about_closed_days_outlive_retention(store_url: str) -> None:
    async with used_estate(store_url) as estate:
        await use(estate)
        await approve_everything(estate)
        await discard_rows(estate.running.service, Retention(1, 1), NOW + 800 * 24 * HOUR)
        operations = await estate.running.service.read(
            lambda connection: sorted(connection.execute(select(audit.c.operation)).scalars())
        )
    assert operations == ["approve correction 1", "discard"]


async def approve_everything(estate: Estate) -> None:
    """Approve the one correction that is proposed."""
    answer = await estate.request("POST", "/api/v1/corrections/approve", json={"id": 1})
    assert answer.status_code == 200
