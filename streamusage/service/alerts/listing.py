"""What the API and the metrics list of alerts: from the store, so that each process answers the same."""

from collections.abc import Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import Connection

from streamusage.api.alerts import AlertList, AlertStatus, AlertSummary, ReceiverStatus
from streamusage.service.alerts.rows.alert_rows import load_recent_states, load_silences
from streamusage.service.alerts.rows.lease import Lease, load_lease
from streamusage.service.alerts.rows.message_rows import ReceiverRow, count_waiting, load_receivers
from streamusage.service.alerts.states import with_silence

RECENT_MS = 86_400_000
"""How long a resolved alert is listed."""
MOST_RECENT = 200
"""Most resolved alerts that are listed."""

_ORDER = {"firing": 0, "pending": 1, "resolved": 2}
_SEVERITIES = {"critical": 0, "warning": 1, "info": 2}


def list_alerts(
    connection: Connection, from_memory: Sequence[AlertStatus], is_configured: bool, now_ms: int
) -> AlertList:
    """Return the alerts, those that fire first, and the receivers. `from_memory` are those the store cannot keep."""
    lease = load_lease(connection)
    alerts = [*from_memory, *_load_recent(connection, now_ms - RECENT_MS, MOST_RECENT, now_ms)]
    alerts.sort(key=lambda alert: (_ORDER[alert.phase], _SEVERITIES[alert.severity], -_changed_at(alert), alert.id))
    return AlertList(
        now=now_ms,
        is_configured=is_configured or bool(lease.report.rules),
        sender=lease.holder.rpartition(":")[0],
        checked_at=lease.at_ms or None,
        rules=len(lease.report.rules),
        failing_rules=lease.report.failing,
        alerts=alerts,
        receivers=_receivers(connection, lease),
    )


def summarize_alerts(connection: Connection, from_memory: Sequence[AlertStatus], now_ms: int) -> AlertSummary | None:
    """Return how many alerts fire; `None` for a service that evaluates no rules."""
    lease = load_lease(connection)
    if not lease.report.rules and not from_memory:
        return None
    listed = [*from_memory, *_load_recent(connection, now_ms, 0, now_ms)]
    firing = [alert for alert in listed if alert.phase == "firing"]
    loud = sorted(
        (alert for alert in firing if not alert.silenced_by),
        key=lambda alert: (_SEVERITIES[alert.severity], -_changed_at(alert), alert.id),
    )
    rows = load_receivers(connection)
    return AlertSummary(
        firing=len(loud),
        silenced=len(firing) - len(loud),
        severity=loud[0].severity if loud else None,
        newest=loud[0].summary if loud else "",
        failing_receivers=sum(
            receiver.name in rows and rows[receiver.name].attempts > 0 for receiver in lease.report.receivers
        ),
    )


def alert_metrics(connection: Connection, from_memory: Sequence[AlertStatus], now_ms: int) -> list[Metric]:
    """Return the metrics of alerts; none for a service that evaluates no rules."""
    lease = load_lease(connection)
    if not lease.report.rules and not from_memory:
        return []
    listed = [*from_memory, *_load_recent(connection, now_ms, 0, now_ms)]
    firing = GaugeMetricFamily(
        "streamtop_alerts_firing", "Alerts that fire, silenced or not", labels=["rule", "severity", "silenced"]
    )
    severities = {**lease.report.rules, **{alert.rule: alert.severity for alert in from_memory}}
    for rule, severity in sorted(severities.items()):
        of_rule = [alert for alert in listed if alert.rule == rule and alert.phase == "firing"]
        for is_silenced in (False, True):
            count = sum(bool(alert.silenced_by) is is_silenced for alert in of_rule)
            firing.add_metric([rule, severity, str(is_silenced).lower()], count)
    failing = GaugeMetricFamily("streamtop_alert_rule_failing", "1 while a rule cannot be evaluated", labels=["rule"])
    for rule in sorted(severities):
        failing.add_metric([rule], int(rule in lease.report.failing))
    checked = GaugeMetricFamily(
        "streamtop_alerts_checked_seconds",
        "Age of the newest evaluation of the rules",
        value=(now_ms - lease.at_ms) / 1000,
    )
    pending = GaugeMetricFamily("streamtop_alert_messages_pending", "Messages that wait", labels=["receiver"])
    delivered = CounterMetricFamily("streamtop_alert_deliveries", "Delivered messages", labels=["receiver"])
    failures = CounterMetricFamily("streamtop_alert_delivery_failures", "Failed attempts", labels=["receiver"])
    dropped = CounterMetricFamily("streamtop_alert_messages_dropped", "Messages given up", labels=["receiver"])
    for receiver in _receivers(connection, lease):
        pending.add_metric([receiver.name], receiver.pending)
        delivered.add_metric([receiver.name], receiver.delivered)
        failures.add_metric([receiver.name], receiver.failures)
        dropped.add_metric([receiver.name], receiver.dropped)
    return [firing, failing, checked, pending, delivered, failures, dropped]


def _load_recent(connection: Connection, resolved_since_ms: int, limit: int, now_ms: int) -> list[AlertStatus]:
    """Return the alerts of the store as the silences of this moment make them: those begun or ended since the newest
    evaluation count for all messages from now on.
    """
    silences = load_silences(connection, now_ms)
    return [
        with_silence(state.status(), silences) for state in load_recent_states(connection, resolved_since_ms, limit)
    ]


def _receivers(connection: Connection, lease: Lease) -> list[ReceiverStatus]:
    rows, waiting = load_receivers(connection), count_waiting(connection)
    found = []
    for receiver in lease.report.receivers:
        row, queued = rows.get(receiver.name, ReceiverRow(receiver.name)), waiting.get(receiver.name)
        found.append(
            ReceiverStatus(
                name=receiver.name,
                format=receiver.format,
                host=receiver.host,
                pending=0 if queued is None else queued.messages,
                oldest_pending_at=None if queued is None else queued.oldest_at,
                failed_attempts=row.attempts,
                next_attempt_at=row.next_at if row.attempts else None,
                error=row.error,
                delivered=row.delivered,
                failures=row.failures,
                dropped=row.dropped,
                delivered_at=row.delivered_at,
                failed_at=row.failed_at,
            )
        )
    return found


def _changed_at(alert: AlertStatus) -> int:
    return alert.resolved_at or alert.fired_at or alert.since
