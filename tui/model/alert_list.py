"""The alerts of the service in words and groups, for the list, the header and the page of alerts. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from streamusage.api.alerts import AlertList, AlertStatus, AlertSummary, ReceiverStatus, Severity
from tui.model.text import sanitize

_WORST: tuple[Severity, ...] = ("critical", "warning", "info")
SILENCED = "silenced"


def phase_name(alert: AlertStatus) -> str:
    """Return `firing`, `silenced`, `pending` or `resolved`."""
    return SILENCED if alert.silenced_by and alert.phase == "firing" else alert.phase


def format_matchers(labels: Mapping[str, str]) -> str:
    """Return labels as `server=edge-1 zone=UTC`, those with spaces in quotes."""
    return " ".join(f'{name}="{value}"' if " " in value else f"{name}={value}" for name, value in labels.items())


def parse_matchers(words: Sequence[str]) -> dict[str, str]:
    """Return the matchers of `label=pattern` words; a word without `=` is a rule's name. Raises `ValueError`."""
    matchers: dict[str, str] = {}
    for word in words:
        label, has_label, pattern = word.partition("=")
        name, text = (label.strip(), pattern) if has_label else ("rule", word)
        if not name or not text:
            raise ValueError(f"{word!r} is no matcher; write label=pattern, such as server='edge-*'")
        if name in matchers:
            raise ValueError(f"{name} is given twice; use another silence for the second pattern")
        matchers[name] = text
    return matchers


def of_phase(alerts: Sequence[AlertStatus], phase: str) -> list[AlertStatus]:
    """Return the alerts whose `phase_name` is this."""
    return [alert for alert in alerts if phase_name(alert) == phase]


def failing_receivers(listed: AlertList) -> list[ReceiverStatus]:
    """Return the receivers to which messages cannot be delivered now."""
    return [receiver for receiver in listed.receivers if receiver.failed_attempts]


def describe_counts(alerts: Sequence[AlertStatus]) -> str:
    """Return `2 firing, 1 silenced, 3 pending`, without what there is none of."""
    counts = [(len(of_phase(alerts, phase)), phase) for phase in ("firing", SILENCED, "pending")]
    return ", ".join(f"{count} {phase}" for count, phase in counts if count) or "nothing fires"


def mark_of(summary: AlertSummary | None) -> str:
    """Return the mark in the header of every view, such as `! 2 alerts`; empty where nothing fires."""
    if summary is None:
        return ""
    if summary.firing:
        return f"! {summary.firing} alert{'' if summary.firing == 1 else 's'}"
    return "! alerts not sent" if summary.failing_receivers else ""


def describe_alerts(summary: AlertSummary | None) -> str:
    """Return what fires as a sentence, such as `2 alerts: edge-3 is missing since …, and 1 more`; empty for nothing."""
    if summary is None or not summary.firing:
        return ""
    more = f", and {summary.firing - 1} more" if summary.firing > 1 else ""
    return f"{summary.firing} alert{'' if summary.firing == 1 else 's'}: {sanitize(summary.newest)}{more}"


def sum_alerts(parts: Iterable[AlertSummary | None]) -> AlertSummary | None:
    """Return the alerts of several services together; `None` where none of them evaluates rules."""
    known = [part for part in parts if part is not None]
    if not known:
        return None
    firing = sorted((part for part in known if part.severity is not None), key=_severity_rank)
    return AlertSummary(
        firing=sum(part.firing for part in known),
        silenced=sum(part.silenced for part in known),
        severity=firing[0].severity if firing else None,
        newest=firing[0].newest if firing else "",
        failing_receivers=sum(part.failing_receivers for part in known),
    )


def _severity_rank(summary: AlertSummary) -> int:
    return len(_WORST) if summary.severity is None else _WORST.index(summary.severity)
