"""Notices as messages: alerts of one receiver with the same event go together. Pure."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import groupby

from streamusage.api.alerts import AlertEvent, AlertMessage, AlertStatus
from streamusage.service.alerts.states import AlertNotice, AlertState

ALERTS_PER_MESSAGE = 50
"""Most alerts of a message: an outage of a whole estate is a few messages, each of which a receiver accepts."""


def compose_messages(notices: Iterable[AlertNotice], service: str, now_ms: int) -> list[AlertMessage]:
    """Return the messages of an evaluation, the resolutions last. The same notices make the same ids."""
    rows = [(name, notice.event, notice) for notice in notices for name in notice.receivers]
    rows.sort(key=lambda row: (row[0], row[1] == "resolved", row[1], row[2].key))
    messages = []
    for (receiver, event), group in groupby(rows, key=lambda row: (row[0], row[1])):
        members = [notice for _, _, notice in group]
        for start in range(0, len(members), ALERTS_PER_MESSAGE):
            part = members[start : start + ALERTS_PER_MESSAGE]
            key = _digest([receiver, *(notice.key for notice in part)])
            messages.append(_message(key, event, receiver, service, now_ms, [notice.alert for notice in part]))
    return messages


def compose_refresh(alerts: Sequence[AlertState], receiver: str, service: str, now_ms: int) -> list[AlertMessage]:
    """Return the messages that keep alerts alive at a receiver which forgets those that are not sent again."""
    messages = []
    for start in range(0, len(alerts), ALERTS_PER_MESSAGE):
        part = alerts[start : start + ALERTS_PER_MESSAGE]
        key = _digest([receiver, "refresh", str(now_ms), *(alert.id for alert in part)])
        messages.append(_message(key, "refresh", receiver, service, now_ms, part))
    return messages


def compose_test(receiver: str, service: str, id: str, now_ms: int) -> AlertMessage:
    """Return a test message. Its alert fires and nothing of it is kept."""
    alert = AlertStatus(
        id=f"test-{receiver}",
        episode=now_ms,
        rule="test",
        kind="store",
        severity="info",
        phase="firing",
        labels={"test": "true"},
        summary=f"test message for the receiver {receiver}",
        description="streamtop alerts test sent it. No rule is violated, and nothing is to be done.",
        since=now_ms,
        fired_at=now_ms,
    )
    return _message(id, "test", receiver, service, now_ms, [alert])


def _message(
    id: str, event: AlertEvent, receiver: str, service: str, now_ms: int, alerts: Sequence[AlertStatus]
) -> AlertMessage:
    listed = [alert.status() if isinstance(alert, AlertState) else alert for alert in alerts]
    return AlertMessage(id=id, event=event, receiver=receiver, service=service, created_at=now_ms, alerts=listed)


def _digest(parts: list[str]) -> str:
    return blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()
