"""`streamtop alerts`: the list, receivers, silences and test messages, against a running service."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.streamusage.service.conftest import Estate, an_estate
from tests.support.commands.run_command import run_command
from tests.support.program import Program
from tests.support.service.alerts.receiver import AlertReceiver, Answer, alert_receiver
from tests.support.service.alerts.settings import a_rule, alert_settings
from tests.support.service.parties.reporting import ReportingAgent
from tests.support.waiting import wait_until


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    with alert_receiver() as receiver:
        yield receiver


async def fire(estate: Estate, receiver: AlertReceiver) -> None:
    await ReportingAgent(estate).sync_up()
    estate.clock.now += 120_000
    await wait_until(lambda: receiver.posted, "the alert")


async def test_alerts_are_listed_and_fail_for_monitoring(
    tmp_path: Path, receiver: AlertReceiver, streamtop: Program
) -> None:
    settings = alert_settings(receiver.url("/s3cret"), a_rule(name="server missing", severity="critical"))
    async with an_estate(tmp_path, alerts=settings) as estate:
        assert (await run_command(estate, streamtop, "alerts", "--fail")).code == 0
        await fire(estate, receiver)
        listed = await run_command(estate, streamtop, "alerts", "--fail", token="viewer-token")
        assert listed.code == 1
        row = next(line for line in listed.out.splitlines() if "edge-1" in line)
        assert row.split()[:4] == ["firing", "critical", "server", "missing"]
        assert "1 firing; 1 rule, evaluated by " in listed.err
        assert "1 alert firing: edge-1 is missing since" in listed.err
        listed = await run_command(estate, streamtop, "alerts", "--format", "json")
        assert json.loads(listed.out)[0]["labels"] == {"server": "edge-1"}
        receivers = await run_command(estate, streamtop, "alerts", "receivers")
        assert "s3cret" not in receivers.out
        assert f"http://127.0.0.1:{receiver.port}" in receivers.out


async def test_silence_is_begun_listed_and_ended(tmp_path: Path, receiver: AlertReceiver, streamtop: Program) -> None:
    async with an_estate(tmp_path, alerts=alert_settings(receiver.url())) as estate:
        begun = await run_command(
            estate,
            streamtop,
            "alerts",
            "silence",
            "server-missing",
            "server=edge-*",
            "--for",
            "2h",
            "--reason",
            "disks",
        )
        assert begun.code == 0, begun.err
        assert "silenced rule=server-missing server=edge-* at" in begun.err
        listed = await run_command(estate, streamtop, "alerts", "silences", "--format", "json")
        (silence,) = json.loads(listed.out)
        assert (silence["by"], silence["reason"]) == ("boss", "disks")
        assert silence["id"] in begun.err
        ended = await run_command(estate, streamtop, "alerts", "end", silence["id"])
        assert (ended.code, "ended the silence" in ended.err) == (0, True)
        again = await run_command(estate, streamtop, "alerts", "end", silence["id"])
        assert again.code == 5
        assert "no silence" in again.err


@pytest.mark.parametrize("match", ["server=", "=x", "rule=a b", ""])
async def test_wrong_matcher_silences_nothing(tmp_path: Path, streamtop: Program, match: str) -> None:
    async with an_estate(tmp_path) as estate:
        refused = await run_command(
            estate, streamtop, "alerts", "silence", match, "b", "--for", "2h", "--reason", "disks"
        )
        assert refused.code == 2
        assert "nothing was silenced" in refused.err


async def test_test_message_prints_the_answer_of_the_receiver(
    tmp_path: Path, receiver: AlertReceiver, streamtop: Program
) -> None:
    async with an_estate(tmp_path, alerts=alert_settings(receiver.url())) as estate:
        sent = await run_command(estate, streamtop, "alerts", "test", "ops")
        assert (sent.code, "accepted the test message in" in sent.err) == (0, True)
        receiver.answer = lambda: Answer(403, body="wrong key")
        refused = await run_command(estate, streamtop, "alerts", "test", "ops")
        assert (refused.code, "did not accept the test message: HTTP 403: wrong key" in refused.err) == (1, True)
        unknown = await run_command(estate, streamtop, "alerts", "test", "oops")
        assert "known: ops" in unknown.err


async def test_test_message_is_sent_from_the_file_without_a_service(
    tmp_path: Path, receiver: AlertReceiver, streamtop: Program
) -> None:
    path = tmp_path / "alerts.toml"
    path.write_text(f'[[receiver]]\nname = "ops"\nurl = "{receiver.url()}"\n[[rule]]\nname = "store"\nkind = "store"\n')
    sent = await streamtop("alerts", "test", "ops", "--file", str(path))
    assert sent.code == 0, sent.err
    assert receiver.posted[0].body["event"] == "test"
    wrong = await streamtop("alerts", "test", "oops", "--file", str(path))
    assert (wrong.code, "known: ops" in wrong.err) == (2, True)
    path.write_text("[[rule]]\nname = 1")
    wrong = await streamtop("alerts", "test", "ops", "--file", str(path))
    assert (wrong.code, "rule.kind: required key is missing" in wrong.err) == (2, True)


async def test_service_without_rules_states_that(tmp_path: Path, streamtop: Program) -> None:
    async with an_estate(tmp_path) as estate:
        listed = await run_command(estate, streamtop, "alerts")
        assert (listed.code, "evaluates no alert rules; start it with serve --alerts FILE" in listed.err) == (0, True)
