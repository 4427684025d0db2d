"""Settings of alerts for tests: rules that fire at once, a receiver, short times."""

from streamusage.api.alerts import ReceiverFormat, RuleKind
from streamusage.service.alerts.rules import AlertRule
from streamusage.service.alerts.settings import AlertSettings, Receiver, SecretText, Sending


def a_receiver(url: str, name: str = "ops", format: ReceiverFormat = "json", **options: object) -> Receiver:
    return Receiver(name=name, format=format, url=SecretText(text=url), **options)  # type: ignore[arg-type]


def a_rule(kind: RuleKind = "server-missing", name: str | None = None, **options: object) -> AlertRule:
    values: dict[str, object] = {"receivers": ("ops",), "for_ms": 60_000, "repeat_ms": None} | options
    return AlertRule(name=name or kind, kind=kind, **values)  # type: ignore[arg-type]


def alert_settings(url: str, *rules: AlertRule, **sending: object) -> AlertSettings:
    times: dict[str, object] = {"name": "test", "every_ms": 100, "first_retry_ms": 100, "longest_retry_ms": 1_000}
    return AlertSettings(
        rules=rules or (a_rule(),),
        receivers=(a_receiver(url),),
        sending=Sending(**(times | sending)),  # type: ignore[arg-type]
    )
