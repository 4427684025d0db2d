"""Retention: records, days and samples that it discards, and its effects on cursors and late reports."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from sqlalchemy import Connection, func, select

from streamusage.api.report import SampleRow, SlotRow
from streamusage.service.retention import DAY_MS, Retention, discard_rows
from streamusage.service.rules.cross_checks import Threshold
from streamusage.service.store.engines.locks import WHOLE_STORE, LockSet
from streamusage.service.store.schema import hours
from tests.streamusage.service.conftest import NOW, Estate, a_record, an_estate
from tests.support.service.answers import remove_server
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tests.support.service.used_store import settle
from tests.support.waiting import LONGEST_WAIT_S

Result = TypeVar("Result")


@pytest.fixture
async def estate(tmp_path: Path, store_url: str) -> AsyncIterator[Estate]:
    """A service whose own retention never discards, so that only the test does. It compares no hours: where a test
    moves its clock by weeks, that would take most of the time.
    """
    options: dict[str, Any] = {"retention": Retention(36_500, 36_500), "cross_check": Threshold(0)}
    async with an_estate(tmp_path, store_url=store_url, **options) as estate:
        yield estate


async def discard(estate: Estate, **days: int) -> int:
    return (await discard_rows(estate.running.service, Retention(**days), estate.clock.now)).records


async def test_record_is_discarded_a_week_after_its_last_change(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    estate.clock.now += 10_000
    sample = SampleRow(slot=NOW, scope="live", name="stream1", revision=0, active=2, highest=3)
    await agent.sync_up(a_session("e", live=False, active=0), a_session("on", name="continuing"), sample)
    cursor = (await estate.request("GET", "/api/v1/changes")).json()["cursor"]
    estate.clock.now += 7 * DAY_MS
    assert await discard(estate) == 0
    estate.clock.now += 1
    await estate.import_records(a_record("old by its dates, new here"))
    assert await discard(estate) == 1
    assert {record["name"] for record in await estate.records()} == {"continuing", "old by its dates, new here"}
    changes = (await estate.request("GET", f"/api/v1/changes?cursor={cursor}")).json()
    assert [key["name"] for key in changes["deleted"]] == ["stream1"]
    entries = (await estate.request("GET", "/api/v1/audit")).json()["entries"]
    assert sorted((entry["operation"], entry["who"], entry["records"]) for entry in entries) == [
        ("discard", "retention", 1),
        ("import", "boss", 1),
    ], "both entries have the same time, so that their order is undefined"

    await agent.sync_up(a_session("e", live=False, active=0, total=8))
    assert len(await estate.records()) == 2, "a late report does not restore it"
    (orphan,) = (await estate.request("GET", "/api/v1/orphans")).json()["orphans"]
    assert (orphan["name"], orphan["total"]) == ("stream1", 8)
    assert await discard(estate) == 0


async def test_daily_statistics_are_kept_longer_and_discarded_by_whole_days(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    estate.clock.now += 10_000
    await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_out=7, connections={"rtmp": 1}))
    estate.clock.now += 30 * DAY_MS

    async def days() -> list[dict[str, object]]:
        answer = await estate.request("GET", "/api/v1/daily?from=2026-11-18&to=2026-11-19")
        return answer.json()["days"]  # type: ignore[no-any-return]

    await discard(estate)
    assert [day["bytes_out"] for day in await days()] == [7, 0]
    await discard(estate, daily_statistics_days=30)
    assert [day["bytes_out"] for day in await days()] == [7, 0], "the slot is not older than 30 days"
    estate.clock.now += DAY_MS // 2
    await discard(estate, daily_statistics_days=30)
    assert [day["day"] for day in await days()] == ["2026-11-19"], "a partly discarded day is not listed"


async def test_folded_time_is_answered_as_known_or_as_no_longer_known(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    estate.clock.now += 2 * DAY_MS
    await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_out=7, connections={"rtmp": 1}))
    estate.clock.now += 60 * DAY_MS
    await agent.sync_up()
    await settle(estate)
    days, sums = "daily?from=2026-11-18&to=2026-11-19&tz=Asia/Tokyo", "daily/sums?from=2026-11-18&to=2026-11-19"
    gap = f"coverage?from={NOW}&to={NOW + DAY_MS}"

    async def answers() -> tuple[dict[str, object], dict[str, object], int, object]:
        found = [await estate.request("GET", f"/api/v1/{path}") for path in (days, sums, f"{sums}&tz=Asia/Tokyo", gap)]
        (server,) = found[3].json()["servers"]
        return found[0].json()["days"], found[1].json()["sums"], found[2].status_code, server["spans"][0]["delta"]

    before = await answers()
    assert (before[2], before[3] is None) == (200, False)
    folding = Retention(36_500, 36_500, minute_statistics_days=42, hour_statistics_days=44)
    discarded = await discard_rows(estate.running.service, folding, estate.clock.now)
    assert discarded.by_folding["hours"] == 1
    assert "1 rows of hours: sums are kept of minutes before" in str(discarded)
    after = await answers()
    assert after[:2] == before[:2]
    assert after[2:] == (409, None)


async def test_hours_are_discarded_in_many_small_writes(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    estate.clock.now += 3 * DAY_MS
    await agent.sync_up(*(SlotRow(slot=NOW + hour * 3_600_000, revision=0, bytes_out=7) for hour in range(70)))
    service = estate.running.service

    def count_hours(connection: Connection) -> int:
        return connection.execute(select(func.count()).select_from(hours)).scalar_one()

    async with asyncio.timeout(LONGEST_WAIT_S):
        while await service.read(count_hours) < 70:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    discarded_counts = []

    class Counting:
        read = staticmethod(service.read)

        async def write(self, work: Callable[[Connection], Result], locks: LockSet = WHOLE_STORE) -> Result:
            before = await service.read(count_hours)
            done = await service.write(work)
            discarded_counts.append(before - await service.read(count_hours))
            return done

    estate.clock.now += 100 * DAY_MS
    await discard_rows(Counting(), Retention(daily_statistics_days=10), estate.clock.now, rows_per_write=6)
    assert (sum(discarded_counts), max(discarded_counts)) == (70, 6)


async def test_discarded_samples_are_unknown_not_zero(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    for turn in range(2):
        slot = estate.clock.now
        estate.clock.now += 60_000
        sample = SampleRow(slot=slot, scope="live", name="stream1", revision=0, active=2, highest=3)
        await agent.sync_up(a_session("e", end_time=estate.clock.now), sample)
        estate.clock.now += (8 - 8 * turn) * DAY_MS

    async def active_figures() -> list[list[int | None]]:
        history = await estate.request("GET", f"/api/v1/streams/live/stream1/history?from={NOW}&to={slot + 60_000}")
        trends = await estate.request("GET", f"/api/v1/trends?from={NOW}&to={slot + 60_000}&step={DAY_MS}")
        by_minute = [point["active"] for point in history.json()["points"]]
        (by_day,) = [stream["active"] for stream in trends.json()["streams"]]
        return [[by_minute[0], by_minute[1], by_minute[-1]], [by_day[0], by_day[-1]]]

    assert await active_figures() == [[2, 0, 2], [0, 2]]
    await discard(estate)
    assert await active_figures() == [[None, None, 2], [None, 2]]


@pytest.mark.parametrize(("silent_days", "maximum"), [(20, 5), (41, 3)])
async def test_samples_are_kept_for_a_server_that_owes_those_of_the_same_minutes(
    estate: Estate, silent_days: int, maximum: int
) -> None:
    origin = ReportingAgent(estate, "origin-1", "origin", life="o.1")
    edge = ReportingAgent(estate, "edge-1", "edge", life="e.1")
    sample = SampleRow(slot=NOW + 120_000, scope="live", name="stream1", revision=0, active=2, highest=3)
    estate.clock.now += 60_000
    for agent, publish in ((origin, "o"), (edge, "e")):
        await agent.sync_up(a_session(publish, end_time=estate.clock.now, active=0, highest=3))
    estate.clock.now = NOW + 5 * 60_000
    await origin.sync_up(a_session("o", end_time=estate.clock.now, active=2, highest=3), sample)
    estate.clock.now += silent_days * DAY_MS
    await origin.sync_up(a_session("o", end_time=estate.clock.now, active=2, highest=3))
    await discard(estate)
    late = NOW + 5 * 60_000
    await edge.sync_up(
        a_session("e", end_time=late, live=False, active=0, highest=3),
        msgspec.structs.replace(sample, active=3),
        upto_ms=late,
    )
    assert [record["maxSubscribers"] for record in await estate.records()] == [maximum]


async def test_samples_that_are_hidden_count_as_little_as_deleted_ones(estate: Estate) -> None:
    """On PostgreSQL their rows wait for the end of their day's partition."""
    agents = {
        server: ReportingAgent(estate, server, role)
        for server, role in (("origin-1", "standalone"), ("edge-1", "edge"), ("edge-2", "edge"))
    }
    estate.clock.now += 5 * 60_000
    for after_ms in (0, 7 * DAY_MS - 180_000):
        estate.clock.now += after_ms
        for agent in agents.values():
            sample = SampleRow(slot=NOW + 60_000, scope="live", name="stream1", revision=0, active=4, highest=5)
            publish = a_session(end_time=estate.clock.now, active=1, highest=5)
            await agent.sync_up(publish, *([] if after_ms else [sample]))
    assert [record["maxSubscribers"] for record in await estate.records()] == [12]
    await discard(estate)
    status, _ = await remove_server(estate, "edge-2", force=True)
    assert status == 200
    assert [record["maxSubscribers"] for record in await estate.records()] == [5]


@pytest.mark.parametrize("late", [False, True])
async def test_cursor_that_missed_forgotten_deletes_resets(estate: Estate, late: bool) -> None:
    await estate.import_records(a_record("a"), a_record("b"))
    before = (await estate.request("GET", "/api/v1/changes")).json()["cursor"]
    await estate.usage("DELETE", "/live/a")
    after = (await estate.request("GET", "/api/v1/changes")).json()["cursor"]
    estate.clock.now += 29 * DAY_MS
    if late:
        estate.clock.now += 2 * DAY_MS
    await discard(estate)
    resets = [
        (await estate.request("GET", f"/api/v1/changes?cursor={cursor}")).json()["reset"] for cursor in (before, after)
    ]
    assert resets == [late, False]


async def test_cached_record_list_omits_records_deleted_after_tombstones_expired(estate: Estate) -> None:
    await estate.import_records(a_record("a"), a_record("b"))
    assert len(await estate.records()) == 2
    await estate.usage("DELETE", "/live/a")
    estate.clock.now += 31 * DAY_MS
    await estate.import_records(a_record("c"))
    await discard(estate)
    assert [record["name"] for record in await estate.records()] == ["c"]


async def test_longer_retention_does_not_undo_a_shorter_one(estate: Estate) -> None:
    """Discarded data stays discarded: a day without some of its minutes is not listed again after an older report."""
    agent = ReportingAgent(estate, "edge-1")
    agent.watermark = NOW - 40 * DAY_MS
    await agent.sync_up(SlotRow(slot=NOW - 40 * DAY_MS, revision=0, bytes_out=7))
    await discard(estate, daily_statistics_days=30)
    path = "/api/v1/daily?from=2026-10-09&to=2026-10-09&tz=Asia/Tokyo"  # not an account zone: its days are not closed
    assert (await estate.request("GET", path)).json()["days"] == []
    await agent.sync_up(SlotRow(slot=NOW - 800 * DAY_MS, revision=0, bytes_out=5))
    await discard(estate, daily_statistics_days=400)
    assert (await estate.request("GET", path)).json()["days"] == []


async def test_tombstone_of_a_continuing_publish_is_not_forgotten(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    estate.clock.now += 10_000
    await agent.sync_up(a_session("e"))
    await estate.usage("DELETE", "/live/stream1")
    estate.clock.now += 100 * DAY_MS
    await discard(estate)
    await agent.sync_up(a_session("e", total=50, end_time=estate.clock.now))
    assert await estate.records() == []


async def test_session_keeps_its_parts_if_another_of_its_stream_is_deleted(estate: Estate) -> None:
    """The session ended long ago as well, but was reported today."""
    one, other = ReportingAgent(estate, "edge-1"), ReportingAgent(estate, "origin-1")
    estate.clock.now += 10_000
    await one.sync_up(a_session("first", live=False))
    await estate.usage("DELETE", "/live/stream1")
    estate.clock.now += 8 * DAY_MS
    for agent in (one, other):
        await agent.sync_up(a_session("second", start_time=NOW + 5_000, end_time=NOW + 6_000, live=False))
    await discard(estate)
    await other.sync_up(a_session("second", start_time=NOW + 5_000, end_time=NOW + 6_000, live=False, total=7))
    assert [record["totalSubscribers"] for record in await estate.records()] == [5 + 7]


async def test_tombstone_of_a_publish_of_an_ended_life_is_forgotten(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    estate.clock.now += 10_000
    await agent.sync_up(a_session("e"))
    cursor = (await estate.request("GET", "/api/v1/changes")).json()["cursor"]
    await estate.usage("DELETE", "/live/stream1")
    estate.clock.now += 100 * DAY_MS
    await discard(estate)
    assert not (await estate.request("GET", f"/api/v1/changes?cursor={cursor}")).json()["reset"], (
        "the publish may still continue"
    )
    await ReportingAgent(estate, "edge-1", life="j2.1").sync_up()
    await discard(estate)
    assert (await estate.request("GET", f"/api/v1/changes?cursor={cursor}")).json()["reset"]


async def test_record_written_during_retention_is_not_discarded(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    estate.clock.now += 10_000
    await agent.sync_up(a_session("e", live=False))
    estate.clock.now += 8 * DAY_MS

    class Interrupted:
        """Store access with a report between the first read and the first write."""

        read = staticmethod(estate.running.service.read)
        is_report_pending = True

        async def write(self, work: Callable[[Connection], Result], locks: LockSet = WHOLE_STORE) -> Result:
            if self.is_report_pending:
                self.is_report_pending = False
                await agent.sync_up(a_session("e", live=False, total=9))
            return await estate.running.service.write(work)

    assert (await discard_rows(Interrupted(), Retention(), estate.clock.now)).records == 0
    assert [record["totalSubscribers"] for record in await estate.records()] == [9]


async def test_service_runs_retention_periodically(tmp_path: Path, store_url: str) -> None:
    async with an_estate(tmp_path, store_url=store_url) as estate:
        await estate.import_records(a_record())
        estate.clock.now += 7 * DAY_MS + 1
        async with asyncio.timeout(LONGEST_WAIT_S):
            while await estate.records():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
