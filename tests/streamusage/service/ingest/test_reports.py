"""Reports over HTTP: resulting figures, refusals, and that nothing is counted twice or lost."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, func, select

from streamusage.api.report import Based, Peak, SampleRow, SlotRow, ViewerRow
from streamusage.service.ingest.reports import LARGEST_UNKNOWN_BYTES
from streamusage.service.store.schema import counters
from tests.streamusage.service.conftest import NOW, Estate, an_estate
from tests.support.service.answers import fetch_day, fetch_spans, wait_for_changes
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tests.support.waiting import wait_until

MINUTE = 60_000


async def test_refusal_of_the_future_says_what_the_service_has_of_the_life(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    await agent.begin()
    first = await agent.send(agent.report(upto_ms=NOW + 60 * MINUTE))
    assert (first.status_code, first.json().get("acknowledged_to")) == (409, None), "nothing is stored yet"
    agent.watermark = NOW
    estate.clock.now += 10_000
    await agent.sync_up()
    refused = await agent.send(agent.report(upto_ms=NOW + 60 * MINUTE))
    body = refused.json()
    assert (refused.status_code, body["reason"]) == (409, "clock")
    assert (body["acknowledged"], body["acknowledged_to"]) == (agent.acknowledged, NOW + 10_000)


async def test_report_that_was_refused_for_its_time_is_not_accepted_when_that_time_has_come(estate: Estate) -> None:
    """Its agent has dated these rows again, and sends them with later revisions."""
    agent = ReportingAgent(estate)
    estate.clock.now += 10_000
    await agent.sync_up()
    late = agent.report(SlotRow(slot=NOW + 9 * MINUTE, revision=0, bytes_out=7), upto_ms=NOW + 10 * MINUTE)
    assert (await agent.send(late)).json()["reason"] == "clock"
    estate.clock.now = NOW + 20 * MINUTE
    again = await agent.send(late)
    assert (again.status_code, again.json()["reason"]) == (409, "clock")
    assert (again.json()["acknowledged"], again.json()["acknowledged_to"]) == (late.since, NOW + 10_000)
    agent.watermark = NOW + 10_000
    redated = agent.report(SlotRow(slot=NOW + MINUTE, revision=0, bytes_out=7))
    accepted = await agent.send(redated)
    assert (accepted.status_code, accepted.json()["acknowledged"]) == (200, redated.upto)
    duplicate = await agent.send(late)
    assert (duplicate.status_code, duplicate.json()["acknowledged"]) == (200, redated.upto)
    assert (await fetch_day(estate))["bytes_out"] == 7

    def refusals(connection: Connection) -> int:
        query = select(func.count()).select_from(counters).where(counters.c.name.startswith("clock refused"))
        return connection.execute(query).scalar_one()

    assert await estate.running.service.read(refusals) == 0


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
    assert await fetch_day(estate) == {
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
    assert await fetch_spans(estate) == [
        {"from": NOW, "to": NOW + 10_000, "state": "live", "detected_at": None, "filled_at": None, "reason": None,
         "delta": None}
    ]  # fmt: skip
    (server,) = (await estate.request("GET", "/api/v1/servers")).json()["servers"]
    assert server == {
        "server": "edge-1", "role": "standalone", "state": "live", "since": NOW, "last_sync_at": NOW + 10_000,
        "watermark": NOW + 10_000, "sync_interval_ms": 10_000, "phase": "online", "epoch": 1, "revision": 4,
        "owed_ms": 0, "active_subscribers": 2, "clock_offset_ms": 0, "removed": None, "removed_at": None,
            "machine_offset_ms": None, "clock_refused_at": None, "clock_refused_by_ms": 0,
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
    assert [span["state"] for span in await fetch_spans(estate)] == ["live"], "not overdue yet"

    estate.clock.now = NOW + 5 * MINUTE
    gone = await fetch_spans(estate)
    assert [(span["from"], span["to"], span["state"]) for span in gone] == [
        (NOW, NOW + 10_000, "live"),
        (NOW + 10_000, NOW + 5 * MINUTE, "missing"),
    ]
    assert (gone[1]["detected_at"], gone[1]["filled_at"], gone[1]["delta"]) == (NOW + 40_000, None, None)
    assert (await fetch_day(estate))["coverage"]["missing_ms"] == 290_000  # type: ignore[index]

    await agent.sync_up(
        SlotRow(slot=NOW, revision=0, bytes_out=150, connections={"rtmp": 1}),
        SlotRow(slot=NOW + 2 * MINUTE, revision=0, bytes_out=50, connections={"rtmp": 2, "hls": 1}, view_time_ms=7,
                peak_out=Peak(999, NOW + 3 * MINUTE, MINUTE)),
    )  # fmt: skip
    healed = await fetch_spans(estate)
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
    day = await fetch_day(estate)
    assert (day["bytes_out"], day["connections"]) == (200, 4)
    assert day["backfilled"] == {"connections": 4, "bytes_in": 0, "bytes_out": 100, "view_time_ms": 7}


async def test_live_session_is_missing_while_its_server_is_overdue(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    estate.clock.now += 1_000
    await agent.sync_up(a_session())
    first = (await estate.request("GET", "/api/v1/changes")).json()
    assert [(record["live"], record["provenance"]) for record in first["records"]] == [(True, "live")]

    estate.clock.now += 31_000
    missing = await wait_for_changes(estate, first["cursor"])
    assert [(record["live"], record["provenance"]) for record in missing["records"]] == [(True, "missing")]
    assert (await estate.request("GET", "/api/v1/servers")).json()["servers"][0]["state"] == "unreachable"

    await agent.sync_up()
    back = await wait_for_changes(estate, str(missing["cursor"]))
    assert [(record["live"], record["provenance"]) for record in back["records"]] == [(True, "live")]


async def test_subscribers_of_an_overdue_server_are_counted_and_given_apart_until_it_is_silent(estate: Estate) -> None:
    agent, other = ReportingAgent(estate, "edge-1"), ReportingAgent(estate, "origin-1")
    estate.clock.now += 1_000
    await agent.sync_up(a_session(active=12))
    for _ in range(2):
        await other.sync_up(a_session("q", active=7))
        estate.clock.now += 20_000
    await wait_until(lambda: has_subscribers(estate, 19, 12), "the first server is overdue")
    servers = (await estate.request("GET", "/api/v1/servers")).json()["servers"]
    assert [(row["active_subscribers"], row.get("unseen_subscribers")) for row in servers] == [(12, 12), (7, None)]

    await other.sync_up(a_session("q", active=8))
    assert await has_subscribers(estate, 20, 12)
    estate.clock.now += 25_000
    await other.sync_up(a_session("q", active=8))
    await wait_until(lambda: has_subscribers(estate, 8, None), "the first server is silent")


async def has_subscribers(estate: Estate, active: int, unseen: int | None) -> bool:
    """Return whether so many are counted as active, and so many of them given apart."""
    record = (await estate.request("GET", "/api/v1/changes")).json()["records"][0]
    return (record["aciveSubscribers"], record.get("unseenSubscribers")) == (active, unseen)


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
        assert answer.json() == {
            "epoch": 1, "acknowledged": newer.upto, "now": NOW + 10_000, "received_at": NOW + 10_000,
            "stores_streams": True,
        }  # fmt: skip
    assert (await fetch_day(estate))["bytes_in"] == 9


async def test_viewer_who_left_before_the_agent_knew_that_it_was_reported_is_closed(estate: Estate) -> None:
    """The acknowledgement was lost, and the agent forgot the viewer: it came and went unacknowledged."""
    agent = ReportingAgent(estate)
    stays, leaves = (
        ViewerRow(
            viewer_id=viewer_id, revision=0, open=True, scope="live", name="stream1", protocol="rtmp", started_at=NOW
        )
        for viewer_id in ("b/1", "b/2")
    )
    await agent.sync_up(stays)
    known = agent.acknowledged
    estate.clock.now += 10_000
    assert (await agent.send(agent.report(leaves))).status_code == 200
    assert [viewer["viewer_id"] for viewer in (await agent.begin())["viewers"]] == ["b/1", "b/2"]  # type: ignore[attr-defined]
    agent.epoch, agent.based_on, agent.acknowledged = 1, None, known
    assert (await agent.send(agent.report())).status_code == 200
    assert [viewer["viewer_id"] for viewer in (await agent.begin())["viewers"]] == ["b/1"]  # type: ignore[attr-defined]


async def test_refusal_names_the_acknowledged_revision(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    await agent.sync_up(a_session())
    agent.acknowledged = 50
    agent.revision = 60
    refused = await agent.send(agent.report())
    assert refused.status_code == 409
    assert refused.json() | {"errorMessage": ""} == {
        "errorMessage": "", "timestamp": NOW, "reason": "hole", "epoch": 1, "acknowledged": 2,
        "received_at": NOW,
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
    assert [(span["state"], span["from"], span["to"]) for span in await fetch_spans(estate)] == [
        ("live", NOW, NOW + 10_000),
        ("held", NOW + 10_000, NOW + 5 * MINUTE),
    ]
    agent.watermark = NOW + 10_000
    await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_in=6))
    assert [span["state"] for span in await fetch_spans(estate)] == ["live", "backfilled"]
    assert await held(estate) == [(0, 2)], "quarantined once, and closed by the report with all its rows"


async def held(estate: Estate) -> list[tuple[int, int]]:
    from sqlalchemy import select

    from streamusage.service.store.schema import held as table

    rows = await estate.running.service.read(lambda connection: connection.execute(select(table)).all())
    return [(row.open, row.times) for row in rows]


async def test_restart_keeps_everything(tmp_path: object) -> None:
    async with an_estate(tmp_path) as estate:  # type: ignore[arg-type]
        agent = ReportingAgent(estate)
        await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_in=5), a_session())
        before = (
            await estate.records(),
            await fetch_day(estate),
            (await estate.request("GET", "/api/v1/changes")).json(),
        )
    async with an_estate(tmp_path) as estate:  # type: ignore[arg-type]
        agent.estate = estate
        assert (await estate.records(), await fetch_day(estate)) == before[:2]
        again = (await estate.request("GET", f"/api/v1/changes?cursor={before[2]['cursor']}")).json()
        assert (again["reset"], again["records"]) == (False, [])
        await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_in=6))
        assert (await fetch_day(estate))["bytes_in"] == 6


@pytest.mark.parametrize(
    "row",
    [
        a_session(active=2**53),
        a_session(total=2**33),
        SampleRow(slot=NOW, scope="s", name="n", revision=0, active=2**53, highest=2**53),
        SlotRow(slot=NOW, revision=0, bytes_out=2**53),
        SlotRow(slot=NOW, revision=0, view_time_ms=2**50),
        SlotRow(slot=NOW, revision=0, connections={"rtmp": 2**53}),
    ],
)
async def test_figures_whose_sums_would_overflow_are_quarantined(estate: Estate, row: Any) -> None:
    agent = ReportingAgent(estate)
    await agent.begin()
    answer = await agent.send(agent.report(row, upto_ms=NOW + 1))
    assert (answer.status_code, answer.json()["reason"]) == (422, "held")
    assert "Expected `int` <= " in answer.json()["errorMessage"]
    assert (await estate.request("GET", "/api/v1/servers")).status_code == 200


async def test_epoch_that_was_never_issued_is_refused_and_bricks_nothing(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    await agent.sync_up()
    answer = await agent.request("epochs", b'{"journal": "j1", "epoch": 9007199254740992}')
    assert answer.status_code == 409
    assert answer.json().keys() == {"errorMessage", "timestamp"}
    taken = msgspec.structs.replace(agent.report(), epoch=2**53, since=0, based_on=Based(1, agent.acknowledged))
    assert (await agent.send(taken)).json()["reason"] == "stale"
    other = ReportingAgent(estate, life="j2.1")
    await other.sync_up()
    assert other.epoch == 2


async def test_large_report_of_an_unknown_form_is_refused_and_not_stored(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    await agent.begin()
    body = b'{"server":"edge-1","more":"' + b"x" * LARGEST_UNKNOWN_BYTES + b'"}'
    for _ in range(2):
        answer = await agent.request("reports", body)
        assert (answer.status_code, answer.json()["reason"]) == (422, "held")
        assert "too large for the quarantine, so only the agent still has this report" in answer.json()["errorMessage"]
    assert "streamtop_reports_held 0.0" in (await estate.request("GET", "/metrics")).text
    assert (await agent.request("reports", body[:100] + b'"}')).json()["reason"] == "held"
    assert "streamtop_reports_held 1.0" in (await estate.request("GET", "/metrics")).text
