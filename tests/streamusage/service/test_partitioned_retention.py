"""Retention of a divided store: the same for users as that of a store that is not divided, by dropped partitions."""

import asyncio
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, func, insert, select

from streamusage.api.report import SampleRow, SlotRow, StreamSlotRow
from streamusage.core.coverage import Interval
from streamusage.service.accounting.closing import is_accounting_due
from streamusage.service.retention import DAY_MS, Discarded, Retention, count_due, discard_rows
from streamusage.service.rules.cross_checks import Threshold
from streamusage.service.store.change_feed import SAMPLES_KEPT_FROM, SLOTS_KEPT_FROM, read_counter
from streamusage.service.store.engines import ENGINES
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.schema import DIVIDED_BY, metadata, spans
from streamusage.service.store.streams.stream_slots import read_streams
from tests.streamusage.service.conftest import NOW, Estate, OwnedClock, an_estate
from tests.support.postgresql import Cluster
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tests.support.service.partitions import partitions_of, rows_by_partition, run_sql
from tests.support.waiting import LONGEST_WAIT_S, wait_until

pytestmark = pytest.mark.postgresql
KEPT = Retention(usage_stats_discard_threshold_days=7, daily_statistics_days=20)
NEVER = Retention(36_500, 36_500)
HOUR = 3_600_000
UNCOMPARED: dict[str, Any] = {"retention": NEVER, "cross_check": Threshold(0)}
"""Options of an estate whose own retention never discards. Cross-checks of each hour of weeks would take most of the
time, and find nothing in one server."""


async def create_partitions(estate: Estate) -> None:
    now_ms = estate.clock.now
    await estate.running.service.write(
        lambda connection: ENGINES[connection.dialect.name].create_partitions(connection, now_ms)
    )


async def report_days(estate: Estate, agent: ReportingAgent, days: int) -> None:
    """Report once a day. Every tenth day is reported with the one after it."""
    rows: list[SlotRow | SampleRow | StreamSlotRow] = []
    for number in range(days):
        at = estate.clock.now
        estate.clock.now += DAY_MS
        await create_partitions(estate)
        slots = [at + hour * HOUR for hour in (0, 12, 23)]
        rows += [SlotRow(slot=slot, revision=0, bytes_out=7, connections={"hls": 1}) for slot in slots]
        rows += [StreamSlotRow(slot=slot, scope="live", name="stream1", revision=0, bytes_out=5) for slot in slots]
        rows.append(SampleRow(slot=at, scope="live", name="stream1", revision=0, active=2, highest=3))
        if number % 10:
            await agent.sync_up(*rows, a_session(end_time=estate.clock.now, total=number), upto_ms=estate.clock.now)
            rows.clear()
        await wait_until(lambda: is_closed(estate), "the days are closed", every_seconds=0.01)


async def visible(estate: Estate) -> dict[str, Any]:
    """Return what users see of the retention's work."""
    service, now = estate.running.service, estate.clock.now
    found: dict[str, Any] = {"records": await estate.records()}
    begin = NOW - 400 * DAY_MS
    for path in (
        f"coverage?from={begin}&to={now}",
        f"coverage?from={now - 25 * DAY_MS}&to={now - 18 * DAY_MS}",
        "daily?from=2026-10-01&to=2027-06-01&tz=Asia/Tokyo",
        "daily?from=2026-10-01&to=2027-06-01&tz=UTC",
        f"streams/live/stream1/history?from={now - 12 * DAY_MS}&to={now}",
        f"trends?from={now - 12 * DAY_MS}&to={now}&step={DAY_MS}",
    ):
        answer = await estate.request("GET", f"/api/v1/{path}")
        assert answer.status_code == 200, answer.text
        found[path] = answer.json()

    def counters(connection: Connection) -> tuple[int, int]:
        return read_counter(connection, SLOTS_KEPT_FROM), read_counter(connection, SAMPLES_KEPT_FROM)

    found["kept from"] = await service.read(counters)
    found["streams"] = await service.read(lambda connection: list(read_streams(connection, Interval(0, now))))
    return found


async def history_of(store_url: str, directory: Path) -> list[dict[str, Any]]:
    """Return what is visible after each of several rounds of retention, with reports in between."""
    found = []
    clock = OwnedClock()
    async with an_estate(directory, clock, store_url, **UNCOMPARED, close_settle_ms=0) as estate:
        agent = ReportingAgent(estate, "edge-1")
        agent.watermark = NOW - 30 * DAY_MS
        await agent.sync_up(SlotRow(slot=NOW - 30 * DAY_MS, revision=0, bytes_out=3), upto_ms=NOW)
        for days in (15, 10, 21, 14):
            await report_days(estate, agent, days)
            await discard_rows(estate.running.service, KEPT, clock.now)
            late = SlotRow(slot=clock.now - 30 * DAY_MS + 60_000, revision=0, bytes_out=1)
            await agent.sync_up(late, upto_ms=clock.now)
            await wait_until(lambda: is_closed(estate), "the days are closed", every_seconds=0.01)
            found.append(await visible(estate))
    return found


async def is_closed(estate: Estate) -> bool:
    service, now_ms = estate.running.service, estate.clock.now
    return not await service.read(lambda connection: is_accounting_due(connection, service.account_zones, now_ms, 0))


async def test_users_see_the_same_on_both_engines(tmp_path: Path, postgresql: Cluster) -> None:
    plain = await history_of(sqlite_url(tmp_path / "plain.db"), tmp_path)
    with postgresql.database() as url:
        divided = await history_of(url, tmp_path)
        assert "slots_2026_11" not in partitions_of(url, "slots")
        assert "slots_2026_12" in partitions_of(url, "slots"), "it has expired in part"
        assert len(partitions_of(url, "samples")) <= 1 + 7 + 1 + 8
    for one, other in zip(plain, divided, strict=True):
        assert {path: answer for path, answer in other.items() if answer != one[path]} == {}
    assert plain[-1]["kept from"][0] > NOW
    assert min(row.slot for row in plain[-1]["streams"]) >= plain[-1]["kept from"][0]


async def test_rows_are_counted_when_their_partition_is_dropped(tmp_path: Path, postgresql: Cluster) -> None:
    with postgresql.database() as url:
        async with an_estate(tmp_path, OwnedClock(), url, **UNCOMPARED) as estate:
            service = estate.running.service
            await report_days(estate, ReportingAgent(estate, "edge-1"), 12)
            before = rows_by_partition(url, "slots")
            assert set(before) == {"slots_2026_11"}
            end_of_month = estate.clock.now + 21 * DAY_MS

            async def round_at(now_ms: int) -> tuple[Discarded, Discarded]:
                due = await service.read(lambda connection: count_due(connection, KEPT, now_ms))
                return due, await discard_rows(service, KEPT, now_ms)

            due, done = await round_at(NOW + 25 * DAY_MS)
            assert (due.by_days["slots"], done.by_days["slots"]) == (0, 0), "they wait for their partition"
            assert "of slots" not in str(done)
            assert await service.read(lambda connection: read_counter(connection, SLOTS_KEPT_FROM)) == NOW + 5 * DAY_MS
            due, done = await round_at(end_of_month)
            assert due.by_days["slots"] == done.by_days["slots"] == before["slots_2026_11"]
            assert f"{before['slots_2026_11']} rows of slots" in str(done)


async def test_partition_in_use_is_dropped_by_a_later_round(tmp_path: Path, postgresql: Cluster) -> None:
    with postgresql.database() as url:
        async with an_estate(tmp_path, OwnedClock(), url, **UNCOMPARED) as estate:
            agent = ReportingAgent(estate, "edge-1")
            await report_days(estate, agent, 3)
            estate.clock.now += 60 * DAY_MS
            await create_partitions(estate)
            waited: list[float] = []
            over = asyncio.Event()

            async def report_all_the_time() -> None:
                while not over.is_set():
                    began = time.monotonic()
                    slot = estate.clock.now - estate.clock.now % 60_000
                    await agent.sync_up(SlotRow(slot=slot, revision=0, bytes_out=1))
                    waited.append(time.monotonic() - began)

            with psycopg.connect(url) as reading:
                reading.execute("SELECT count(*) FROM slots, stream_slots, samples, spans")
                reporting = asyncio.create_task(report_all_the_time())
                discarded = await discard_rows(estate.running.service, KEPT, estate.clock.now)
                over.set()
                await reporting
            assert set(discarded.in_use) == {"samples", "slots", "stream_slots", "spans"}
            assert "samples, slots, stream_slots, spans are in use and are dropped later" in str(discarded)
            assert len(waited) > 2
            assert max(waited) < 1, waited
            assert "slots_2026_11" in partitions_of(url, "slots")
            discarded = await discard_rows(estate.running.service, KEPT, estate.clock.now)
            assert discarded.in_use == ()
            assert discarded.by_days["slots"] > 0
            for table in ("slots", "spans", "slot_connections", "stream_slots"):
                assert f"{table}_2026_11" not in partitions_of(url, table)


async def test_partition_with_a_span_that_has_not_ended_stays(tmp_path: Path, postgresql: Cluster) -> None:
    """A process of an earlier version extended it beyond the end of the partition."""
    with postgresql.database() as url:
        async with an_estate(tmp_path, OwnedClock(), url, **UNCOMPARED) as estate:
            now_ms = NOW + 100 * DAY_MS
            long = {"server": "edge-1", "from_ms": NOW, "to_ms": now_ms, "state": "live", "reason": ""}
            await estate.running.service.write(lambda connection: connection.execute(insert(spans).values(**long)))
            await discard_rows(estate.running.service, KEPT, now_ms)
            assert rows_by_partition(url, "spans") == {"spans_2026_11": 1}
            await discard_rows(estate.running.service, KEPT, now_ms + 20 * DAY_MS)
            assert (rows_by_partition(url, "spans"), partitions_of(url, "spans")) == ({}, {"spans_default"})


async def test_service_frees_the_space_of_expired_partitions(tmp_path: Path, postgresql: Cluster) -> None:
    with postgresql.database() as url:
        async with an_estate(tmp_path, OwnedClock(), url, retention=KEPT) as estate:
            estate.clock.now += 60 * DAY_MS
            left = "SELECT count(*) FROM pg_class WHERE relname LIKE '%2026_11%'"
            async with asyncio.timeout(LONGEST_WAIT_S):
                while run_sql(url, left) != [(0,)]:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)


async def test_service_creates_partitions_as_time_passes(tmp_path: Path, postgresql: Cluster) -> None:
    with postgresql.database() as url:
        async with an_estate(tmp_path, OwnedClock(), url, **UNCOMPARED) as estate:
            estate.clock.now += 200 * DAY_MS
            async with asyncio.timeout(LONGEST_WAIT_S):
                while "slots_2027_06" not in partitions_of(url, "slots"):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            analysed = "SELECT count(*) FROM pg_stats WHERE tablename = 'counters'"
            async with asyncio.timeout(LONGEST_WAIT_S):
                while run_sql(url, analysed) == [(0,)]:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)


async def test_no_table_keeps_rows_for_longer_than_a_partition(tmp_path: Path, postgresql: Cluster) -> None:
    with postgresql.database() as url:
        async with an_estate(tmp_path, OwnedClock(), url, **UNCOMPARED) as estate:
            await report_days(estate, ReportingAgent(estate, "edge-1"), 50)
            now_ms = estate.clock.now
            await discard_rows(estate.running.service, KEPT, now_ms)

            def oldest(connection: Connection) -> dict[str, int]:
                return {
                    name: (now_ms - int(connection.execute(select(func.min(time))).scalar_one())) // DAY_MS
                    for name, time in DIVIDED_BY.items()
                    if connection.execute(select(metadata.tables[name]).limit(1)).first()
                }

            ages = await estate.running.service.read(oldest)
    assert ages["samples"] <= 8
    assert ages["spans"] <= 21
    assert max(ages["slots"], ages["slot_connections"], ages["stream_slots"]) <= 20 + 31
