"""What retention looks up: an index finds it, in reads and in writes, on both engines."""

import os
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from sqlalchemy import Connection, func, inspect, select, update

from streamusage.service.retention import DAY_MS, Retention, count_due, discard_rows
from streamusage.service.store.engines.locks import WHOLE_STORE, LockSet
from streamusage.service.store.schema import DIVIDED_BY, metadata, servers
from streamusage.service.store.store import Store, open_store
from tests.streamusage.service.conftest import NOW
from tests.support.service.old_rows import OLD_TABLES, fill_old_rows
from tests.support.service.query_plans import Plans, recorded_plans

Result = TypeVar("Result")
EPOCHS = int(os.environ.get("STREAMTOP_FOLDED_EPOCHS", "80"))
"""How many epochs the minutes of a server are of: together 1,600, of which a write discards 500."""


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = open_store(store_url, NOW)
    if store_url.startswith("postgresql"):
        # A worker that analyses tables while rows are discarded makes plans of empty tables.
        with store.writing() as connection, connection.begin():
            for table in [table for table in inspect(connection).get_table_names() if table not in DIVIDED_BY]:
                connection.exec_driver_sql(f'ALTER TABLE "{table}" SET (autovacuum_enabled = off)')
    yield store
    store.close()


class Keeper:
    """Access of retention to a store, with what each of its writes changed and the plans of its statements."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.changed_rows: list[int] = []
        self.plans = Plans()

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        with self._store.reading() as connection:
            return self._recorded(connection, work)

    async def write(self, work: Callable[[Connection], Result], locks: LockSet = WHOLE_STORE) -> Result:
        with self._store.writing() as connection, connection.begin():
            before = changed_rows(connection)
            result = self._recorded(connection, work)
            self.changed_rows.append(changed_rows(connection) - before)
            return result

    def _recorded(self, connection: Connection, work: Callable[[Connection], Result]) -> Result:
        with recorded_plans(connection, self.plans):
            return work(connection)


def changed_rows(connection: Connection) -> int:
    """Return how many rows of any table the connection, or its transaction, inserted, updated and deleted so far."""
    if connection.dialect.name == "sqlite":
        return int(connection.connection.dbapi_connection.total_changes())  # type: ignore[union-attr]
    sums = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_xact_user_tables"
    return int(connection.exec_driver_sql(sums).scalar_one())


def rows_by_table(store: Store) -> dict[str, int]:
    with store.reading() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(metadata.tables[name])).scalar_one()
            for name in OLD_TABLES
        }


async def test_no_write_changes_more_than_5000_rows(store: Store) -> None:
    with store.writing() as connection, connection.begin():
        fill_old_rows(connection, NOW, 5_600)
    assert min(rows_by_table(store).values()) >= 5_600
    keeper = Keeper(store)
    discarded = await discard_rows(keeper, Retention(7, 400), NOW)
    assert max(keeper.changed_rows) <= 5_000
    left = rows_by_table(store)
    assert {name: count for name, count in left.items() if count} == {"tombstones": 5_600, "audit": left["audit"]}, (
        "the discarded records have tombstones"
    )
    assert discarded.records == 5_600
    assert {name for name, count in (discarded.by_usage | discarded.by_days).items() if count < 5_600} == set()


async def test_retention_reads_no_table_as_a_whole(store: Store) -> None:
    with store.writing() as connection, connection.begin():
        fill_old_rows(connection, NOW, 300)
    store.refresh_statistics()
    keeper = Keeper(store)
    due = await keeper.read(lambda connection: count_due(connection, Retention(7, 400), NOW))
    assert (due.by_usage, due.by_days) == ({"usage": 300}, {"slots": 300, "spans": 300})
    await discard_rows(keeper, Retention(7, 400), NOW)
    await discard_rows(keeper, Retention(7, 400), NOW + 40 * DAY_MS)
    assert {name: count for name, count in rows_by_table(store).items() if count} == {"audit": 1}, "its own entry"
    assert keeper.plans.scans.keys() <= {servers.name}, keeper.plans.scans
    ended = {"usage_ended", "server_sessions_ended", "held_ended"}
    assert ended | {"tombstones_by_time", "orphans_by_time"} <= keeper.plans.indexes


async def test_folded_rows_are_found_by_an_index_and_discarded_few_at_a_time(store: Store) -> None:
    with store.writing() as connection, connection.begin():
        fill_old_rows(connection, NOW, 5_600, EPOCHS)
        connection.execute(update(servers).values(minutes_kept_from=NOW, hours_kept_from=NOW))
    store.refresh_statistics()
    keeper = Keeper(store)
    before = rows_by_table(store)
    discarded = await discard_rows(keeper, Retention(36_500, 36_500), NOW)
    folded = ("slots", "slot_connections", "stream_slots", "hours", "stream_hours")
    left = rows_by_table(store)
    assert {name for name in OLD_TABLES if left[name] != before[name]} == set(folded)
    assert [left[name] for name in folded] == [0] * len(folded)
    assert sum(discarded.by_folding.values()) == sum(before[name] for name in folded)
    assert max(keeper.changed_rows) <= 5_000
    assert keeper.plans.scans.keys() <= {servers.name}, keeper.plans.scans
