"""A store in PostgreSQL whose data is damaged: nothing is acknowledged, the table is named, and a mark outlives it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from streamusage.api.report import SlotRow
from streamusage.service.errors import StoreError, UnusableStoreError
from streamusage.service.rules.apply import LateFigures, StoredSlot
from streamusage.service.store.engines import postgresql_damage
from streamusage.service.store.server_rows import save_slots
from streamusage.service.store.store import open_store, open_unchanged
from tests.streamusage.service.conftest import NOW, a_record, an_estate
from tests.support.postgresql import Cluster
from tests.support.program import REPOSITORY
from tests.support.service.partitions import run_sql
from tests.support.waiting import wait_until

pytestmark = pytest.mark.postgresql


@pytest.fixture
def database(postgresql: Cluster) -> Iterator[str]:
    with postgresql.database() as url:
        yield url


def verify(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui", "store", "verify", "--store", url],
        capture_output=True, text=True, check=False, cwd=REPOSITORY,
    )  # fmt: skip


async def test_damaged_table_ends_writes_and_readiness_until_it_is_healed(
    tmp_path: Path, database: str, postgresql: Cluster
) -> None:
    async with an_estate(tmp_path, store_url=database) as estate:
        assert (await estate.import_records(a_record())).status_code == 200
    with postgresql.damaged_copy(database, "usage") as url:
        async with an_estate(tmp_path, store_url=url) as estate:
            refused = await estate.import_records(a_record())
            ready = await estate.request("GET", "/readyz")
            other = await estate.request(
                "POST", "/api/v1/agents/edge-1/epochs", "edge-1-token", content=b'{"journal":"j"}'
            )
            for answer in (refused, ready, other):
                assert (answer.status_code, "usage" in answer.json()["errorMessage"]) == (503, True), answer.text
            await wait_until(lambda: mark_of(url), "the store is marked")
            assert (await estate.import_records(a_record())).status_code == 503, "a check confirmed the damage"

        with pytest.raises(StoreError, match=r"was found damaged .*usage"):
            open_store(url, 0)
        found = verify(url)
        assert (found.returncode, "usage" in found.stdout) == (1, True), found.stdout + found.stderr

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("TRUNCATE usage")
        healed = verify(url)
        assert healed.returncode == 0, healed.stdout + healed.stderr
        assert not mark_of(url)
        async with an_estate(tmp_path, store_url=url) as estate:
            assert (await estate.import_records(a_record())).status_code == 200


def test_damaged_index_is_found_with_its_table(database: str, postgresql: Cluster) -> None:
    store = open_store(database, time.time_ns() // 1_000_000)
    store.close()
    with postgresql.damaged_copy(database, "server_sessions_live") as url:
        checked = open_unchanged(url)
        found = checked.find_damage() or []
        assert {damage.table for damage in found} == {"server_sessions"}
        assert any("server_sessions_live" in damage.what for damage in found)
        checked.close()


@pytest.mark.parametrize("part", ["slots_2026_11", "slots_2026_11_pkey"])
def test_damaged_partition_is_found(database: str, postgresql: Cluster, part: str) -> None:
    with closing(open_store(database, NOW)) as store, store.writing() as connection, connection.begin():
        save_slots(connection, "edge-1", 1, [StoredSlot(SlotRow(slot=NOW, revision=1), LateFigures())])
    with postgresql.damaged_copy(database, part) as url, closing(open_unchanged(url)) as checked:
        assert {damage.table for damage in checked.find_damage() or []} == {"slots_2026_11"}
        found = verify(url)
        assert (found.returncode, "slots_2026_11" in found.stdout) == (1, True), found.stdout + found.stderr


def test_check_with_amcheck_compares_the_indexes_of_partitions(database: str) -> None:
    with closing(open_store(database, NOW)) as store:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
        assert store.find_damage() == []


def test_partition_that_is_dropped_during_the_check_is_no_damage(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = []

    def read_index(*_: object) -> None:
        if not dropped:
            run_sql(database, "ALTER TABLE samples DETACH PARTITION samples_2026_11_18")
            run_sql(database, "DROP TABLE samples_2026_11_18")
            dropped.append("samples_2026_11_18")

    def read_table(connection: object, table: str) -> None:
        read(connection, table)
        if table == "samples_2026_11_18":
            monkeypatch.setattr(postgresql_damage, "_read_index", read_index)

    read = postgresql_damage._read_table
    run_sql(database, "CREATE EXTENSION IF NOT EXISTS amcheck")
    with closing(open_store(database, NOW)) as store:
        monkeypatch.setattr(postgresql_damage, "_read_table", read_table)
        assert store.find_damage() == []
    assert dropped


def mark_of(url: str) -> str:
    store = open_unchanged(url)
    try:
        assert store.mark is not None
        return store.mark.read_mark()
    finally:
        store.close()


def test_mark_of_another_process_ends_writes(database: str) -> None:
    store = open_store(database, time.time_ns() // 1_000_000)
    assert store.mark is not None
    store.mark.mark("the table slots: it's damaged")
    store.health.watch()
    with pytest.raises(UnusableStoreError, match="the table slots: it's damaged"), store.writing():
        pass
    store.close()


def test_error_that_a_check_does_not_confirm_ends_after_the_check(database: str) -> None:
    store = open_store(database, time.time_ns() // 1_000_000)
    assert store.find_damage() == []
    with pytest.raises(UnusableStoreError, match="in the table usage"), store.reading() as connection:
        connection.exec_driver_sql("DO $$ BEGIN RAISE SQLSTATE 'XX002' USING MESSAGE = 'index'; END $$ -- FROM usage")
    with pytest.raises(UnusableStoreError), store.writing():
        pass
    store.health.watch()
    with store.writing():
        pass
    store.close()
