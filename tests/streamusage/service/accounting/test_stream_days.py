"""Days by stream from the store equal what was reported, in zones of 23 and 25 hours and of 45 minutes."""

from datetime import UTC, date, datetime
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Connection

from streamusage.api.report import SlotRow, StreamSlotRow
from streamusage.core.coverage import SLOT_MS, Interval
from streamusage.core.days import day_interval, zone
from streamusage.core.figures import SUM_NAMES
from streamusage.core.usage import StreamId
from streamusage.service.accounting.day_statistics import compute_day_statistics
from streamusage.service.accounting.stream_days import load_stream_days
from streamusage.service.rules.rollups import round_to_quarters, unpack_minutes
from streamusage.service.rules.stream_days import StreamsOfDay, rest_of
from streamusage.service.store.coverage_rows import load_covered_servers
from tests.streamusage.service.conftest import OwnedClock, an_estate
from tests.support.service.parties.reporting import ReportingAgent
from tests.support.service.used_store import settle

MINUTE = 60_000
HOUR = 60 * MINUTE
SERVERS = ("edge-1", "origin-1")
DAYS = [
    ("2026-03-28", "2026-03-29", "Europe/Berlin", 23),
    ("2026-10-24", "2026-10-25", "Europe/Berlin", 25),
    ("2026-10-24", "2026-10-25", "Asia/Kathmandu", 24),
    ("2026-10-24", "2026-10-25", "Australia/Lord_Howe", 24),
    ("2026-10-03", "2026-10-04", "Australia/Lord_Howe", 23.5),
]
Truth = dict[tuple[str, int, str], StreamSlotRow]


def random_rows(random: Random, slot: int) -> list[SlotRow | StreamSlotRow]:
    streams = [
        StreamSlotRow(
            slot=slot,
            scope="live",
            name=name,
            revision=0,
            connections=random.randrange(3),
            bytes_in=random.randrange(10**6),
            bytes_out=random.randrange(10**9),
            view_time_ms=random.randrange(10**5),
            traffic=random.choice(("measured", "apportioned", "none")),
        )
        for name in random.sample("abc", random.randrange(4))
    ]
    whole = {name: sum(getattr(row, name) for row in streams) for name in ("bytes_in", "bytes_out", "view_time_ms")}
    rest = {name: total + random.choice((0, random.randrange(10**6))) for name, total in whole.items()}
    connections = sum(row.connections for row in streams) + random.randrange(2)
    return [SlotRow(slot=slot, revision=0, connections={"rtmp": connections}, **rest), *streams]


@pytest.mark.parametrize(("begins", "day", "name", "hours"), DAYS)
async def test_streams_of_a_day_equal_the_truth_and_sum_to_the_server(
    tmp_path: Path, store_url: str, begins: str, day: str, name: str, hours: float
) -> None:
    random = Random(f"{day} {name}")
    clock = OwnedClock()
    begin = int(datetime.fromisoformat(begins).replace(tzinfo=UTC).timestamp() * 1000)
    interval = day_interval(date.fromisoformat(day), zone(name))
    assert interval.length_ms == hours * HOUR
    truth: Truth = {}
    clock.now = begin
    async with an_estate(tmp_path, clock, store_url=store_url) as estate:
        agents = [ReportingAgent(estate, server, life=f"{server}.1") for server in SERVERS]
        for agent in agents:
            agent.watermark = begin
        for _ in range(7):
            before, clock.now = clock.now, clock.now + random.randrange(4, 9) * HOUR + random.randrange(60) * MINUTE
            for agent in agents:
                slots = sorted({random.randrange(before, clock.now) // SLOT_MS * SLOT_MS for _ in range(40)})
                rows = [row for slot in slots if slot >= before for row in random_rows(random, slot)]
                await agent.sync_up(*rows)
                truth |= {(agent.server, r.slot, r.name): r for r in rows if isinstance(r, StreamSlotRow)}
        clock.now = max(clock.now, interval.to_ms)
        await settle(estate)
        await estate.running.service.read(lambda connection: check(connection, truth, interval, clock.now))


def check(connection: Connection, truth: Truth, interval: Interval, now_ms: int) -> None:
    items = load_covered_servers(connection, *interval, now_ms, list(SERVERS))
    statistics = compute_day_statistics(connection, items, interval)
    summed_to = {item.state.server: item.state.summed_to for item in items}
    for forced in (summed_to, dict.fromkeys(SERVERS, 0)):  # from hours, and from minutes only
        days = load_stream_days(connection, forced, interval, with_minutes=True)
        for server in SERVERS:
            _check_server(server, days[server], truth, interval)
            found = statistics[server]
            parts = (found.figures, found.figures.backfilled)
            sums = [getattr(part, figure) for part in parts for figure in SUM_NAMES]
            rest = rest_of(sums, found.samples.minutes, days[server])
            assert min(rest.sums) >= 0
            assert sum(unpack_minutes(rest.minutes.bytes_out)) == rest.sums[2]


def _check_server(server: str, found: StreamsOfDay, truth: Truth, interval: Interval) -> None:
    rows = [row for (of, slot, _), row in truth.items() if of == server and interval.from_ms <= slot < interval.to_ms]
    assert set(found) == {StreamId(row.scope, row.name) for row in rows}
    for stream, figures in found.items():
        own = [row for row in rows if row.name == stream.name]
        expected = [sum(getattr(row, figure) for row in own) for figure in SUM_NAMES]
        assert list(figures.sums[:4]) == expected
        words = {row.traffic for row in own}
        assert figures.traffic == next(word for word in ("none", "apportioned", "measured") if word in words)
        minutes = unpack_minutes(figures.minutes.bytes_out)
        assert len(minutes) == round_to_quarters(interval).length_ms // SLOT_MS
        assert {interval.from_ms + at * SLOT_MS: n for at, n in enumerate(minutes) if n} == {
            row.slot: row.bytes_out for row in own if row.bytes_out
        }
