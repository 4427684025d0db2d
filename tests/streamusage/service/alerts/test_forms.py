"""Bodies of messages for each kind of receiver."""

from typing import Any

import msgspec
import pytest

from streamusage.api.alerts import AlertMessage, AlertStatus
from streamusage.service.alerts.forms import SLACK_ALERTS, body_of, rfc3339, url_of

NOW = 1_795_000_020_250


def a_message(event: str = "firing", count: int = 1) -> AlertMessage:
    alert = AlertStatus(
        id="a1",
        episode=1,
        rule="server missing",
        kind="server-missing",
        severity="critical",
        phase="resolved" if event == "resolved" else "firing",
        labels={"server": "<edge&1>", "data-center": "fra", "empty": ""},
        summary="<edge&1> is missing",
        description="its agent reported last at noon",
        since=NOW - 60_000,
        fired_at=NOW - 30_000,
        resolved_at=NOW if event == "resolved" else None,
    )
    return AlertMessage(id="m1", event=event, receiver="ops", service="prod", created_at=NOW, alerts=[alert] * count)  # type: ignore[arg-type]


def body(form: str, message: AlertMessage) -> Any:
    return msgspec.json.decode(body_of(form, message, NOW + 300_000))  # type: ignore[arg-type]


def test_generic_json_is_the_documented_message() -> None:
    decoded = msgspec.convert(body("json", a_message()), AlertMessage)
    assert decoded == a_message()
    assert body("json", a_message())["version"] == 1


def test_slack_text_is_escaped() -> None:
    text = body("slack", a_message())["text"]
    assert text.splitlines() == [
        "*FIRING* prod",
        "• [critical] &lt;edge&amp;1&gt; is missing (server missing)",
        "its agent reported last at noon",
    ]


def test_slack_text_lists_a_limited_number_of_alerts() -> None:
    lines = body("slack", a_message("resolved", 50))["text"].splitlines()
    assert lines[0] == "*RESOLVED* prod"
    assert len(lines) == SLACK_ALERTS + 2
    assert lines[-1] == f"… and {50 - SLACK_ALERTS} more"


def test_alertmanager_gets_labels_that_it_accepts() -> None:
    (alert,) = body("alertmanager", a_message())
    assert alert["labels"] == {
        "alertname": "server missing",
        "data_center": "fra",
        "kind": "server-missing",
        "server": "<edge&1>",
        "service": "prod",
        "severity": "critical",
    }
    assert alert["annotations"]["summary"] == "<edge&1> is missing"
    assert (alert["startsAt"], alert["endsAt"]) == (rfc3339(NOW - 30_000), rfc3339(NOW + 300_000))


def test_resolved_alert_ends_at_alertmanager_when_it_resolved() -> None:
    (alert,) = body("alertmanager", a_message("resolved"))
    assert alert["endsAt"] == rfc3339(NOW)


@pytest.mark.parametrize(
    ("form", "url", "posted"),
    [
        ("alertmanager", "http://am:9093", "http://am:9093/api/v2/alerts"),
        ("alertmanager", "http://am:9093/prefix/", "http://am:9093/prefix/api/v2/alerts"),
        ("alertmanager", "http://am:9093/api/v2/alerts", "http://am:9093/api/v2/alerts"),
        ("json", "http://am:9093", "http://am:9093"),
    ],
)
def test_url_of_each_form(form: str, url: str, posted: str) -> None:
    assert url_of(form, url) == posted  # type: ignore[arg-type]


def test_instants_are_exact() -> None:
    assert rfc3339(NOW) == "2026-11-18T11:07:00.250Z"
