"""Alerts of a running service, delivered to a real HTTP receiver: through its outage, silences, restarts, doubts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamusage.api.alerts import Silence
from streamusage.service.alerts import engine
from streamusage.service.alerts.estate_rows import EstateReading, read_estate
from streamusage.service.alerts.rows.alert_rows import end_silence, save_silence
from streamusage.service.alerts.settings import AlertSettings
from tests.streamusage.service.conftest import Estate, OwnedClock, an_estate
from tests.support.service.alerts.receiver import AlertReceiver, Answer, alert_receiver
from tests.support.service.alerts.settings import a_receiver, a_rule, alert_settings
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tests.support.waiting import wait_until

MINUTE = 60_000


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    with alert_receiver() as receiver:
        yield receiver


async def pass_time(estate: Estate, minutes: float) -> None:
    """Move the clock, and wait until the rules were evaluated after that."""
    estate.clock.now += round(minutes * MINUTE)
    await evaluated(estate)


async def evaluated(estate: Estate) -> None:
    """Wait until the rules were evaluated from now on."""
    alerts = estate.running.service.alerts
    before = alerts.evaluations
    await wait_until(lambda: alerts.evaluations >= before + 2, "two more evaluations")


async def arrived(receiver: AlertReceiver, *events: tuple[str, str]) -> None:
    await wait_until(lambda: receiver.events() == list(events), f"messages {events}", last_seen=receiver.events)


async def test_missing_server_is_alerted_and_resolved(tmp_path: Path, store_url: str, receiver: AlertReceiver) -> None:
    settings = alert_settings(receiver.url())
    async with an_estate(tmp_path, store_url=store_url, alerts=settings) as estate:
        agent = ReportingAgent(estate)
        await agent.sync_up()
        await pass_time(estate, 0.9)
        assert not receiver.posted
        await pass_time(estate, 0.2)
        await arrived(receiver, ("firing", "edge-1"))
        body = receiver.posted[0].body
        assert (body["version"], body["service"], body["receiver"]) == (1, "test", "ops")
        assert body["alerts"][0]["summary"].startswith("edge-1 is missing since ")
        await agent.sync_up()
        await arrived(receiver, ("firing", "edge-1"), ("resolved", "edge-1"))
        assert receiver.posted[1].body["alerts"][0]["episode"] == body["alerts"][0]["episode"]


async def test_every_alert_arrives_through_an_outage_of_the_receiver(
    tmp_path: Path, store_url: str, receiver: AlertReceiver
) -> None:
    settings = alert_settings(receiver.url())
    async with an_estate(tmp_path, store_url=store_url, alerts=settings) as estate:
        agents = [ReportingAgent(estate, server) for server in ("edge-1", "edge-2")]
        for agent in agents:
            await agent.sync_up()
        engine = estate.running.service.alerts
        receiver.down()
        await pass_time(estate, 2)
        await agents[0].sync_up()
        await evaluated(estate)  # edge-1 is resolved before anything arrived
        await wait_until(lambda: engine.settings is settings and not receiver.posted, "nothing arrives")
        receiver.answer = lambda: Answer(500, body="database down")
        receiver.up()
        await wait_until(
            lambda: [posted.status for posted in receiver.posted].count(500) >= 2 or _tick(estate), "two failures"
        )
        receiver.answer = lambda: Answer(429, {"Retry-After": "30"})
        await wait_until(lambda: receiver.posted[-1].status == 429 or _tick(estate), "a refusal with Retry-After")
        refused_at, count = estate.clock.now, len(receiver.posted)
        estate.clock.now += 29_000 - (estate.clock.now - refused_at)
        await evaluated(estate)
        assert len(receiver.posted) == count, "it was sent before the time that the receiver asked for"
        receiver.answer = lambda: Answer(delay_seconds=0.3)
        estate.clock.now += 1_000  # and not further: edge-1 would be missing again
        await wait_until(lambda: len(receiver.events()) == 3, "all arrive")
        assert sorted(receiver.events()[:2]) == [("firing", "edge-1"), ("firing", "edge-2")]
        assert receiver.events()[2:] == [("resolved", "edge-1")]
        keys = [posted.key for posted in receiver.posted]
        assert len(set(keys)) == 2, "each message keeps its key"
        await agents[1].sync_up()
        await wait_until(lambda: len(receiver.events()) == 4, "the last resolution")
        assert receiver.events()[3] == ("resolved", "edge-2")


def _tick(estate: Estate) -> bool:
    """Let a second pass while waiting for a retry."""
    estate.clock.now += 1_000
    return False


async def test_slow_receiver_is_given_up_after_its_timeout_and_tried_again(
    tmp_path: Path, receiver: AlertReceiver
) -> None:
    settings = alert_settings(receiver.url())
    settings.receivers = (a_receiver(receiver.url(), timeout_ms=100),)
    receiver.answer = lambda: Answer(delay_seconds=1.0)
    async with an_estate(tmp_path, alerts=settings) as estate:
        await ReportingAgent(estate).sync_up()
        await pass_time(estate, 2)
        await wait_until(lambda: len(receiver.posted) >= 1, "the receiver got it too late")
        receiver.answer = Answer
        count = len(receiver.posted)
        await wait_until(lambda: len(receiver.posted) > count or _tick(estate), "it is sent again")
        assert len({posted.key for posted in receiver.posted}) == 1


async def test_refused_message_is_dropped_and_later_ones_are_sent(tmp_path: Path, receiver: AlertReceiver) -> None:
    receiver.answer = lambda: Answer(400)
    async with an_estate(tmp_path, alerts=alert_settings(receiver.url())) as estate:
        agent = ReportingAgent(estate)
        await agent.sync_up()
        await pass_time(estate, 2)
        await wait_until(lambda: len(receiver.posted) == 1, "the refusal")
        receiver.answer = Answer
        await agent.sync_up()
        await arrived(receiver, ("resolved", "edge-1"))
        assert len(receiver.posted) == 2


async def test_messages_and_states_survive_a_restart(tmp_path: Path, store_url: str, receiver: AlertReceiver) -> None:
    clock, settings = OwnedClock(), alert_settings(receiver.url())
    receiver.down()
    async with an_estate(tmp_path, clock, store_url, alerts=settings) as estate:
        await ReportingAgent(estate).sync_up()
        await pass_time(estate, 2)
    receiver.up()
    async with an_estate(tmp_path, clock, store_url, alerts=settings) as estate:
        await wait_until(lambda: receiver.events() or _tick(estate), "the message of the first process")
        await evaluated(estate)
        assert receiver.events() == [("firing", "edge-1")]
        agent = ReportingAgent(estate, life="j2.1")
        await agent.sync_up()
        await arrived(receiver, ("firing", "edge-1"), ("resolved", "edge-1"))


async def test_silence_keeps_messages_back_until_it_ends(tmp_path: Path, receiver: AlertReceiver) -> None:
    async with an_estate(tmp_path, alerts=alert_settings(receiver.url())) as estate:
        await ReportingAgent(estate).sync_up()
        silence = Silence(
            id="s1", matchers={"server": "edge-*"}, created_at=estate.clock.now, ends_at=estate.clock.now + 10 * MINUTE,
            by="boss", reason="work",
        )  # fmt: skip
        service = estate.running.service
        await service.write(lambda connection: save_silence(connection, silence))
        await pass_time(estate, 5)
        assert not receiver.posted
        await service.write(lambda connection: end_silence(connection, "s1", estate.clock.now))
        await arrived(receiver, ("firing", "edge-1"))


async def test_streams_that_matter(tmp_path: Path, store_url: str, receiver: AlertReceiver) -> None:
    settings = alert_settings(
        receiver.url(),
        a_rule("no-viewers", streams=("live/*",)),
        a_rule("no-publisher", streams=("live/stream1", "live/never")),
    )
    async with an_estate(tmp_path, store_url=store_url, alerts=settings) as estate:
        agent = ReportingAgent(estate)
        await agent.sync_up(a_session(active=0))
        for _ in range(8):  # it reports every 10 s
            await pass_time(estate, 1 / 6)
            await agent.sync_up()
        await evaluated(estate)
        await wait_until(lambda: len(receiver.events()) == 2, "two alerts", last_seen=receiver.events)
        assert sorted(receiver.events()) == [("firing", "no-publisher"), ("firing", "no-viewers")]
        await agent.sync_up(a_session(active=3))
        await wait_until(lambda: ("resolved", "no-viewers") in receiver.events(), "viewers are back")
        await agent.sync_up(a_session(active=0, live=False))
        for _ in range(8):
            await pass_time(estate, 1 / 6)
            await agent.sync_up()
        published = [
            (posted.body["event"], alert["labels"]["stream"])
            for posted in receiver.accepted
            for alert in posted.body["alerts"]
            if alert["rule"] == "no-publisher"
        ]
        assert published == [("firing", "live/never"), ("firing", "live/stream1")]


async def test_lost_gap_and_open_day(tmp_path: Path, store_url: str, receiver: AlertReceiver) -> None:
    settings = alert_settings(
        receiver.url(),
        a_rule("gap-lost", for_ms=0, within_ms=60 * MINUTE),
        a_rule("day-not-final", for_ms=6 * 60 * MINUTE),
    )
    async with an_estate(tmp_path, store_url=store_url, alerts=settings) as estate:
        agent = ReportingAgent(estate)
        await agent.sync_up()
        await evaluated(estate)
        estate.clock.now += 5 * MINUTE
        await agent.sync_up(state="lost", reason="journal lost")
        await arrived(receiver, ("firing", "edge-1"))
        assert "lost 5 min of figures" in receiver.posted[0].body["alerts"][0]["summary"]
        await pass_time(estate, 61)
        await arrived(receiver, ("firing", "edge-1"), ("resolved", "edge-1"))
        await pass_time(estate, 24 * 60)
        await wait_until(lambda: len(receiver.posted) == 3, "the open day")
        alert = receiver.posted[2].body["alerts"][0]
        assert (alert["labels"]["zone"], alert["description"][:19]) == ("UTC", "It waits for edge-1")


async def test_in_a_doubt_about_the_clock_only_the_doubt_is_sent(tmp_path: Path, receiver: AlertReceiver) -> None:
    class SteppingClock(OwnedClock):
        step_ms = 0

        def now_ms(self) -> int:
            return self.now + self.step_ms

    clock = SteppingClock()
    settings = alert_settings(receiver.url(), a_rule(), a_rule("clock", for_ms=0))
    async with an_estate(tmp_path, clock, alerts=settings, boot="boot-of-the-service") as estate:
        await ReportingAgent(estate).sync_up()
        clock.step_ms = 86_400_000
        await arrived(receiver, ("firing", "clock"))
        assert receiver.posted[0].body["alerts"][0]["labels"]["machine"] == "boot-of-"
        await pass_time(estate, 10)
        assert len(receiver.posted) == 1
        clock.step_ms = 0
        await wait_until(lambda: len(receiver.events()) == 3, "the end of the doubt", last_seen=receiver.events)
        assert sorted(receiver.events()[1:]) == [("firing", "edge-1"), ("resolved", "clock")]


async def test_rule_that_fails_leaves_its_alerts_and_hurts_no_other(
    tmp_path: Path, receiver: AlertReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    settings = alert_settings(receiver.url(), a_rule(), a_rule("disagreement", for_ms=0))
    async with an_estate(tmp_path, alerts=settings) as estate:
        agent = ReportingAgent(estate)
        await agent.sync_up()
        await estate.running.service.write(
            lambda connection: connection.exec_driver_sql(
                "INSERT INTO disagreements (hour, kind, server, stream, scope, name, figure, first_figure, "
                "second_figure, edges, found_at, open) VALUES (0, 'of tomorrow', 'edge-1', x'', '', '', 'bytes', 1, 2, "
                "x'5b5d', 0, 1)"
            )
        )
        await pass_time(estate, 2)
        await arrived(receiver, ("firing", "edge-1"))
        await agent.sync_up()
        await arrived(receiver, ("firing", "edge-1"), ("resolved", "edge-1"))
    assert "the alert rule disagreement could not be evaluated" in caplog.text


async def test_damaged_store_is_alerted_from_memory_and_resolved(tmp_path: Path, receiver: AlertReceiver) -> None:
    settings = alert_settings(receiver.url(), a_rule("store", for_ms=0))
    async with an_estate(tmp_path, alerts=settings) as estate:
        await evaluated(estate)
        path = tmp_path / "usage.db"
        path.rename(tmp_path / "elsewhere.db")
        await arrived(receiver, ("firing", "store"))
        assert "usage.db" in json.dumps(receiver.posted[0].body)
        (tmp_path / "elsewhere.db").rename(path)
        await arrived(receiver, ("firing", "store"), ("resolved", "store"))


async def test_alertmanager_is_sent_firing_alerts_again_before_it_forgets_them(
    tmp_path: Path, receiver: AlertReceiver
) -> None:
    settings = alert_settings(receiver.url())
    settings.receivers = (a_receiver(receiver.url(""), format="alertmanager"),)
    async with an_estate(tmp_path, alerts=settings) as estate:
        agent = ReportingAgent(estate)
        await agent.sync_up()
        await pass_time(estate, 2)
        await wait_until(lambda: len(receiver.posted) >= 1, "the alert")
        for minute in range(3):
            count = len(receiver.posted)
            await pass_time(estate, 1.1)
            await wait_until(lambda: len(receiver.posted) > count, f"refresh {minute}")  # noqa: B023
        assert {posted.path for posted in receiver.posted} == {"/api/v2/alerts"}
        assert len({posted.body[0]["startsAt"] for posted in receiver.posted}) == 1
        ends = [posted.body[0]["endsAt"] for posted in receiver.posted]
        assert ends == sorted(ends)
        await agent.sync_up()
        await evaluated(estate)
        await wait_until(lambda: receiver.posted[-1].body[0]["endsAt"] < ends[-1], "the resolution")


async def test_replaced_settings_apply_at_once(tmp_path: Path, receiver: AlertReceiver) -> None:
    settings = alert_settings(receiver.url(), a_rule(for_ms=3_600_000))
    async with an_estate(tmp_path, alerts=settings) as estate:
        await ReportingAgent(estate).sync_up()
        await pass_time(estate, 5)
        assert not receiver.posted
        settings.replace_with(alert_settings(receiver.url(), a_rule()))
        await arrived(receiver, ("firing", "edge-1"))
        settings.replace_with(alert_settings(receiver.url(), a_rule(name="other")))
        await wait_until(lambda: len(receiver.events()) == 3, "the removed rule ends, the new one fires")
        assert [(posted.body["event"], posted.body["alerts"][0]["rule"]) for posted in receiver.accepted] == [
            ("firing", "server-missing"),
            ("firing", "other"),
            ("resolved", "server-missing"),
        ]


async def test_settings_replaced_during_an_evaluation_apply_to_the_next_one(
    tmp_path: Path, receiver: AlertReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = alert_settings(receiver.url(), a_rule())
    async with an_estate(tmp_path, alerts=settings) as estate:
        await ReportingAgent(estate).sync_up()
        await pass_time(estate, 5)
        await arrived(receiver, ("firing", "edge-1"))

        def read_while_replaced(*arguments: Any) -> EstateReading:
            settings.replace_with(alert_settings(receiver.url(), a_rule(name="other")))
            return read_estate(*arguments)

        monkeypatch.setattr(engine, "read_estate", read_while_replaced)
        await wait_until(lambda: len(receiver.events()) == 3, "the removed rule ends, the new one fires")
        assert [posted.body["event"] for posted in receiver.accepted] == ["firing", "firing", "resolved"]


async def test_secrets_are_neither_logged_nor_in_failures(
    tmp_path: Path, receiver: AlertReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "httpx")
    receiver.answer = lambda: Answer(500, body="no route /services/s3cret-path for t0ken-of-header")
    settings = alert_settings(receiver.url("/services/s3cret-path"))
    settings.receivers = (
        a_receiver(receiver.url("/services/s3cret-path"), headers={"X-Key": a_receiver("t0ken-of-header").url}),
    )
    async with an_estate(tmp_path, alerts=settings) as estate:
        await ReportingAgent(estate).sync_up()
        await pass_time(estate, 2)
        await wait_until(lambda: receiver.posted, "a failure")
        assert receiver.posted[0].headers["x-key"] == "t0ken-of-header"
        outcome = await estate.running.service.alerts.test(settings.receivers[0])
        assert (outcome.status, outcome.is_delivered) == (500, False)
        assert "•••" in outcome.answer
    assert "t0ken" not in caplog.text + outcome.answer
    assert "s3cret" not in caplog.text + outcome.answer
    assert "did not accept an alert: HTTP 500" in caplog.text


async def test_service_without_alerts_file_evaluates_nothing(tmp_path: Path) -> None:
    async with an_estate(tmp_path) as estate:
        assert isinstance(estate.running.service.alerts.settings, AlertSettings | None)
        assert estate.running.service.alerts.evaluations == 0
