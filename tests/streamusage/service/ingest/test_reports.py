"""Reports over HTTP: resulting figures, refusals, and that nothing is counted twice or lost."""

import gzip

import msgspec
import pytest

from streamusage.api.report import OutageRow, Peak, PhaseChange, SampleRow, SlotRow, ViewerRow
from streamusage.service.store.server_rows import load_stored_rows
from tests.streamusage.service.conftest import NOW, Estate, an_estate
from tests.support.service.reporting import ReportingAgent, a_session
from tests.support.waiting import LONGEST_WAIT_S

MINUTE = 60_000


async def daily(estate: Estate) -> dict[str, object]:
    answer = await estate.request("GET", "/api/v1/daily?from=2026-11-18&to=2026-11-18", "viewer-token")
    (day,) = answer.json()["days"]
    return day  # type: ignore[no-any-return]


async def spans(estate: Estate, server: str = "edge-1") -> list[dict[str, object]]:
    answer = await estate.request("GET", f"/api/v1/coverage?from={NOW}&to={NOW + 3_600_000}&server={server}")
    return answer.json()["servers"][0]["spans"]  # type: ignore[no-any-return]


async def test_live_report_becomes_figures(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    estate.clock.now += 10_000
    await agent.sync_up(
        SlotRow(
            slot=NOW,
            revision=0,
            connections={"rtmp": 3, "hls": 1},
            bytes_in=100,
            bytes_out=200,
            view_time_ms=8_001,
            peak_in=Peak(80, NOW + 10_000, 10_000),
            peak_out=Peak(160, NOW + 10_000, 10_000),
        ),
        a_session(),
        SampleRow(slot=NOW, scope="live", name="stream1", revision=0, active=2, highest=3),
    )
    assert await estate.records() == [
        {
            "name": "stream1", "scope": "live", "startTime": NOW, "endTime": NOW + 1_000, "duration": 1_000,
            "aciveSubscribers": 2, "maxSubscribers": 3, "lostSubscribers": 3, "totalSubscribers": 5,
            "updated": NOW + 10_000,
        }
    ]  # fmt: skip
    assert await daily(estate) == {
        "server": "edge-1", "day": "2026-11-18", "tz": "UTC", "state": "provisional",
        "connections": 4, "connections_by_protocol": {"hls": 1, "rtmp": 3}, "bytes_in": 100, "bytes_out": 200,
        "peak_in_bps": 80, "peak_in_at": NOW + 10_000, "peak_out_bps": 160, "peak_out_at": NOW + 10_000,
        "view_time_ms": 8_001, "average_view_time_ms": 2_000,
        "coverage": {
            "live_ms": 10_000, "backfilled_ms": 0, "partial_ms": 0, "missing_ms": 0, "lost_ms": 0, "held_ms": 0,
        },
        "backfilled": {"connections": 0, "bytes_in": 0, "bytes_out": 0, "view_time_ms": 0},
        "percentile_95": {
            "in_bps": None, "out_bps": None, "sample_ms": 300_000, "samples": 0, "expected_samples": 1,
        },
        "closed": None, "adjustment": None, "waiting_for": ["edge-1"],
    }  # fmt: skip
    assert await spans(estate) == [
        {"from": NOW, "to": NOW + 10_000, "state": "live", "detected_at": None, "filled_at": None, "reason": None,
         "delta": None}
    ]  # fmt: skip
    (server,) = (await estate.request("GET", "/api/v1/servers")).json()["servers"]
    assert server == {
        "server": "edge-1", "role": "standalone", "state": "live", "since": NOW, "last_sync_at": NOW + 10_000,
        "watermark": NOW + 10_000, "sync_interval_ms": 10_000, "phase": "online", "epoch": 1, "revision": 4,
        "owed_ms": 0, "active_subscribers": 2, "clock_offset_ms": 0, "removed": None, "removed_at": None,
    }  # fmt: skip
    history = await estate.request(
        "GET", f"/api/v1/streams/live/stream1/history?from={NOW - MINUTE}&to={NOW + 2 * MINUTE}"
    )
    assert history.json() == {
        "now": NOW + 10_000, "step_ms": MINUTE,
        "points": [
            {"at": NOW - MINUTE, "active": None, "highest": None, "state": None},
            {"at": NOW, "active": 2, "highest": 3, "state": "live"},
            {"at": NOW + MINUTE, "active": None, "highest": None, "state": None},
        ],
        "servers": [{"server": "edge-1", "active": 2, "state": "live"}],
    }  # fmt: skip
    live = (await estate.http.get("/streammanager/api/4.0/event/list/stats")).json()
    assert live == [
        {"name": "stream1", "scope": "live", "type": "standalone", "serverAddress": "edge-1", "region": "",
         "currentSubscribers": 2, "startTime": NOW}
    ]  # fmt: skip


async def test_outage_is_missing_while_it_lasts_and_backfilled_afterwards(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    estate.clock.now += 10_000
    await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_out=100), a_session())
    estate.clock.now += 30_000
    assert [span["state"] for span in await spans(estate)] == ["live"], "not overdue yet"

    estate.clock.now = NOW + 5 * MINUTE
    gone = await spans(estate)
    assert [(span["from"], span["to"], span["state"]) for span in gone] == [
        (NOW, NOW + 10_000, "live"),
        (NOW + 10_000, NOW + 5 * MINUTE, "missing"),
    ]
    assert (gone[1]["detected_at"], gone[1]["filled_at"], gone[1]["delta"]) == (NOW + 40_000, None, None)
    assert (await daily(estate))["coverage"]["missing_ms"] == 290_000  # type: ignore[index]

    await agent.sync_up(
        SlotRow(slot=NOW, revision=0, bytes_out=150, connections={"rtmp": 1}),
        SlotRow(slot=NOW + 2 * MINUTE, revision=0, bytes_out=50, connections={"rtmp": 2, "hls": 1}, view_time_ms=7,
                peak_out=Peak(999, NOW + 3 * MINUTE, MINUTE)),
    )  # fmt: skip
    healed = await spans(estate)
    # Late and live time are separated at a slot boundary, here at the end of the reported time.
    assert [(span["from"], span["to"], span["state"]) for span in healed] == [
        (NOW, NOW + 10_000, "live"),
        (NOW + 10_000, NOW + 5 * MINUTE, "backfilled"),
    ]
    assert healed[1]["filled_at"] == NOW + 5 * MINUTE
    assert healed[1]["detected_at"] == NOW + 40_000
    assert healed[1]["delta"] == {
        "connections": 4, "connections_by_protocol": {"rtmp": 3, "hls": 1}, "bytes_in": 0, "bytes_out": 100,
        "peak_in_bps": 0, "peak_in_at": None, "peak_out_bps": 999, "peak_out_at": NOW + 3 * MINUTE,
        "view_time_ms": 7,
    }  # fmt: skip
    day = await daily(estate)
    assert (day["bytes_out"], day["connections"]) == (200, 4)
    assert day["backfilled"] == {"connections": 4, "bytes_in": 0, "bytes_out": 100, "view_time_ms": 7}


async def test_live_session_is_missing_while_its_server_is_overdue(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    estate.clock.now += 1_000
    await agent.sync_up(a_session())
    first = (await estate.request("GET", "/api/v1/changes")).json()
    assert [(record["live"], record["provenance"]) for record in first["records"]] == [(True, "live")]

    estate.clock.now += 31_000
    missing = await changed(estate, first["cursor"])
    assert [(record["live"], record["provenance"]) for record in missing["records"]] == [(True, "missing")]
    assert (await estate.request("GET", "/api/v1/servers")).json()["servers"][0]["state"] == "unreachable"

    await agent.sync_up()
    back = await changed(estate, str(missing["cursor"]))
    assert [(record["live"], record["provenance"]) for record in back["records"]] == [(True, "live")]


async def changed(estate: Estate, cursor: str) -> dict[str, list[dict[str, object]]]:
    """Wait for changes after the cursor, which the service publishes periodically. Return the first."""
    import asyncio

    async with asyncio.timeout(LONGEST_WAIT_S):
        while True:
            answer = (await estate.request("GET", f"/api/v1/changes?cursor={cursor}")).json()
            if answer["records"] or answer["deleted"]:
                return answer  # type: ignore[no-any-return]
            await asyncio.sleep(0.02)


async def test_gap_filled_in_parts_has_the_time_of_the_last_part(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    for minutes in (5, 6):
        estate.clock.now += 600_000
        await agent.sync_up(upto_ms=NOW + minutes * 60_000)
    answer = await estate.request("GET", f"/api/v1/coverage?from={NOW}&to={NOW + 360_000}")
    (span,) = answer.json()["servers"][0]["spans"]
    assert (span["state"], span["to"], span["filled_at"]) == ("backfilled", NOW + 360_000, NOW + 1_200_000)


async def test_repeated_late_or_reordered_report_counts_once(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    await agent.begin()
    estate.clock.now += 10_000
    first = agent.report(SlotRow(slot=NOW, revision=0, bytes_in=5), a_session())
    assert (await agent.send(first)).status_code == 200
    late = agent.report(SlotRow(slot=NOW, revision=0, bytes_in=7))
    newer = msgspec.structs.replace(agent.report(SlotRow(slot=NOW, revision=0, bytes_in=9)), since=late.since)
    for report in (newer, late, newer, first, late):
        answer = await agent.send(report)
        assert answer.status_code == 200
        assert answer.json() == {"epoch": 1, "acknowledged": newer.upto, "now": NOW + 10_000}
    assert (await daily(estate))["bytes_in"] == 9


async def test_refusal_names_the_acknowledged_revision(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    await agent.sync_up(a_session())
    agent.acknowledged = 50
    agent.revision = 60
    refused = await agent.send(agent.report())
    assert refused.status_code == 409
    assert refused.json() | {"errorMessage": ""} == {
        "errorMessage": "", "timestamp": NOW, "reason": "hole", "epoch": 1, "acknowledged": 2,
    }  # fmt: skip

    second, third = ReportingAgent(estate, life="j2.1"), ReportingAgent(estate, life="j3.1")
    await second.begin()
    await third.begin()
    await third.sync_up()
    assert (await second.send(second.report())).json()["reason"] == "sealed", "an epoch that was issued earlier"
    assert (await agent.send(agent.report())).json()["reason"] == "sealed"
    fourth = ReportingAgent(estate, life="j4.1")
    await fourth.begin()
    await third.sync_up()
    assert (await fourth.send(fourth.report())).json()["reason"] == "stale"


async def test_epochs_add_up_and_a_publish_keeps_its_session(estate: Estate) -> None:
    one = ReportingAgent(estate)
    await one.sync_up(
        SlotRow(slot=NOW, revision=0, bytes_in=5, connections={"rtmp": 1}),
        a_session(total=5, active=2),
        ViewerRow(viewer_id="v1", revision=0, open=True, scope="live", name="stream1", protocol="rtmp", started_at=NOW),
        ViewerRow(viewer_id="v2", revision=0, open=True, scope="live", name="stream1", protocol="rtmp", started_at=NOW),
    )
    await one.sync_up(
        ViewerRow(viewer_id="v2", revision=0, open=False, scope="live", name="stream1", protocol="rtmp", started_at=NOW)
    )
    other = ReportingAgent(estate, life="j2.1")
    issued = await other.begin()
    assert [viewer["viewer_id"] for viewer in issued["viewers"]] == ["v1"]  # type: ignore[attr-defined]
    assert issued["baseline"]["boot"] == "boot-1"  # type: ignore[index]
    await other.sync_up(
        SlotRow(slot=NOW, revision=0, bytes_in=7, connections={"rtmp": 2}),
        a_session(start_time=NOW + 400, total=1, active=3, highest=3, end_time=NOW + 2_000),
    )
    (record,) = await estate.records()
    assert record["startTime"] == NOW
    assert (record["aciveSubscribers"], record["totalSubscribers"], record["lostSubscribers"]) == (3, 6, 3)
    day = await daily(estate)
    assert (day["bytes_in"], day["connections_by_protocol"]) == (12, {"rtmp": 3})


async def test_publish_unknown_to_a_new_epoch_is_no_longer_live(estate: Estate) -> None:
    await ReportingAgent(estate).sync_up(a_session())
    await ReportingAgent(estate, life="j2.1").sync_up()
    (record,) = (await estate.request("GET", "/api/v1/changes")).json()["records"]
    assert not record["live"]
    assert (await estate.http.get("/streammanager/api/4.0/event/list/stats")).json() == []


@pytest.mark.parametrize("first", ["origin-1", "edge-1"])
async def test_origin_and_edge_are_one_session_in_any_order_of_arrival(estate: Estate, first: str) -> None:
    origin = ReportingAgent(estate, "origin-1", "origin")
    edge = ReportingAgent(estate, "edge-1", "edge")
    published = a_session("o1", active=1, highest=1, total=1)
    relayed = a_session("e1", start_time=NOW + 300, active=4, highest=6, total=9)
    estate.clock.now += 2_000
    for agent, session in sorted([(origin, published), (edge, relayed)], key=lambda pair: pair[0].server != first):
        await agent.sync_up(session)
    (record,) = await estate.records()
    assert (record["startTime"], record["aciveSubscribers"], record["totalSubscribers"]) == (NOW, 5, 10)
    assert (record["maxSubscribers"], record["lostSubscribers"]) == (6, 5)
    changes = (await estate.request("GET", "/api/v1/changes")).json()
    assert len(changes["records"]) == 1


async def test_maximum_is_a_simultaneous_sum_and_never_a_sum_of_maxima(estate: Estate) -> None:
    origin = ReportingAgent(estate, "origin-1", "origin")
    edge = ReportingAgent(estate, "edge-1", "edge")
    await origin.sync_up(a_session("o1", active=10, highest=10, total=10))
    await edge.sync_up(a_session("e1", active=1, highest=20, total=20))
    assert (await estate.records())[0]["maxSubscribers"] == 20
    await edge.sync_up(a_session("e1", active=15, highest=20, total=34))
    assert (await estate.records())[0]["maxSubscribers"] == 25
    await edge.sync_up(a_session("e1", active=0, highest=20, total=34))
    assert (await estate.records())[0]["maxSubscribers"] == 25


async def test_deleted_session_stays_deleted_and_its_later_figures_are_orphans(estate: Estate) -> None:
    from sqlalchemy import select

    from streamusage.service.store.schema import orphans

    agent = ReportingAgent(estate)
    await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_in=5), a_session(total=5))
    await estate.usage("DELETE")
    estate.clock.now += 10_000
    await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_in=6), a_session(total=8))
    estate.clock.now += 10_000
    await agent.sync_up(a_session(total=9, live=False))
    assert await estate.records() == []
    (orphan,) = await estate.running.service.read(lambda connection: connection.execute(select(orphans)).all())
    assert (orphan.name, orphan.start_time, orphan.total) == ("stream1", NOW, 9)
    assert (orphan.first_at, orphan.last_at) == (NOW + 10_000, NOW + 20_000)
    assert (await daily(estate))["bytes_in"] == 6, "a delete does not change daily statistics"


async def test_contradicting_report_is_quarantined_and_shown(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    estate.clock.now += 10_000
    await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_in=5))
    estate.clock.now = NOW + 5 * MINUTE
    wrong = agent.report(SlotRow(slot=NOW, revision=0, bytes_in=4), a_session())
    for _ in range(2):
        answer = await agent.send(wrong)
        assert answer.status_code == 422
        assert (answer.json()["reason"], answer.json()["acknowledged"]) == ("held", 2)
    assert await estate.records() == []
    assert [(span["state"], span["from"], span["to"]) for span in await spans(estate)] == [
        ("live", NOW, NOW + 10_000),
        ("held", NOW + 10_000, NOW + 5 * MINUTE),
    ]
    agent.watermark = NOW + 10_000
    await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_in=6))
    assert [span["state"] for span in await spans(estate)] == ["live", "backfilled"]
    assert await held(estate) == [(0, 2)], "quarantined once, and closed by the report with all its rows"


async def held(estate: Estate) -> list[tuple[int, int]]:
    from sqlalchemy import select

    from streamusage.service.store.schema import held as table

    rows = await estate.running.service.read(lambda connection: connection.execute(select(table)).all())
    return [(row.open, row.times) for row in rows]


async def test_truncated_foreign_and_oversized_bodies_are_refused(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    await agent.begin()
    good = msgspec.json.encode(agent.report(a_session()))
    compressed = gzip.compress(good)
    assert (await agent.request("reports", good[:-1])).status_code == 400
    assert (await agent.request("reports", b"")).status_code == 400
    assert (await agent.request("reports", b"<html>")).status_code == 400
    assert (await agent.request("reports", b"[" * 100_000)).status_code == 400
    assert (await agent.request("reports", compressed[:-9], **{"Content-Encoding": "gzip"})).status_code == 400
    assert (await agent.request("reports", good, **{"Content-Encoding": "gzip"})).status_code == 400
    assert (await agent.request("reports", good, **{"Content-Encoding": "br"})).status_code == 415
    bomb = gzip.compress(bytes(65 << 20))
    assert (await agent.request("reports", bomb, **{"Content-Encoding": "gzip"})).status_code == 413
    foreign = await agent.request("reports", b'{"server": "edge-1"}')
    assert (foreign.status_code, foreign.json()["reason"]) == (422, "held")
    other = msgspec.json.encode(
        msgspec.structs.replace(msgspec.json.decode(good, type=type(agent.report())), server="x")
    )
    assert (await agent.request("reports", other)).status_code == 400
    assert await estate.records() == []
    assert (await agent.request("reports", compressed, **{"Content-Encoding": "gzip"})).status_code == 200
    assert len(await estate.records()) == 1


async def test_agent_reports_for_its_own_server_and_reads_nothing(estate: Estate) -> None:
    for path in ("origin-1/epochs", "origin-1/reports", "edge-1%2Fx/epochs", "edge-1/x/epochs"):
        answer = await estate.request("POST", f"/api/v1/agents/{path}", "edge-1-token", content=b'{"journal": "j"}')
        assert answer.status_code in {403, 404}, path
    for token, status in ((None, 401), ("wrong", 401), ("admin-token", 403), ("viewer-token", 403)):
        answer = await estate.request("POST", "/api/v1/agents/edge-1/epochs", token, content=b'{"journal": "j"}')
        assert answer.status_code == status
    for path in ("changes", "servers", f"coverage?from={NOW}&to={NOW}", "daily?from=2026-11-18&to=2026-11-18"):
        assert (await estate.request("GET", f"/api/v1/{path}", "edge-1-token")).status_code == 403


async def test_restart_keeps_everything(tmp_path: object) -> None:
    async with an_estate(tmp_path) as estate:  # type: ignore[arg-type]
        agent = ReportingAgent(estate)
        await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_in=5), a_session())
        before = await estate.records(), await daily(estate), (await estate.request("GET", "/api/v1/changes")).json()
    async with an_estate(tmp_path) as estate:  # type: ignore[arg-type]
        agent.estate = estate
        assert (await estate.records(), await daily(estate)) == before[:2]
        again = (await estate.request("GET", f"/api/v1/changes?cursor={before[2]['cursor']}")).json()
        assert (again["reset"], again["records"]) == (False, [])
        await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_in=6))
        assert (await daily(estate))["bytes_in"] == 6


async def test_outage_phases_are_listed_beside_the_gap(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    await agent.sync_up()
    estate.clock.now += 10 * MINUTE
    began = NOW + 10_000
    phases = (PhaseChange("retrying", began), PhaseChange("accumulating", began + MINUTE))
    outage = OutageRow(
        began_at=began,
        revision=0,
        phases=(*phases, PhaseChange("recovering", estate.clock.now)),
        failed_attempts=9,
        error="cannot be reached",
    )
    await agent.sync_up(outage)

    async def outages_between(from_ms: int, to_ms: int) -> list[dict[str, object]]:
        answer = await estate.request("GET", f"/api/v1/coverage?from={from_ms}&to={to_ms}")
        return answer.json()["servers"][0]["outages"]  # type: ignore[no-any-return]

    expected = {
        "from": began,
        "to": estate.clock.now,
        "phases": [
            {"phase": "retrying", "at": began},
            {"phase": "accumulating", "at": began + MINUTE},
            {"phase": "recovering", "at": estate.clock.now},
        ],
        "failed_attempts": 9,
        "error": "cannot be reached",
        "left_out": 0,
    }
    assert await outages_between(NOW, NOW + MINUTE) == [expected]
    assert (
        await outages_between(NOW - MINUTE, began)
        == []
        == await outages_between(estate.clock.now + 1, estate.clock.now + MINUTE)
    )
    over = PhaseChange("online", estate.clock.now + 100)
    await agent.sync_up(msgspec.structs.replace(outage, phases=(*outage.phases, over)))
    (newer,) = await outages_between(NOW, NOW + MINUTE)
    assert newer["phases"] == [*expected["phases"], {"phase": "online", "at": over.at}]  # type: ignore[misc]


async def test_only_rows_named_by_the_report_are_loaded(estate: Estate) -> None:
    """An old and a new row are two rows; rows between them are not loaded."""
    agent = ReportingAgent(estate, "edge-1")
    for minute in range(8):
        estate.clock.now += 60_000
        at = NOW + minute * 60_000
        sample = SampleRow(slot=at, scope="live", name="stream1", revision=0, active=1, highest=1)
        await agent.sync_up(SlotRow(slot=at, revision=0, bytes_out=5, connections={"rtmp": minute}), sample)
    first, last = NOW, NOW + 7 * 60_000
    rows = [SlotRow(slot=at, revision=0, bytes_out=6) for at in (first, last)]
    samples = [
        SampleRow(slot=at, scope="live", name="stream1", revision=0, active=1, highest=1) for at in (first, last)
    ]
    report = agent.report(*rows, *samples)
    stored = await estate.running.service.read(lambda connection: load_stored_rows(connection, report))
    assert stored.slots.keys() == {first, last}
    assert stored.slots[last].row.connections == {"rtmp": 7}
    assert {key.slot for key in stored.samples} == {first, last}
