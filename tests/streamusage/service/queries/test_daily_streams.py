"""Sums of daily statistics by stream and scope: all groups together are the servers' figures, in every state."""

from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from streamusage.api.report import SlotRow, StreamSlotRow
from streamusage.core.coverage import SLOT_MS
from streamusage.core.figures import SUM_NAMES
from tests.streamusage.service.conftest import Estate, OwnedClock, an_estate
from tests.support.service.parties.reporting import ReportingAgent
from tests.support.service.used_store import settle

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = "2026-10-24"
MIDNIGHT = int(datetime(2026, 10, 24, tzinfo=UTC).timestamp() * 1000)
REST = "not by stream"
Sums = dict[str, Any]


def rows_of(slot: int, rest: int = 0, scope: str = "live", **streams: int) -> list[SlotRow | StreamSlotRow]:
    """Return a minute with the outgoing bytes of streams, each with a viewer, and those that are not by stream."""
    parts = [
        StreamSlotRow(slot=slot, scope=scope, name=name, revision=0, bytes_out=sent, connections=1, view_time_ms=7)
        for name, sent in streams.items()
    ]
    whole = {"bytes_out": rest + sum(streams.values()), "view_time_ms": 7 * len(streams)}
    return [SlotRow(slot=slot, revision=0, connections={"rtmp": len(streams)}, **whole), *parts]


def an_agent(estate: Estate, name: str, since: int = MIDNIGHT) -> ReportingAgent:
    agent = ReportingAgent(estate, name, life=f"{name}.1")
    agent.watermark = since
    return agent


async def sums(
    estate: Estate, group: str, by: str = "day", tz: str = "UTC", first: str = DAY, last: str = DAY
) -> dict[tuple[str, str], Sums]:
    """Return the sums by period and group."""
    path = f"/api/v1/daily/sums?from={first}&to={last}&tz={tz}&by={by}&group={group}"
    answer = await estate.request("GET", path)
    assert answer.status_code == 200, answer.text
    rows = answer.json()["sums"]
    assert len({(row["period"], row["group"], "traffic" in row) for row in rows}) == len(rows)
    return {(row["period"], row["group"]): row for row in rows}


async def by_group(estate: Estate, group: str, **options: str) -> dict[str, Sums]:
    return {name: row for (_, name), row in (await sums(estate, group, **options)).items()}


@pytest.fixture
async def estate(tmp_path: Path, store_url: str) -> Any:
    clock = OwnedClock()
    clock.now = MIDNIGHT
    async with an_estate(tmp_path, clock, store_url=store_url, close_settle_ms=0) as estate:
        yield estate


async def test_stream_on_three_servers_with_one_of_them_missing(estate: Estate) -> None:
    agents = [an_agent(estate, name) for name in ("edge-1", "edge-2", "origin-1")]
    for minute, sent in ((0, 10), (5, 40)):
        estate.clock.now = MIDNIGHT + minute * MINUTE + 10_000
        for agent in agents:
            await agent.sync_up(*rows_of(MIDNIGHT + minute * MINUTE, 1, a=sent))
    await agents[0].sync_up(*rows_of(MIDNIGHT + 5 * MINUTE, 1, a=sent, b=5))
    estate.clock.now = MIDNIGHT + 25 * HOUR
    for agent in agents[:2]:
        await agent.sync_up()
    await settle(estate)
    found = await by_group(estate, "stream")
    a, b, rest = found["live/a"], found["live/b"], found[REST]
    assert (a["bytes_out"], a["connections"], a["servers"], a["traffic"]) == (150, 6, 3, "measured")
    assert (a["state"], a["waiting_for"]) == ("provisional", ["origin-1"])
    missing = 24 * HOUR - 5 * MINUTE - 10_000
    assert (a["coverage"]["missing_ms"], a["coverage"]["live_ms"] > 0) == (missing, True)
    assert (a["peak_out_bps"], a["peak_out_at"]) == (120 * 8_000 // MINUTE, MIDNIGHT + 6 * MINUTE)
    assert (a["percentile_95"]["samples"], a["percentile_95"]["expected_samples"]) == (1, 288)
    assert (b["servers"], b["coverage"]["missing_ms"], b["percentile_95"]["samples"]) == (1, 0, 288)
    assert (rest["bytes_out"], rest["servers"], "traffic" in rest) == (6, 3, False)


async def test_agent_without_rows_by_stream_is_not_by_stream(estate: Estate) -> None:
    old, new = an_agent(estate, "edge-1"), an_agent(estate, "origin-1")
    estate.clock.now += 10_000
    await old.sync_up(SlotRow(slot=MIDNIGHT, revision=0, bytes_out=70, connections={"hls": 2}))
    await new.sync_up(*rows_of(MIDNIGHT, a=30))
    found = await by_group(estate, "stream")
    assert {name: (row["bytes_out"], row["servers"]) for name, row in found.items()} == {
        "live/a": (30, 1),
        REST: (70, 1),
    }
    assert found[REST]["connections"] == 2
    assert found[REST]["connections_by_protocol"] == {}


async def test_late_report_of_an_open_day_is_backfilled_by_stream(estate: Estate) -> None:
    agent = an_agent(estate, "edge-1")
    estate.clock.now += 10_000
    await agent.sync_up(*rows_of(MIDNIGHT, a=10))
    estate.clock.now += HOUR
    await agent.sync_up(*rows_of(MIDNIGHT, 3, a=30))
    found = await by_group(estate, "stream")
    assert [found[name]["backfilled"]["bytes_out"] for name in ("live/a", REST)] == [20, 3]
    assert [found[name]["adjustment"] for name in ("live/a", REST)] == [None, None]


async def test_late_report_of_a_closed_day_is_an_adjustment_by_stream(estate: Estate) -> None:
    agent = an_agent(estate, "edge-1")
    estate.clock.now += 10_000
    await agent.sync_up(*rows_of(MIDNIGHT, 5, a=10, b=20))
    estate.clock.now = MIDNIGHT + 25 * HOUR
    await agent.sync_up()
    await settle(estate)
    await agent.sync_up(*rows_of(MIDNIGHT, 6, a=30, b=20, c=1))
    found = await by_group(estate, "stream")
    assert {name: row["bytes_out"] for name, row in found.items()} == {"live/a": 10, "live/b": 20, "live/c": 0, REST: 5}
    moved = {name: row["adjustment"]["bytes_out"] for name, row in found.items()}
    assert moved == {"live/a": 20, "live/b": 0, "live/c": 1, REST: 1}
    assert {row["state"] for row in found.values()} == {"adjusted"}
    assert {row["traffic"] for name, row in found.items() if name != REST} == {"measured"}


async def test_groups_with_odd_names_stay_apart(estate: Estate) -> None:
    agent = an_agent(estate, "edge-1")
    estate.clock.now += 10_000
    names = {("live", "a/b"): 1, ("live/a", "b"): 2, (REST, "x"): 4, ("live", "a%2Fb"): 8}
    parts = [
        StreamSlotRow(slot=MIDNIGHT, scope=scope, name=name, revision=0, bytes_out=sent)
        for (scope, name), sent in names.items()
    ]
    await agent.sync_up(SlotRow(slot=MIDNIGHT, revision=0, bytes_out=31), *parts)
    rows = (await estate.request("GET", f"/api/v1/daily/sums?from={DAY}&to={DAY}&group=scope")).json()["sums"]
    assert [(row["group"], row["bytes_out"], "traffic" in row) for row in rows] == [
        ("live", 9, True), ("live/a", 2, True), (REST, 4, True), (REST, 16, False),
    ]  # fmt: skip
    found = await by_group(estate, "stream")
    assert {name: row["bytes_out"] for name, row in found.items()} == {
        "live/a%2Fb": 1, "live/a/b": 2, f"{REST}/x": 4, "live/a%252Fb": 8, REST: 16,
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
async def test_groups_of_random_histories_sum_to_the_servers(estate: Estate, seed: int) -> None:
    random = Random(seed)
    agents = [an_agent(estate, name) for name in ("edge-1", "edge-2", "origin-1")]
    sent: dict[tuple[str, int], list[SlotRow | StreamSlotRow]] = {}
    for _ in range(10):
        before, estate.clock.now = estate.clock.now, estate.clock.now + random.choice((1, 2, 7, 11)) * HOUR
        for agent in random.sample(agents, random.randrange(1, 4)):
            slots = {random.randrange(before, estate.clock.now) // SLOT_MS * SLOT_MS for _ in range(8)}
            slots |= {slot for name, slot in sent if name == agent.server and random.random() < 0.05}
            for slot in slots:
                sent[agent.server, slot] = grow(random, slot, sent.get((agent.server, slot), []))
            await agent.sync_up(*(row for slot in sorted(slots) for row in sent[agent.server, slot]))
        await settle(estate)
        if random.random() < 0.3:
            await close(estate, random)
    for agent in agents[:2]:
        await agent.sync_up()
    await settle(estate)
    days = {"first": "2026-10-24", "last": "2026-10-27"}
    for tz in ("UTC", "Europe/Berlin", "Asia/Kathmandu"):
        for by in ("day", "month"):
            whole = await sums(estate, "all", by=by, tz=tz, **days)
            for group in ("stream", "scope"):
                parts = await sums(estate, group, by=by, tz=tz, **days)
                for (period, _), row in whole.items():
                    check_sums(row, [part for (of, _), part in parts.items() if of == period])


def grow(random: Random, slot: int, before: list[SlotRow | StreamSlotRow]) -> list[SlotRow | StreamSlotRow]:
    """Return a minute with more units than before, of some streams and of none."""
    known = {row.name: row.bytes_out for row in before if isinstance(row, StreamSlotRow)}
    for name in random.sample("abc", random.randrange(4)):
        known[name] = known.get(name, 0) + random.randrange(10**6)
    rest = sum(row.bytes_out for row in before if isinstance(row, SlotRow)) + random.randrange(10**6)
    return rows_of(slot, rest, scope=f"live{slot // SLOT_MS % 2}", **known)


async def close(estate: Estate, random: Random) -> None:
    """Close the day before as an operator, so that what arrives later adjusts it."""
    day = datetime.fromtimestamp((estate.clock.now - 25 * HOUR) / 1000, UTC).date()
    body = {"day": day.isoformat(), "tz": "UTC"} | random.choice(({}, {"server": "edge-1"}))
    answer = await estate.request("POST", "/api/v1/days/close", json=body)
    assert answer.status_code in (200, 404, 409), answer.text


def check_sums(whole: Sums, parts: list[Sums]) -> None:
    for name in SUM_NAMES:
        assert sum(part[name] for part in parts) == whole[name]
        assert sum(part["backfilled"][name] for part in parts) == whole["backfilled"][name]
        moved = [part["adjustment"][name] for part in parts if part["adjustment"] is not None]
        assert sum(moved) == (0 if whole["adjustment"] is None else whole["adjustment"][name])
    assert max(part["peak_out_bps"] for part in parts) <= whole["peak_out_bps"] + 1
    rank = ("provisional", "adjusted", "final").index
    assert min(rank(part["state"]) for part in parts) == rank(whole["state"])
