"""The list of alerts, silences and test messages over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamusage.service.alerts.settings import AlertSettings
from tests.streamusage.service.conftest import Estate, an_estate
from tests.support.service.alerts.receiver import AlertReceiver, Answer, alert_receiver
from tests.support.service.alerts.settings import a_receiver, alert_settings
from tests.support.service.parties.reporting import ReportingAgent
from tests.support.waiting import wait_until

HOURS = 3_600_000


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    with alert_receiver() as receiver:
        yield receiver


@pytest.fixture
def settings(receiver: AlertReceiver) -> AlertSettings:
    settings = alert_settings(receiver.url("/secret-path"))
    settings.receivers = (*settings.receivers, a_receiver("http://127.0.0.1:1/x", "nobody"))
    return settings


async def silence(estate: Estate, **matchers: str) -> dict[str, object]:
    body = {"matchers": matchers, "for_ms": HOURS, "reason": " new disks "}
    answer = await estate.request("POST", "/api/v1/alerts/silences", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["silence"]  # type: ignore[no-any-return]


async def test_alerts_and_receivers_are_listed(
    tmp_path: Path, store_url: str, settings: AlertSettings, receiver: AlertReceiver
) -> None:
    async with an_estate(tmp_path, store_url=store_url, alerts=settings) as estate:
        await ReportingAgent(estate).sync_up()
        estate.clock.now += 120_000
        await wait_until(lambda: receiver.posted, "the alert")

        async def listed() -> dict[str, object]:
            answer = await estate.request("GET", "/api/v1/alerts", token="viewer-token")
            assert "secret-path" not in answer.text
            return answer.json()  # type: ignore[no-any-return]

        async def is_delivered() -> bool:
            return (await listed())["receivers"][0].get("delivered") == 1  # type: ignore[index, no-any-return]

        await wait_until(is_delivered, "the delivery is counted")
        found = await listed()
        assert (found["is_configured"], found["rules"], found["failing_rules"]) == (True, 1, {})
        assert [(alert["phase"], alert["labels"]) for alert in found["alerts"]] == [("firing", {"server": "edge-1"})]  # type: ignore[attr-defined]
        assert found["receivers"][0]["host"] == f"http://127.0.0.1:{receiver.port}"  # type: ignore[index]
        summary = (await estate.request("GET", "/api/v1/servers")).json()["alerts"]
        assert (summary["firing"], summary["severity"]) == (1, "warning")
        metrics = (await estate.request("GET", "/metrics")).text
        assert 'streamtop_alerts_firing{rule="server-missing",severity="warning",silenced="false"} 1.0' in metrics
        assert 'streamtop_alert_deliveries_total{receiver="ops"} 1.0' in metrics


async def test_silences_begin_are_listed_and_end(tmp_path: Path, store_url: str) -> None:
    async with an_estate(tmp_path, store_url=store_url) as estate:
        begun = await silence(estate, server="edge-*")
        assert (begun["by"], begun["reason"]) == ("boss", "new disks")
        listed = (await estate.request("GET", "/api/v1/alerts/silences", token="viewer-token")).json()["silences"]
        assert listed == [begun]
        ended = await estate.request("DELETE", f"/api/v1/alerts/silences/{begun['id']}")
        assert ended.json()["silence"]["ends_at"] == estate.clock.now
        assert (await estate.request("GET", "/api/v1/alerts/silences")).json()["silences"] == []
        assert (await estate.request("DELETE", f"/api/v1/alerts/silences/{begun['id']}")).status_code == 404
        operations = [entry["operation"] for entry in (await estate.request("GET", "/api/v1/audit")).json()["entries"]]
        assert sorted(operations) == [f"end silence {begun['id']}", f"silence alerts {begun['id']}"]


async def test_list_has_silences_that_no_evaluation_has_seen(
    tmp_path: Path, settings: AlertSettings, receiver: AlertReceiver
) -> None:
    async with an_estate(tmp_path, alerts=settings) as estate:
        await ReportingAgent(estate).sync_up()
        estate.clock.now += 120_000
        await wait_until(lambda: receiver.posted, "the alert")

    async def listed(estate: Estate) -> tuple[str, int, int, bool]:
        (alert,) = (await estate.request("GET", "/api/v1/alerts")).json()["alerts"]
        summary = (await estate.request("GET", "/api/v1/servers")).json()["alerts"]
        metrics = (await estate.request("GET", "/metrics")).text
        is_counted = 'severity="warning",silenced="true"} 1.0' in metrics
        return alert.get("silenced_by", ""), summary.get("firing", 0), summary.get("silenced", 0), is_counted

    async with an_estate(tmp_path, estate.clock) as lists_only:
        assert await listed(lists_only) == ("", 1, 0, False)
        begun = await silence(lists_only, server="edge-1")
        assert await listed(lists_only) == (begun["id"], 0, 1, True)
        await lists_only.request("DELETE", f"/api/v1/alerts/silences/{begun['id']}")
        assert await listed(lists_only) == ("", 1, 0, False)


async def test_silence_ends_by_itself(tmp_path: Path) -> None:
    async with an_estate(tmp_path) as estate:
        await silence(estate, rule="x")
        estate.clock.now += HOURS
        assert (await estate.request("GET", "/api/v1/alerts/silences")).json()["silences"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"matchers": {}, "for_ms": HOURS, "reason": "x"},
        {"matchers": {"rule": "x"}, "for_ms": HOURS, "reason": "  "},
        {"matchers": {"rule": "x"}, "for_ms": 0, "reason": "x"},
        {"matchers": {"rule": "x" * 1_001}, "for_ms": HOURS, "reason": "x"},
        {"matchers": {f"l{number}": "x" for number in range(17)}, "for_ms": HOURS, "reason": "x"},
        {"matchers": {"rule": "x"}, "for_ms": HOURS, "reason": "x", "until": 1},
    ],
)
async def test_wrong_silence_is_refused(tmp_path: Path, body: dict[str, object]) -> None:
    async with an_estate(tmp_path) as estate:
        answer = await estate.request("POST", "/api/v1/alerts/silences", json=body)
        assert answer.status_code == 422
        assert "nothing was silenced" in answer.json()["errorMessage"]


@pytest.mark.parametrize(("method", "path"), [("POST", "silences"), ("DELETE", "silences/x"), ("POST", "test")])
async def test_changes_need_an_admin(tmp_path: Path, method: str, path: str) -> None:
    async with an_estate(tmp_path) as estate:
        answer = await estate.request(method, f"/api/v1/alerts/{path}", token="viewer-token", json={})
        assert answer.status_code == 403


async def test_test_message_returns_what_the_receiver_answers(
    tmp_path: Path, settings: AlertSettings, receiver: AlertReceiver
) -> None:
    async with an_estate(tmp_path, alerts=settings) as estate:

        async def test(name: str) -> dict[str, object]:
            return (await estate.request("POST", "/api/v1/alerts/test", json={"receiver": name})).json()  # type: ignore[no-any-return]

        receiver.answer = lambda: Answer(404, body="no such hook")
        refused = await test("ops")
        assert (refused["is_delivered"], refused["status"], refused["answer"]) == (False, 404, "no such hook")
        receiver.answer = Answer
        assert (await test("ops"))["is_delivered"] is True
        assert receiver.posted[-1].body["event"] == "test"
        nothing = await test("nobody")
        assert (nothing["is_delivered"], nothing["status"]) == (False, None)
        assert "nothing answers there" in str(nothing["answer"])
        unknown = await estate.request("POST", "/api/v1/alerts/test", json={"receiver": "oops"})
        assert (unknown.status_code, "known: ops, nobody" in unknown.json()["errorMessage"]) == (404, True)


async def test_process_without_alerts_file_tests_no_receiver(tmp_path: Path) -> None:
    async with an_estate(tmp_path) as estate:
        answer = await estate.request("POST", "/api/v1/alerts/test", json={"receiver": "ops"})
        assert answer.status_code == 409
        assert "--alerts FILE" in answer.json()["errorMessage"]
        listed = (await estate.request("GET", "/api/v1/alerts")).json()
        assert (listed["is_configured"], listed["alerts"], listed["receivers"]) == (False, [], [])
        assert (await estate.request("GET", "/api/v1/servers")).json()["alerts"] is None
