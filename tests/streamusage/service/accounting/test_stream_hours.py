"""Hours by stream in the store: summed with `hours`, summed again after late reports, discarded and checked."""

from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, update

from streamusage.api.report import SlotRow, StreamSlotRow
from streamusage.core.coverage import Interval
from streamusage.service.accounting.checks.verification import verify_store
from streamusage.service.accounting.hours import find_unsummed, sum_hours
from streamusage.service.accounting.stream_hours import iterate_stored_hours, limit_step
from streamusage.service.retention import Retention, discard_rows
from streamusage.service.rules.stream_hours import FIGURE_NAMES
from streamusage.service.store.schema import servers, stream_hours, stream_slots
from streamusage.service.store.store import open_store
from streamusage.service.store.streams.stream_hours import decode_hour, encode_hour
from tests.streamusage.service.conftest import NOW, OwnedClock, an_estate
from tests.support.service.parties.reporting import ReportingAgent
from tests.support.service.used_store import settle

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
T0 = NOW - NOW % HOUR + HOUR
ALL = Interval(0, 2**53)
SERVERS = ("edge-1", "origin-1")


def figures(slot: int, **bytes_out: int) -> list[SlotRow | StreamSlotRow]:
    """Return a slot with the outgoing bytes of streams, and one byte that is not by stream."""
    streams = [StreamSlotRow(slot=slot, scope="live", name=n, revision=0, bytes_out=b) for n, b in bytes_out.items()]
    return [SlotRow(slot=slot, revision=0, bytes_out=sum(bytes_out.values()) + 1), *streams]


def stored(store_url: str) -> dict[tuple[str, int, str], tuple[int, int]]:
    """Return outgoing bytes and their late part by server, hour and stream."""
    found = {}
    with closing(open_store(store_url, 0)) as store, store.reading() as connection:
        for server, start, hour in iterate_stored_hours(connection, ALL, SERVERS, with_minutes=True):
            sums = dict(zip(FIGURE_NAMES, hour.sums, strict=True))
            for at, name in enumerate(hour.names):
                both = [sum(q[at] for q in sums[figure] if q) for figure in ("bytes_out", "late_bytes_out")]
                found[server, (start - T0) // HOUR, name] = (both[0], both[1])
    return found


async def test_hours_are_summed_once_over_and_again_after_a_late_report(tmp_path: Path, store_url: str) -> None:
    clock = OwnedClock()
    clock.now = T0
    async with an_estate(tmp_path, clock, store_url=store_url) as estate:
        agents = [ReportingAgent(estate, name, life=f"{name}.1") for name in ("edge-1", "origin-1")]
        for agent in agents:
            agent.watermark = T0
        for at, streams in ((0, {"a": 60, "b": 30}), (59, {"a": 5})):
            estate.clock.now = T0 + at * MINUTE + 10_000
            for agent in agents:
                await agent.sync_up(*figures(T0 + at * MINUTE, **streams))
        estate.clock.now = T0 + 2 * HOUR + MINUTE
        for agent in agents:
            await agent.sync_up(*figures(T0 + 2 * HOUR, a=1))
        await settle(estate)
        whole = {(s, 0, n): (v, 0) for s in ("edge-1", "origin-1") for n, v in (("a", 65), ("b", 30))}
        assert stored(store_url) == whole, "the hour without figures has no row, that of the watermark is not over"
        await agents[0].sync_up(*figures(T0, a=100, b=30))
        assert stored(store_url) == whole | {("edge-1", 0, "a"): (105, 40)}


async def test_hours_are_discarded_with_the_hours_of_servers(tmp_path: Path, store_url: str) -> None:
    clock = OwnedClock()
    clock.now = T0
    async with an_estate(tmp_path, clock, store_url=store_url, retention=Retention(36_500, 36_500)) as estate:
        agent = ReportingAgent(estate)
        agent.watermark = T0
        estate.clock.now = T0 + 2 * HOUR
        await agent.sync_up(*figures(T0, a=60), *figures(T0 + HOUR, a=7))
        await settle(estate)
        assert set(stored(store_url)) == {("edge-1", 0, "a"), ("edge-1", 1, "a")}
        estate.clock.now = T0 + HOUR + 30 * DAY
        discarded = await discard_rows(estate.running.service, Retention(daily_statistics_days=30), estate.clock.now)
        assert discarded.by_days["stream_hours"] == discarded.by_days["hours"] == 1
        assert set(stored(store_url)) == {("edge-1", 1, "a")}


async def test_step_sums_few_hours_where_many_streams_have_figures(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = OwnedClock()
    clock.now = T0
    async with an_estate(tmp_path, clock, store_url=store_url) as estate:
        for name in ("edge-1", "origin-1"):
            agent = ReportingAgent(estate, name, life=f"{name}.1")
            agent.watermark = T0
            estate.clock.now = T0 + 6 * HOUR
            rows = [row for hour in range(1, 5) for row in figures(T0 + hour * HOUR, a=hour, b=7)]
            await agent.sync_up(*rows)
        await settle(estate)
    whole = stored(store_url)
    assert len(whole) == 2 * 4 * 2
    with closing(open_store(store_url, 0)) as store, store.writing() as connection, connection.begin():
        connection.execute(stream_hours.delete())
        connection.execute(update(servers).values(summed_to=T0))
        day = Interval(T0, T0 + 6 * HOUR)
        assert limit_step(connection, "edge-1", day, 1).to_ms == T0 + 2 * HOUR, "the first hour with streams is summed"
        assert limit_step(connection, "edge-1", day, 2**20).to_ms == day.to_ms
        monkeypatch.setattr("streamusage.service.accounting.hours.STEP_BYTES", 1)
        steps = 0
        while behind := find_unsummed(connection):
            sum_hours(connection, behind)
            steps += 1
    assert stored(store_url) == whole
    assert steps == 2 * 4, "each step sums one hour of one server"


async def test_hours_that_differ_from_their_minutes_are_found(tmp_path: Path, store_url: str) -> None:
    clock = OwnedClock()
    clock.now = T0
    async with an_estate(tmp_path, clock, store_url=store_url) as estate:
        agent = ReportingAgent(estate)
        agent.watermark = T0
        estate.clock.now = T0 + 5 * HOUR
        await agent.sync_up(*(row for hour in range(4) for row in figures(T0 + hour * HOUR, a=60)))
        await settle(estate)

    def differences() -> list[tuple[str, str, str]]:
        with closing(open_store(store_url, 0)) as store:
            results = list(verify_store(store, estate.clock.now, lambda _what, _done, _total: None))
        return [tuple(one) for result in results for one in result.differences]  # type: ignore[misc]

    assert differences() == []
    with closing(open_store(store_url, 0)) as store, store.writing() as connection, connection.begin():
        row = connection.execute(select(stream_hours).where(stream_hours.c.hour == T0)).one()
        other = msgspec.structs.replace(decode_hour(row.figures, row.minutes), names=("b",))
        at = stream_hours.c.hour
        connection.execute(update(stream_hours).where(at == T0).values(**encode_hour(other)._asdict()))
        connection.execute(update(stream_hours).where(at == T0 + HOUR).values(minutes=b"?"))
        connection.execute(stream_hours.delete().where(at == T0 + 2 * HOUR))
        connection.execute(stream_slots.delete().where(stream_slots.c.slot == T0 + 3 * HOUR))
    found = differences()
    assert [(table, key) for table, key, _ in found] == [
        ("stream_hours", f"server=edge-1 hour={T0 + hour * HOUR}") for hour in range(4)
    ]
    assert [what.partition(":")[0] for *_, what in found] == [
        "differs from its slots",
        "cannot be decoded",
        "is missing, but has figures by stream in its slots",
        "has figures, but no figures by stream in its slots",
    ]
