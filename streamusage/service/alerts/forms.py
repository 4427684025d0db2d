"""Messages in the forms of receivers: generic JSON, Slack-compatible, Alertmanager. Pure.

| format         | path                                   | body                                             |
|----------------|----------------------------------------|--------------------------------------------------|
| `json`         | the URL                                | `api.alerts.AlertMessage`                        |
| `slack`        | the URL                                | `{"text": …}`, also for Mattermost, Rocket.Chat  |
| `alertmanager` | the URL, then `/api/v2/alerts`         | its alerts; a resolved one ends when it resolved |
"""

import re
from typing import Any

import msgspec

from streamusage.api.alerts import AlertMessage, AlertPhase, AlertStatus, ReceiverFormat
from streamusage.core.instants import format_utc

ALERTMANAGER_PATH = "/api/v2/alerts"
SLACK_ALERTS = 20
"""Most alerts that a Slack message lists."""

_LABEL_NAME = re.compile("[^a-zA-Z0-9_]")


def url_of(format: ReceiverFormat, url: str) -> str:
    """Return the URL to which messages are posted."""
    if format != "alertmanager" or url.rstrip("/").endswith(ALERTMANAGER_PATH):
        return url
    return url.rstrip("/") + ALERTMANAGER_PATH


def body_of(format: ReceiverFormat, message: AlertMessage, expires_at: int) -> bytes:
    """Return the JSON body. `expires_at` is when Alertmanager forgets an alert that is not sent again."""
    match format:
        case "json":
            return msgspec.json.encode(message)
        case "slack":
            return msgspec.json.encode({"text": _slack_text(message)})
        case "alertmanager":
            return msgspec.json.encode([_posted_alert(alert, message, expires_at) for alert in message.alerts])


def _slack_text(message: AlertMessage) -> str:
    heads = {"firing": "FIRING", "repeat": "STILL FIRING", "resolved": "RESOLVED", "test": "TEST"}
    head = f"*{heads.get(message.event, 'FIRING')}* {_escape(message.service)}"
    lines = [head]
    for alert in message.alerts[:SLACK_ALERTS]:
        lines.append(f"• [{alert.severity}] {_escape(alert.summary)} ({_escape(alert.rule)})")
        if len(message.alerts) == 1 and message.event != "resolved" and alert.description:
            lines.append(_escape(alert.description))
    if len(message.alerts) > SLACK_ALERTS:
        lines.append(f"… and {len(message.alerts) - SLACK_ALERTS} more")
    return "\n".join(lines)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _posted_alert(alert: AlertStatus, message: AlertMessage, expires_at: int) -> dict[str, Any]:
    labels = {_LABEL_NAME.sub("_", name): value for name, value in alert.labels.items() if value}
    labels |= {"alertname": alert.rule, "kind": alert.kind, "severity": alert.severity}
    labels["service"] = message.service
    annotations = {"summary": alert.summary} | ({"description": alert.description} if alert.description else {})
    started = alert.since if alert.fired_at is None else alert.fired_at
    ends = expires_at if _phase(alert, message) == "firing" or alert.resolved_at is None else alert.resolved_at
    return {
        "labels": labels,
        "annotations": annotations,
        "startsAt": rfc3339(started),
        # An alert without length would not be resolved, but invalid.
        "endsAt": rfc3339(max(ends, started + 1)),
    }


def _phase(alert: AlertStatus, message: AlertMessage) -> AlertPhase:
    return "resolved" if message.event == "resolved" else alert.phase


def rfc3339(at_ms: int) -> str:
    """Return an instant as `2026-11-30T12:00:00.250Z`."""
    return f"{format_utc(at_ms)[:10]}T{format_utc(at_ms)[11:16]}:{at_ms // 1000 % 60:02d}.{at_ms % 1000:03d}Z"
