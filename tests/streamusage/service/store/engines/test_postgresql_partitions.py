"""Partitions of a PostgreSQL store: where rows are written, creation ahead, and detaching that waits for no reader."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from streamusage.api.report import SampleRow, SlotRow
from streamusage.core.coverage import Interval, Provenance
from streamusage.service.rules.apply import LateFigures, Piece, StoredSample, StoredSlot
from streamusage.service.store.engines.postgresql_partitions import (
    create_partitions,
    create_partitions_at,
    detach_partition,
    list_partitions,
)
from streamusage.service.store.server_rows import load_epoch_slots, save_samples, save_slots, write_pieces
from streamusage.service.store.store import Store, open_store
from tests.support.postgresql import Cluster
from tests.support.service.partitions import partitions_of, rows_by_partition, run_sql

pytestmark = pytest.mark.postgresql

MINUTE = 60_000
DAY = 86_400_000


def ms(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp()) * 1000  # type: ignore[misc, arg-type]


NOW = ms(2026, 11, 18, 12)
NOVEMBER = Interval(ms(2026, 11, 1), ms(2026, 12, 1))


@pytest.fixture
def url(postgresql: Cluster) -> Iterator[str]:
    with postgresql.database() as url:
        yield url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = open_store(url, NOW)
    yield store
    store.close()


def save(store: Store, *times: int, bytes_in: int = 1) -> None:
    with store.writing() as connection, connection.begin():
        rows = [
            StoredSlot(SlotRow(slot=at, revision=1, bytes_in=bytes_in, connections={"hls": 1}), LateFigures())
            for at in times
        ]
        save_slots(connection, "edge-1", 1, rows)
        samples = [SampleRow(slot=at, scope="live", name="a", revision=1, active=bytes_in, highest=1) for at in times]
        save_samples(connection, "edge-1", [StoredSample(1, sample, False) for sample in samples])
        write_pieces(connection, "edge-1", [Piece(at, at + MINUTE, Provenance.LIVE, "", None, None) for at in times])


@contextmanager
def long_read(url: str, sql: str) -> Iterator[None]:
    """Keep a transaction open that has read something."""
    with psycopg.connect(url) as connection:
        connection.execute(sql.encode())
        yield


def written(store: Store, work: Any) -> tuple[Any, float]:
    """Return the result of a write, and how many seconds it took."""
    with store.writing() as connection, connection.begin():
        began = time.monotonic()
        result = work(connection)
        return result, time.monotonic() - began


def test_partitions_exist_from_now_to_a_week_later(url: str, store: Store) -> None:
    days = [f"samples_2026_11_{day}" for day in range(18, 26)]
    assert partitions_of(url, "samples") == {"samples_default", *days}
    for table in ("slots", "slot_connections", "stream_slots", "spans"):
        assert partitions_of(url, table) == {f"{table}_default", f"{table}_2026_11"}
    created, _ = written(store, lambda connection: create_partitions(connection, ms(2026, 11, 24)))
    assert {"slots_2026_12", "slot_connections_2026_12", "spans_2026_12", "samples_2026_12_01"} < set(created)
    assert written(store, lambda connection: create_partitions(connection, ms(2026, 11, 24)))[0] == []


@pytest.mark.parametrize(
    ("at", "month", "day"),
    [
        (ms(2026, 11, 30) + DAY - MINUTE, "2026_11", "default"),
        (ms(2026, 12, 1), "default", "default"),
        (ms(2026, 11, 1), "2026_11", "default"),
        (ms(2026, 11, 1) - MINUTE, "default", "default"),
        (ms(2026, 11, 19) - MINUTE, "2026_11", "2026_11_18"),
        (ms(2026, 11, 19), "2026_11", "2026_11_19"),
        (0, "default", "default"),
        (2**53 // MINUTE * MINUTE, "default", "default"),
    ],
)
def test_row_is_written_whatever_its_time(url: str, store: Store, at: int, month: str, day: str) -> None:
    save(store, at)
    save(store, at, bytes_in=9)
    for table, partition in (("slots", month), ("slot_connections", month), ("spans", month), ("samples", day)):
        assert rows_by_partition(url, table) == {f"{table}_{partition}": 1}
    with store.reading() as connection:
        assert load_epoch_slots(connection, "edge-1", 1, {at})[at].row.bytes_in == 9


def test_rows_of_the_default_partition_move_to_a_new_one(url: str, store: Store) -> None:
    times = [ms(2026, 12, 1) - MINUTE, ms(2026, 12, 1), ms(2026, 12, 31), ms(2027, 1, 1), 0]
    save(store, *times)
    created, _ = written(store, lambda connection: create_partitions(connection, ms(2026, 12, 31)))
    assert "slots_2026_12" in created
    assert rows_by_partition(url, "slots") == {
        **{"slots_2026_11": 1, "slots_2026_12": 2, "slots_2027_01": 1},
        "slots_default": 1,
    }
    assert rows_by_partition(url, "samples") == {
        **{"samples_default": 3, "samples_2026_12_31": 1, "samples_2027_01_01": 1},
    }
    with store.reading() as connection:
        assert load_epoch_slots(connection, "edge-1", 1, set(times)).keys() == set(times)


def test_partitions_are_created_in_the_past_for_a_restore(store: Store) -> None:
    def create(connection: Any) -> list[Interval]:
        create_partitions_at(connection, "slots", [ms(2024, 2, 29), ms(2025, 1, 31), ms(2024, 2, 1), -(2**62), 2**62])
        return list_partitions(connection, "slots")

    months, _ = written(store, create)
    assert months == [
        Interval(ms(2024, 2, 1), ms(2024, 3, 1)),
        Interval(ms(2025, 1, 1), ms(2025, 2, 1)),
        NOVEMBER,
    ]


def test_creation_waits_briefly_for_a_reader_of_the_default_partition(url: str, store: Store) -> None:
    save(store, ms(2026, 12, 5))

    def create(connection: Any) -> list[str]:
        return create_partitions(connection, ms(2026, 12, 1))

    with long_read(url, "SELECT * FROM slots WHERE slot = 0"):
        created, seconds = written(store, create)
        assert "slots_2026_12" not in created
        assert "spans_2026_12" in created
        assert 0.1 <= seconds < 1.5
    assert written(store, create)[0] == ["slots_2026_12"]
    assert rows_by_partition(url, "slots") == {"slots_2026_12": 1}


def test_two_processes_create_the_same_partitions(url: str) -> None:
    stores = [open_store(url, NOW) for _ in range(2)]
    threads = [
        threading.Thread(target=written, args=(store, lambda connection: create_partitions(connection, NOW + 60 * DAY)))
        for store in stores
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {"slots_2027_01", "slots_2026_11", "slots_default"} == partitions_of(url, "slots")
    for store in stores:
        store.close()


def test_detaching_gives_up_after_100_ms_and_succeeds_later(url: str, store: Store) -> None:
    save(store, ms(2026, 11, 5), 0)
    waited = []

    def read() -> None:
        began = time.monotonic()
        run_sql(url, "SELECT count(*) FROM slots")
        waited.append(time.monotonic() - began)

    def detach(connection: Any) -> bool:
        reader.start()
        return detach_partition(connection, "slots", NOVEMBER)

    reader = threading.Thread(target=read)
    with long_read(url, "SELECT * FROM slots"):
        detached, seconds = written(store, detach)
        reader.join()
    assert (detached, 0.1 <= seconds < 0.6, max(waited) < 0.6) == (False, True, True), (seconds, waited)
    assert rows_by_partition(url, "slots") == {"slots_2026_11": 1, "slots_default": 1}
    reader = threading.Thread(target=read)
    assert written(store, detach)[0]
    reader.join()
    assert partitions_of(url, "slots") == {"slots_default"}
    assert not written(store, lambda connection: detach_partition(connection, "slots", NOVEMBER))[0]
    save(store, ms(2026, 11, 5))
    assert rows_by_partition(url, "slots") == {"slots_default": 2}


def test_detached_partitions_are_dropped(url: str, store: Store) -> None:
    save(store, ms(2026, 11, 5), 0)
    assert written(store, lambda connection: detach_partition(connection, "slots", NOVEMBER))[0]
    tables = "SELECT to_regclass('slots_2026_11_expired'), to_regclass('slots_default')::text"
    assert run_sql(url, tables)[0][0] is not None
    store.drop_detached()
    assert run_sql(url, tables) == [(None, "slots_default")]
    assert "slots_2026_11" in written(store, lambda connection: create_partitions(connection, NOW))[0]
    store.drop_detached()
    assert "slots_2026_11" in partitions_of(url, "slots")


def test_write_waits_for_locks_as_before_after_a_partition_was_not_detached(url: str, store: Store) -> None:
    for reads in ("SELECT * FROM slots", "SELECT 1"):
        with long_read(url, reads), store.writing() as connection, connection.begin():
            before = connection.exec_driver_sql("SHOW lock_timeout").scalar()
            detach_partition(connection, "slots", NOVEMBER)
            assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == before == "30s"
