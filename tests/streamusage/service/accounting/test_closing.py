"""Closing of days, by the watermark or by an operator: once, and later figures become adjustments."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from streamusage.api.report import SlotRow
from streamusage.core.days import zone
from streamusage.service.accounting.closing import is_accounting_due
from streamusage.service.ingest.reports import ingest_report
from streamusage.service.retention import Retention, discard_rows
from streamusage.service.server import run_service
from streamusage.service.store.engines.sqlite import sqlite_url
from tests.streamusage.service.conftest import TOKENS, Estate, OwnedClock
from tests.support.service.parties.reporting import ReportingAgent
from tests.support.waiting import wait_until

HOUR = 3_600_000
MINUTE = 60_000


def utc(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type]


@asynccontextmanager
async def estate_at(directory: Path, now: int, *zones: str, settle_ms: int = 0) -> AsyncIterator[Estate]:
    clock = OwnedClock()
    clock.now = now
    async with run_service(
        store_url=sqlite_url(directory / "usage.db"),
        tokens=TOKENS,
        clock=clock,
        account_zones=[zone(name) for name in zones or ("UTC",)],
        close_settle_ms=settle_ms,
    ) as running:
        estate = Estate(running, clock)
        async with estate.http:
            yield estate


def an_agent(estate: Estate, server: str = "edge-1") -> ReportingAgent:
    agent = ReportingAgent(estate, server)
    agent.watermark = estate.clock.now
    return agent


async def settle(estate: Estate) -> None:
    service = estate.running.service
    zones, now_ms, settle_ms = service.account_zones, estate.clock.now, service.close_settle_ms

    async def is_settled() -> bool:
        return not await service.read(lambda connection: is_accounting_due(connection, zones, now_ms, settle_ms))

    await wait_until(is_settled, "the service has summed and closed everything that is due", every_seconds=0.01)


async def days(estate: Estate, day: str, tz: str = "UTC") -> dict[str, dict[str, Any]]:
    await settle(estate)
    answer = await estate.request("GET", f"/api/v1/daily?from={day}&to={day}&tz={tz}", token="viewer-token")
    return {row["server"]: row for row in answer.json()["days"]}


async def close(estate: Estate, day: str, token: str = "admin-token", **more: str) -> httpx.Response:
    return await estate.request("POST", "/api/v1/days/close", token=token, json={"day": day, **more})


async def test_day_closes_once_every_server_is_past_its_end(tmp_path: Path) -> None:
    async with estate_at(tmp_path, utc(2026, 11, 20, 12)) as estate:
        one, other = an_agent(estate), an_agent(estate, "origin-1")
        await one.sync_up()
        await other.sync_up()
        estate.clock.now = utc(2026, 11, 21, 0, 0)
        await one.sync_up(SlotRow(slot=utc(2026, 11, 20, 23, 59), revision=0, bytes_out=5))
        by_server = await days(estate, "2026-11-20")
        assert [day["state"] for day in by_server.values()] == ["provisional", "provisional"]
        assert by_server["edge-1"]["waiting_for"] == ["origin-1"]
        estate.clock.now += MINUTE
        await other.sync_up()
        by_server = await days(estate, "2026-11-20")
        assert [day["state"] for day in by_server.values()] == ["final", "final"]
        assert by_server["edge-1"]["closed"] == {
            "at": estate.clock.now, "by": None, "rule": "watermark", "revision": 1,
            "watermark": utc(2026, 11, 21),
        }  # fmt: skip
        assert by_server["edge-1"]["bytes_out"] == 5


async def test_day_closed_in_several_steps_has_every_servers_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamusage.service.accounting.closing.SERVERS_PER_BATCH", 1)
    async with estate_at(tmp_path, utc(2026, 11, 20, 12)) as estate:
        one, other = an_agent(estate), an_agent(estate, "origin-1")
        estate.clock.now = utc(2026, 11, 20, 23)
        for agent in (one, other):
            await agent.sync_up(SlotRow(slot=utc(2026, 11, 20, 18), revision=0, bytes_out=5))
        estate.clock.now = utc(2026, 11, 21)
        for agent in (one, other):
            await agent.sync_up()
        by_server = await days(estate, "2026-11-20")
        assert {name: (day["state"], day["closed"]["rule"], day["bytes_out"]) for name, day in by_server.items()} == {
            "edge-1": ("final", "watermark", 5),
            "origin-1": ("final", "watermark", 5),
        }


async def test_day_settles_before_it_closes_and_includes_lines_written_after_midnight(tmp_path: Path) -> None:
    midnight = utc(2026, 11, 21)
    async with estate_at(tmp_path, midnight - 12 * HOUR, settle_ms=2 * MINUTE) as estate:
        one, other = an_agent(estate), an_agent(estate, "origin-1")
        await one.sync_up()
        estate.clock.now = midnight + 5_000
        await one.sync_up(SlotRow(slot=midnight - MINUTE, revision=0, bytes_out=5))
        await other.sync_up()
        by_server = await days(estate, "2026-11-20")
        assert [day["state"] for day in by_server.values()] == ["provisional", "provisional"]
        assert by_server["edge-1"]["waiting_for"] == ["edge-1", "origin-1"]
        estate.clock.now = midnight + 20_000
        await one.sync_up(SlotRow(slot=midnight - MINUTE, revision=0, bytes_out=7))
        estate.clock.now = midnight + 2 * MINUTE
        await one.sync_up()
        assert (await days(estate, "2026-11-20"))["edge-1"]["waiting_for"] == ["origin-1"]
        await other.sync_up()
        by_server = await days(estate, "2026-11-20")
        assert [day["state"] for day in by_server.values()] == ["final", "final"]
        assert (by_server["edge-1"]["bytes_out"], by_server["edge-1"]["adjustment"]) == (7, None)


async def test_closed_figure_never_changes_and_later_figures_are_adjustments(tmp_path: Path) -> None:
    async with estate_at(tmp_path, utc(2026, 11, 20, 12)) as estate:
        agent = an_agent(estate)
        slot = utc(2026, 11, 20, 18)
        estate.clock.now = utc(2026, 11, 21, 2)
        await agent.sync_up(SlotRow(slot=slot, revision=0, bytes_out=100, connections={"rtmp": 1}))
        before = (await days(estate, "2026-11-20"))["edge-1"]
        for number in (1, 2):  # corrections of a slot of the closed day
            estate.clock.now += MINUTE
            await agent.sync_up(
                SlotRow(slot=slot, revision=0, bytes_out=100 + 10 * number, connections={"rtmp": 1, "hls": number})
            )
        after = (await days(estate, "2026-11-20"))["edge-1"]
        for name in ("connections", "connections_by_protocol", "bytes_out", "coverage", "percentile_95", "closed"):
            assert after[name] == before[name]
        assert (before["state"], after["state"]) == ("final", "adjusted")
        adjustment = after["adjustment"]
        assert (adjustment["entries"], adjustment["at"]) == (2, estate.clock.now)
        assert (adjustment["bytes_out"], adjustment["connections_by_protocol"]) == (20, {"hls": 2})
        assert adjustment["figures"]["bytes_out"] == 120
        answer = await estate.request("GET", "/api/v1/adjustments?from=2026-11-20&to=2026-11-20")
        entries = answer.json()["adjustments"]
        assert [(entry["entry"], entry["bytes_out"]) for entry in entries] == [(1, 10), (2, 10)]
        for server, expected in ((entries[0]["server"], entries), ("another", [])):
            path = f"/api/v1/adjustments?from=2026-11-20&to=2026-11-20&server={server}"
            assert (await estate.request("GET", path)).json()["adjustments"] == expected
        await agent.sync_up()
        again = (await days(estate, "2026-11-20"))["edge-1"]
        assert again["adjustment"]["entries"] == 2, "a report without changes of the day adds no entry"


async def test_correction_of_one_summed_hour_leaves_the_others_unchanged(tmp_path: Path) -> None:
    async with estate_at(tmp_path, utc(2026, 11, 20, 10)) as estate:
        agent = an_agent(estate)
        counted = {11: 1, 12: 20, 13: 300, 15: 4_000}
        estate.clock.now = utc(2026, 11, 20, 20)
        await agent.sync_up(
            *(SlotRow(slot=utc(2026, 11, 20, hour), revision=0, bytes_out=count) for hour, count in counted.items())
        )
        assert (await days(estate, "2026-11-20"))["edge-1"]["bytes_out"] == 4_321
        await agent.sync_up(SlotRow(slot=utc(2026, 11, 20, 12), revision=0, bytes_out=50))
        assert (await days(estate, "2026-11-20"))["edge-1"]["bytes_out"] == 4_351


async def test_day_closed_by_an_operator_keeps_its_missing_time(tmp_path: Path) -> None:
    async with estate_at(tmp_path, utc(2026, 11, 20, 12)) as estate:
        gone, there = an_agent(estate), an_agent(estate, "origin-1")
        await there.sync_up()
        estate.clock.now += HOUR
        await gone.sync_up(SlotRow(slot=utc(2026, 11, 20, 12), revision=0, bytes_out=7))
        estate.clock.now = utc(2026, 11, 21, 0, 59)
        await there.sync_up()
        early = await close(estate, "2026-11-20")
        assert (early.status_code, early.json()["errorMessage"]) == (
            409, "2026-11-20 of UTC stays open: an operator can close it in 1 min at the earliest",
        )  # fmt: skip
        estate.clock.now += MINUTE
        done = await close(estate, "2026-11-20", server="edge-1")
        assert done.json()["closed"] == ["edge-1"]
        assert done.json()["owing"] == ["edge-1"]
        again = await close(estate, "2026-11-20", server="edge-1")
        assert (again.json()["closed"], again.json()["already_closed"]) == ([], 1)
        by_server = await days(estate, "2026-11-20")
        assert {name: day["state"] for name, day in by_server.items()} == {"edge-1": "final", "origin-1": "final"}
        assert by_server["edge-1"]["closed"]["by"] == "boss"
        assert by_server["edge-1"]["coverage"]["missing_ms"] == 11 * HOUR
        assert by_server["origin-1"]["closed"]["rule"] == "watermark", "other servers no longer wait for edge-1"

        again = await close(estate, "2026-11-20")
        assert (again.json()["closed"], again.json()["already_closed"]) == ([], 2)
        one = await close(estate, "2026-11-20", server="origin-1")
        assert (one.json()["closed"], one.json()["already_closed"]) == ([], 1)
        await gone.sync_up()
        by_server = await days(estate, "2026-11-20")
        assert by_server["edge-1"]["state"] == "adjusted"
        assert by_server["edge-1"]["coverage"]["missing_ms"] == 11 * HOUR
        assert by_server["edge-1"]["adjustment"]["figures"]["coverage"]["missing_ms"] == 0


async def test_server_discovered_later_is_only_an_adjustment(tmp_path: Path) -> None:
    async with estate_at(tmp_path, utc(2026, 11, 19, 12)) as estate:
        known, late = an_agent(estate), an_agent(estate, "origin-1")
        estate.clock.now = utc(2026, 11, 21, 2)
        await known.sync_up()
        assert set(await days(estate, "2026-11-20")) == {"edge-1"}
        await late.sync_up(SlotRow(slot=utc(2026, 11, 20, 5), revision=0, bytes_out=9))
        for day, moved in (("2026-11-19", 0), ("2026-11-20", 9)):
            row = (await days(estate, day))["origin-1"]
            assert (row["state"], row["bytes_out"], row["closed"]["rule"]) == ("adjusted", 0, "late")
            assert row["adjustment"]["bytes_out"] == moved
        assert (await days(estate, "2026-11-20"))["edge-1"]["state"] == "final"


async def test_server_removed_in_order_and_then_by_force_keeps_its_first_removal_time(tmp_path: Path) -> None:
    async with estate_at(tmp_path, utc(2026, 11, 19, 12)) as estate:
        gone, there = an_agent(estate), an_agent(estate, "origin-1")
        estate.clock.now = utc(2026, 11, 20, 2)
        await gone.sync_up()
        estate.clock.now = removed_at = utc(2026, 11, 20, 3)
        for force in ("false", "true"):
            removed = await estate.request("DELETE", f"/api/v1/servers/edge-1?force={force}")
            assert removed.status_code == 200, removed.text
            listed = (await estate.request("GET", "/api/v1/servers")).json()["servers"][0]
            assert listed["removed_at"] == removed_at
            estate.clock.now += 48 * HOUR
            await there.sync_up()
            assert set(await days(estate, "2026-11-20")) == {"edge-1", "origin-1"}
            assert set(await days(estate, "2026-11-21")) == {"origin-1"}
        await gone.sync_up()
        listed = (await estate.request("GET", "/api/v1/servers")).json()["servers"][0]
        assert (listed["removed"], listed["removed_at"]) == (None, None)


async def test_server_removed_at_midnight_is_not_expected_in_the_day_that_begins(tmp_path: Path) -> None:
    async with estate_at(tmp_path, utc(2026, 11, 20, 12)) as estate:
        gone, there = an_agent(estate), an_agent(estate, "origin-1")
        estate.clock.now = utc(2026, 11, 21)
        await gone.sync_up()
        assert (await estate.request("DELETE", "/api/v1/servers/edge-1?force=true")).status_code == 200
        estate.clock.now = utc(2026, 11, 22)
        await there.sync_up()
        assert set(await days(estate, "2026-11-20")) == {"edge-1", "origin-1"}
        assert set(await days(estate, "2026-11-21")) == {"origin-1"}


async def test_server_whose_start_is_in_the_year_287396_does_not_block_closing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with estate_at(tmp_path, utc(2026, 11, 20, 12)) as estate:
        odd, known = an_agent(estate, "origin-1"), an_agent(estate)
        odd.watermark = 2**53 - MINUTE
        await odd.begin()
        report = odd.report(upto_ms=2**53)
        assert (await odd.send(report)).json()["reason"] == "clock"
        # As a service of an earlier version stored it.
        await estate.running.service.write(lambda connection: ingest_report(connection, report, b"", 2**53))
        await settle(estate)
        assert await days(estate, "2026-11-20") == {}
        estate.clock.now = utc(2026, 11, 21, 2)
        await known.sync_up()
        assert (await days(estate, "2026-11-20"))["edge-1"]["state"] == "final"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_day_of_another_zone_is_final_without_missing_time_and_cannot_be_closed(tmp_path: Path) -> None:
    async with estate_at(tmp_path, utc(2026, 11, 20, 12), "UTC", "Asia/Kolkata") as estate:
        agent = an_agent(estate)
        estate.clock.now = utc(2026, 11, 21, 2)
        await agent.sync_up()
        row = (await days(estate, "2026-11-20", "Europe/Berlin"))["edge-1"]
        assert (row["state"], row["closed"]) == ("final", None)
        assert (await days(estate, "2026-11-20", "Asia/Kolkata"))["edge-1"]["closed"] is not None
        refused = await close(estate, "2026-11-20", tz="Europe/Berlin")
        assert refused.status_code == 409
        assert "not an account zone of this service (UTC, Asia/Kolkata)" in refused.json()["errorMessage"]


@pytest.mark.parametrize(
    ("day", "begins", "hours"),
    [("2026-03-29", (2026, 3, 28, 23), 23), ("2026-10-25", (2026, 10, 24, 22), 25)],
)
async def test_days_of_23_and_25_hours(tmp_path: Path, day: str, begins: tuple[int, ...], hours: int) -> None:
    async with estate_at(tmp_path, utc(*begins) - HOUR, "Europe/Berlin") as estate:
        agent = an_agent(estate)
        slots = [
            SlotRow(slot=utc(*begins) + hour * HOUR, revision=0, bytes_out=10 ** (hour + 1) % 997)
            for hour in range(-1, hours + 1)
        ]
        estate.clock.now = utc(*begins) + (hours + 1) * HOUR
        await agent.sync_up(*slots)
        row = (await days(estate, day, "Europe/Berlin"))["edge-1"]
        assert row["state"] == "final"
        assert row["bytes_out"] == sum(slot.bytes_out for slot in slots[1:-1])
        assert sum(row["coverage"].values()) == hours * HOUR
        assert row["percentile_95"]["samples"] == hours * 12


async def test_closing_needs_an_admin_and_is_audited(tmp_path: Path) -> None:
    async with estate_at(tmp_path, utc(2026, 11, 20, 12)) as estate:
        agent = an_agent(estate)
        await agent.sync_up()
        estate.clock.now = utc(2026, 11, 21, 2)
        assert (await close(estate, "2026-11-20", token="viewer-token")).status_code == 403
        assert (await close(estate, "2026-11-20", token="wrong")).status_code == 401
        assert (await close(estate, "2026-11-20", server="edge-9")).status_code == 404
        assert (await close(estate, "20-11-2026")).status_code == 400
        assert (await close(estate, "2026-11-20", tz="Mars/Base")).status_code == 400
        assert (await close(estate, "2026-11-20", sever="edge-1")).status_code == 422, "misspelled, not all servers"
        assert (await close(estate, "2026-11-20")).status_code == 200
        from streamusage.service.store.schema import audit

        rows = await estate.running.service.read(lambda connection: connection.execute(audit.select()).all())
        assert [(row.who, row.operation, row.records) for row in rows] == [("boss", "close day 2026-11-20 UTC", 1)]


async def test_restarted_service_continues_closing(tmp_path: Path) -> None:
    now = utc(2026, 11, 20, 12)
    async with estate_at(tmp_path, now) as estate:
        agent = an_agent(estate)
        estate.clock.now = utc(2026, 11, 22, 2)
        await agent.sync_up()
        closed = (await days(estate, "2026-11-20"))["edge-1"]["closed"]
    async with estate_at(tmp_path, utc(2026, 11, 23, 2), "UTC", "Europe/Berlin") as estate:
        agent.estate = estate
        await agent.sync_up()
        assert (await days(estate, "2026-11-20"))["edge-1"]["closed"] == closed
        assert (await days(estate, "2026-11-22"))["edge-1"]["state"] == "final"
        assert (await days(estate, "2026-11-21", "Europe/Berlin"))["edge-1"]["closed"] is not None, "a zone added later"


async def test_closed_figures_stay_when_their_server_is_removed_and_their_minutes_are_discarded(tmp_path: Path) -> None:
    async with estate_at(tmp_path, utc(2026, 11, 19, 12)) as estate:
        gone, there = an_agent(estate), an_agent(estate, "origin-1")
        for agent in (gone, there):  # both are known, so that no day closes before both have reported
            await agent.sync_up()
        estate.clock.now = utc(2026, 11, 21, 2)
        for agent in (gone, there):
            await agent.sync_up(
                SlotRow(slot=utc(2026, 11, 19, 18), revision=0, bytes_out=100, connections={"rtmp": 1}),
                SlotRow(slot=utc(2026, 11, 20, 18), revision=0, bytes_out=200, connections={"hls": 2}),
            )
        closed = {day: await days(estate, day) for day in ("2026-11-19", "2026-11-20")}
        await gone.sync_up(SlotRow(slot=utc(2026, 11, 20, 18), revision=0, bytes_out=250, connections={"hls": 2}))
        adjusted = (await days(estate, "2026-11-20"))["edge-1"]
        assert (adjusted["state"], adjusted["adjustment"]["bytes_out"]) == ("adjusted", 50)

        removed = await estate.request("DELETE", "/api/v1/servers/edge-1?force=true", token="admin-token")
        assert removed.status_code == 200, removed.text
        assert await days(estate, "2026-11-19") == closed["2026-11-19"]
        assert (await days(estate, "2026-11-20"))["edge-1"] == adjusted
        estate.clock.now = utc(2026, 11, 22, 3)
        await there.sync_up()
        assert set(await days(estate, "2026-11-21")) == {"edge-1", "origin-1"}, "in service until removed"
        assert set(await days(estate, "2026-11-22")) == {"origin-1"}

        estate.clock.now = utc(2027, 11, 19, 12)  # by then the slots of the 19th have been discarded
        keep = Retention(daily_statistics_days=364)
        await discard_rows(estate.running.service, keep, estate.clock.now)
        assert await days(estate, "2026-11-19") == closed["2026-11-19"]
        assert (await days(estate, "2026-11-20"))["edge-1"] == adjusted
        late = SlotRow(slot=utc(2026, 11, 19, 18), revision=0, bytes_out=1_000, connections={"rtmp": 1})
        await there.sync_up(late, upto_ms=there.watermark)
        assert await days(estate, "2026-11-19") == closed["2026-11-19"], "its slots are discarded"
        answer = await estate.request("GET", "/api/v1/adjustments?from=2026-11-19&to=2026-11-20")
        assert [entry["bytes_out"] for entry in answer.json()["adjustments"]] == [50]
