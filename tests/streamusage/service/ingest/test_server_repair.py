"""Repair of servers whose figures a wrong clock filed in the future: every unit stays, and gets a time in the past."""

from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from streamusage.core.coverage import Interval
from streamusage.core.figures import SUM_NAMES
from streamusage.service.accounting.checks.stream_sums import compare_streams
from streamusage.service.accounting.checks.totals_check import check_totals
from streamusage.service.accounting.closing import close_day_by_operator
from streamusage.service.ingest.server_repair import repair_server
from streamusage.service.rules.stream_slots import sum_shares
from streamusage.service.store.schema import (
    closed_days,
    metadata,
    servers,
    slot_connections,
    slots,
    stream_slots,
    voids,
)
from streamusage.service.store.store import open_store, open_unchanged
from streamusage.service.store.streams.stream_slots import read_streams
from tests.streamusage.service.conftest import NOW, Estate
from tests.support.service.server_repair import repair, run_agent, status, sums
from tests.support.service.wrong_clock import (
    AHEAD,
    DAY,
    MINUTE,
    MONTH,
    YEAR,
    ZONES,
    CountedServer,
    close_all,
    jumped_store,
    serving,
)


async def coverage(estate: Estate, counted: CountedServer) -> list[dict[str, Any]]:
    path = f"/api/v1/coverage?from={NOW - 20 * MINUTE}&to={counted.now + 2 * YEAR}"
    return (await estate.request("GET", path)).json()["servers"][0]["spans"]  # type: ignore[no-any-return]


def moved(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: after[name] - before[name] for name in SUM_NAMES}


def stored_sums(store_url: str) -> dict[str, int]:
    """Return the sums of all slots, whatever their time."""
    store = open_store(store_url, 0)
    with store.reading() as connection:
        found = {
            name: int(
                connection.execute(
                    select(func.sum(slot_connections.c.connections if name == "connections" else slots.c[name]))
                ).scalar()
                or 0
            )
            for name in SUM_NAMES
        }
    store.close()
    return found


def everything(store_url: str) -> dict[str, list[tuple[Any, ...]]]:
    store = open_store(store_url, 0)
    with store.reading() as connection:
        rows = {
            name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for name, table in metadata.tables.items()
            if name not in ("lives", "counters", "clocks", "unchecked_hours")  # the service changes these by itself
        }
    store.close()
    return rows


async def test_repaired_figures_equal_the_media_servers(tmp_path: Path, store_url: str) -> None:
    counted = jumped_store(tmp_path, store_url)
    async with serving(counted, tmp_path) as estate:
        assert (await status(estate))["repair"] == AHEAD
        true_before = counted.true_sums()
        done = await repair(estate, dry=False)
        assert (done["needed"], done["dry"], done["watermark"]) == (True, False, counted.now)
        assert await sums(estate) == true_before
        assert "repair" not in await status(estate)
        await run_agent(estate, counted, 12)
        assert await sums(estate) == counted.true_sums()
        spans = await coverage(estate, counted)
        assert [span["state"] for span in spans] == ["live", "partial", "live"]
        assert [span["from"] for span in spans[1:]] == [span["to"] for span in spans[:-1]], "no time is without a state"
        assert spans[-1]["to"] == counted.now == (await status(estate))["watermark"]
        assert "repair" in spans[1]["reason"]
        assert counted.ledger.head.counted == counted.ledger.head.handed_over
        assert not (await repair(estate, dry=True))["needed"]


async def test_repaired_streams_are_parts_of_their_slots(tmp_path: Path, store_url: str) -> None:
    counted = jumped_store(tmp_path, store_url, back_steps=6)
    async with serving(counted, tmp_path) as estate:
        await run_agent(estate, counted, 3)
        await repair(estate, dry=False)
        await run_agent(estate, counted, 6)
        by_stream = {"live/stage": await sums(estate)}
    with closing(open_store(store_url, 0)) as store, store.reading() as connection:
        assert compare_streams(connection, "edge-1", Interval(0, 2**53))[1] == []
        shares = sum_shares(share for row in read_streams(connection, Interval(0, 2**53)) for share in row.shares)
        newest = connection.execute(select(func.max(stream_slots.c.slot))).scalar_one()
    assert {str(share.stream): {name: getattr(share, name) for name in SUM_NAMES} for share in shares} == by_stream
    assert newest <= counted.now
    assert all(share.late_bytes_out > 0 for share in shares)
    with closing(open_unchanged(store_url)) as store:
        assert check_totals(store, lambda _done, _total: None)[1] == []


async def test_units_filed_after_the_clock_was_right_again_are_repaired_too(tmp_path: Path, store_url: str) -> None:
    counted = jumped_store(tmp_path, store_url, back_steps=6)
    async with serving(counted, tmp_path) as estate:
        await run_agent(estate, counted, 3)
        before, true_before = stored_sums(store_url), counted.true_sums()
        await repair(estate, dry=False)
        assert await sums(estate) == before == stored_sums(store_url)
        await run_agent(estate, counted, 6)
        assert moved(before, await sums(estate)) == moved(true_before, counted.true_sums())
        spans = await coverage(estate, counted)
        assert {span["state"] for span in spans} == {"live", "partial"}
        assert [span["from"] for span in spans[1:]] == [span["to"] for span in spans[:-1]]


async def test_dry_run_lists_the_changes_and_writes_nothing(tmp_path: Path, store_url: str) -> None:
    counted = jumped_store(tmp_path, store_url)
    async with serving(counted, tmp_path) as estate:
        before = everything(store_url)
        planned = await repair(estate, dry=True)
        assert everything(store_url) == before
        done = await repair(estate, dry=False)
        assert done == planned | {"dry": False}
        assert planned["slots"] > 0 < planned["bytes_out"]
        assert planned["watermark_before"] > counted.now + MONTH - MINUTE
        default = await estate.request("POST", "/api/v1/servers/edge-1/repair")
        assert (default.json()["dry"], default.json()["needed"]) == (True, False)


async def test_days_closed_in_advance_are_void_and_close_anew(tmp_path: Path, store_url: str) -> None:
    counted = jumped_store(tmp_path, store_url)
    with open_store(store_url, counted.now).reading() as connection:
        closed_before = list(connection.execute(select(closed_days).order_by(closed_days.c.revision)).all())
    in_advance = [row for row in closed_before if row.to_ms > counted.now]
    assert len(in_advance) >= 31 * len(ZONES)
    async with serving(counted, tmp_path) as estate:
        done = await repair(estate, dry=False)
        assert sorted(entry["revision"] for entry in done["voids"]) == [row.revision for row in in_advance]
        store = open_store(store_url, counted.now)
        with store.reading() as connection:
            kept = list(connection.execute(select(closed_days).order_by(closed_days.c.revision)).all())
            entries = connection.execute(select(voids)).all()
        assert kept == closed_before, "a closed row is never changed"
        assert {entry.by for entry in entries} == {"boss"}
        store.close()
        today = (await estate.request("GET", "/api/v1/daily?from=2026-11-18&to=2026-11-18")).json()["days"][0]
        assert (today["state"], today["closed"]) == ("provisional", None)
        assert [entry["closed"]["rule"] for entry in today["voids"]] == ["watermark"]
        path = "/api/v1/daily/sums?from=2026-11-17&to=2026-11-18&by=day&group=all"
        summed = (await estate.request("GET", path)).json()["sums"][-1]
        (entry,) = today["voids"]
        assert summed["voids"] == {
            "closings": 1,
            **{name: entry[name] for name in ("server", "day", "revision", "at", "by", "reason")},
        }
        listed = (await estate.request("GET", "/api/v1/adjustments?from=2026-11-18&to=2026-12-31")).json()
        assert {entry["revision"] for entry in listed["voids"]} == {
            row.revision for row in in_advance if row.tz == "UTC"
        }

        await run_agent(estate, counted, 1)
        agent = counted.real_agent(estate.running.url, estate.clock)
        counted.now = estate.clock.now = NOW + DAY
        await agent.poll()
        await agent.sync()
        store = open_store(store_url, counted.now)
        close_all(store, ZONES, counted.now)
        store.close()
        anew = (await estate.request("GET", "/api/v1/daily?from=2026-11-18&to=2026-11-18")).json()["days"][0]
        assert (anew["state"], anew["adjustment"]) == ("final", None)
        assert anew["closed"]["revision"] > max(row.revision for row in closed_before)
        assert [entry["revision"] for entry in anew["voids"]] == [entry["revision"] for entry in today["voids"]]
        assert (await status(estate))["watermark"] == NOW + DAY


async def test_rightly_closed_day_stays_closed_and_gets_an_adjustment(tmp_path: Path, store_url: str) -> None:
    counted = CountedServer(tmp_path, store_url, NOW - 10 * MINUTE)
    store = open_store(store_url, counted.now)
    counted.ledger.record(counted.reading(None))
    counted.sync(store)
    counted.count(store, 6)
    accounted_to = counted.now
    counted.now += DAY
    with store.writing() as connection, connection.begin():
        close_day_by_operator(connection, ZONES, ZONES[0], date(2026, 11, 18), None, "boss", 0, counted.now)
    counted.count(store, 2, MONTH, jumped_at=accounted_to)
    store.close()
    async with serving(counted, tmp_path) as estate:
        before = (await estate.request("GET", "/api/v1/daily?from=2026-11-18&to=2026-11-18")).json()["days"][0]
        done = await repair(estate, dry=False)
        assert done["voids"] == []
        after = (await estate.request("GET", "/api/v1/daily?from=2026-11-18&to=2026-11-18")).json()["days"][0]
        assert (before["state"], after["state"]) == ("final", "adjusted")
        assert (after["closed"], after["bytes_out"], after["coverage"]) == (
            before["closed"], before["bytes_out"], before["coverage"],
        )  # fmt: skip
        assert before["coverage"]["missing_ms"] > 0
        present = after["adjustment"]["figures"]["coverage"]
        midnight = 1_795_046_400_000
        # The agent was away for a day: what it filed in the future covers the time since.
        assert (present["partial_ms"], present["missing_ms"]) == (midnight - accounted_to, 0)
        assert after["adjustment"]["bytes_out"] > 0
        assert await sums(estate) == counted.true_sums()


async def test_days_wait_for_a_server_with_figures_in_the_future(tmp_path: Path, store_url: str) -> None:
    counted = jumped_store(tmp_path, store_url, ahead_ms=MONTH)
    store = open_store(store_url, counted.now)
    other = CountedServer(tmp_path, store_url, counted.now, "origin-1")
    other.ledger.record(other.reading(None))
    other.sync(store)
    other.now += 4 * DAY
    other.ledger.record(other.reading(other.ledger.cursor))
    other.sync(store)
    with store.writing() as connection, connection.begin():
        repair_server(connection, "edge-1", "boss", other.now - 4 * DAY)
        connection.execute(update(servers).where(servers.c.server == "edge-1").values(watermark=other.now + YEAR))
    close_all(store, ZONES, other.now)
    store.close()
    async with serving(other, tmp_path) as estate:
        days = (await estate.request("GET", "/api/v1/daily?from=2026-11-19&to=2026-11-19")).json()["days"]
        assert {day["server"]: (day["state"], day["waiting_for"]) for day in days} == {
            "edge-1": ("provisional", ["edge-1"]),
            "origin-1": ("provisional", ["edge-1"]),
        }


async def test_figures_in_the_future_do_not_hide_present_gaps(tmp_path: Path, store_url: str) -> None:
    counted = jumped_store(tmp_path, store_url)
    counted.now += 30 * MINUTE
    async with serving(counted, tmp_path) as estate:
        spans = await coverage(estate, counted)
        present = [span for span in spans if span["from"] < counted.now]
        assert [(span["state"], span["to"]) for span in present[1:]] == [("missing", counted.now)]
        assert "streamtop servers repair" in present[1]["reason"]
        close_all(open_store(store_url, 0), ZONES, counted.now)
        removed = await estate.request("DELETE", "/api/v1/servers/edge-1?force=true")
        assert (removed.status_code, "servers repair" in removed.json()["errorMessage"]) == (409, True)
        await repair(estate, dry=False)
        estate.clock.now += MINUTE
        assert (await estate.request("DELETE", "/api/v1/servers/edge-1")).status_code == 200


async def test_server_that_began_in_the_future_begins_before_now(tmp_path: Path, store_url: str) -> None:
    counted = CountedServer(tmp_path, store_url, NOW - 10 * MINUTE)
    store = open_store(store_url, counted.now)
    counted.ledger.record(counted.reading(None))
    counted.sync(store, YEAR, service_ahead_ms=YEAR)
    counted.count(store, 3)  # the clocks were right from then on
    store.close()
    async with serving(counted, tmp_path) as estate:
        assert (await status(estate))["repair"] == AHEAD
        before, true_before = stored_sums(store_url), counted.true_sums()
        done = await repair(estate, dry=False)
        assert (done["watermark"], done["partial_to"]) == (counted.now, counted.now)
        assert (await status(estate))["since"] <= counted.now
        assert await sums(estate) == before
        await run_agent(estate, counted, 6)
        assert moved(before, await sums(estate)) == moved(true_before, counted.true_sums())


async def test_record_of_a_session_in_the_future_gets_a_start_in_the_past(tmp_path: Path, store_url: str) -> None:
    counted = CountedServer(tmp_path, store_url, NOW - 10 * MINUTE)
    store = open_store(store_url, counted.now)
    counted.ledger.record(counted.reading(None))
    counted.sync(store)
    counted.count(store, 3)
    for number in list(counted.media.open):
        counted.media.disconnect(counted.now, number)
    counted.count(store, 3, YEAR)
    store.close()
    async with serving(counted, tmp_path) as estate:
        before = {record["startTime"]: record for record in await estate.records()}
        assert max(before) > counted.now + DAY
        await repair(estate, dry=False)
        after = {record["startTime"]: record for record in await estate.records()}
        assert len(after) == len(before) == 2
        assert max(after) <= counted.now >= max(record["endTime"] for record in after.values())
        for name in ("totalSubscribers", "maxSubscribers"):
            assert sorted(r[name] for r in after.values()) == sorted(r[name] for r in before.values())
        await run_agent(estate, counted, 3)
        live = [record for record in await estate.records() if record["startTime"] == max(after)]
        assert len(await estate.records()) == 2
        assert live[0]["aciveSubscribers"] > 0


@pytest.mark.parametrize("path", ["nobody/repair", "/repair", "a/b/repair"])
async def test_unknown_server_is_not_repaired(estate: Estate, path: str) -> None:
    assert (await estate.request("POST", f"/api/v1/servers/{path}")).status_code == 404


async def test_only_an_admin_may_repair(estate: Estate) -> None:
    for token, code in (("viewer-token", 403), ("edge-1-token", 403)):
        assert (await estate.request("POST", "/api/v1/servers/edge-1/repair", token)).status_code == code
    assert (await estate.request("POST", "/api/v1/servers/edge-1/repair?dry=1")).status_code == 400
