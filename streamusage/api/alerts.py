"""Alerts of the service: how the API lists them, and the messages that receivers get. Pure.

Times are UTC milliseconds. docs/alerts.md has the fields of a message, whose form `version` names.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

RuleKind = Literal[
    "server-missing",
    "gap-lost",
    "day-not-final",
    "store",
    "clock",
    "disagreement",
    "no-viewers",
    "no-publisher",
]
"""What a rule watches."""
Severity = Literal["info", "warning", "critical"]
AlertPhase = Literal["pending", "firing", "resolved"]
AlertEvent = Literal["firing", "repeat", "resolved", "refresh", "test"]
"""Why a message is sent. `refresh` is for Alertmanager only, which forgets alerts that are not sent again."""
ReceiverFormat = Literal["json", "slack", "alertmanager"]

MESSAGE_VERSION = 1
"""Version of the message's form. New fields do not change it."""

LONGEST_SILENCE_MS = 366 * 86_400_000


class AlertStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One alert: a rule whose condition holds for one server, stream, day or other subject."""

    id: str
    """Of the rule and the subject: the same alert has the same id each time it fires."""
    episode: int
    """When the condition of this incident was found first. Messages with the same id and episode are about the same
    incident."""
    rule: str
    kind: RuleKind
    severity: Severity
    phase: AlertPhase
    labels: dict[str, str]
    """What the alert is about: `server`, `stream`, `zone` and `day`, and the labels of the rule's configuration."""
    summary: str
    """The condition in one line."""
    since: int
    """When the condition began."""
    description: str = ""
    """More of it: causes, what is kept, what to do."""
    fired_at: int | None = None
    resolved_at: int | None = None
    notified_at: int | None = None
    """When the newest message about this episode was queued; `None` if no receiver was sent one."""
    silenced_by: str = ""
    """Id of the silence that keeps its messages back; empty without one."""


class AlertMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver is sent: alerts of one receiver with the same event. The generic JSON form is this as it is."""

    version: int = MESSAGE_VERSION
    id: str
    """Idempotency key: a message that is sent again has the same."""
    event: AlertEvent
    receiver: str
    service: str
    """Name of the service, from the alerts file."""
    created_at: int
    alerts: list[AlertStatus]


class ReceiverStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A receiver, and how the deliveries to it fare. No secret of it is listed."""

    name: str
    format: ReceiverFormat
    host: str
    """Scheme, host and port of its URL, without path and query; empty where the URL cannot be read."""
    pending: int = 0
    """Messages that wait."""
    oldest_pending_at: int | None = None
    failed_attempts: int = 0
    """Of the message that is being sent, in a row."""
    next_attempt_at: int | None = None
    error: str = ""
    """Why the newest attempt failed; empty after a success."""
    delivered: int = 0
    """Messages since the receiver was added."""
    failures: int = 0
    """Failed attempts since then."""
    dropped: int = 0
    """Messages that were given up since then: refused as they are, too old, or too many."""
    delivered_at: int | None = None
    failed_at: int | None = None


class AlertSummary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many alerts fire, for the header of a console."""

    firing: int = 0
    """Without the silenced ones."""
    silenced: int = 0
    severity: Severity | None = None
    """The worst one of those that fire."""
    newest: str = ""
    """Summary of the worst of them that fired last."""
    failing_receivers: int = 0


class AlertList(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of `GET /api/v1/alerts`: alerts that are pending or fire, those that ended lately, and the receivers."""

    now: int
    is_configured: bool
    """Whether the service has an alerts file with rules."""
    sender: str = ""
    """The process that evaluates and sends: host and process id. Empty while none does."""
    checked_at: int | None = None
    """When the rules were evaluated last."""
    rules: int = 0
    failing_rules: dict[str, str] = msgspec.field(default_factory=dict)
    """Rules that could not be evaluated last time, with the cause."""
    alerts: list[AlertStatus]
    receivers: list[ReceiverStatus]


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Keeps messages about matching alerts back until it ends."""

    id: str
    matchers: dict[str, str]
    """Patterns by label, all of which match; `*` stands for any text. `rule`, `kind` and `severity` are labels, too."""
    created_at: int
    ends_at: int
    by: str
    """Name of the token."""
    reason: str


class SilenceResult(msgspec.Struct, frozen=True, kw_only=True):
    """A silence that was begun or ended."""

    now: int
    silence: Silence


class Silences(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of `GET /api/v1/alerts/silences`: those that have not ended, by their end."""

    now: int
    silences: list[Silence]


class SilenceRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A silence to begin now."""

    matchers: Annotated[dict[str, str], Meta(min_length=1)]
    for_ms: Annotated[int, Meta(ge=1_000, le=LONGEST_SILENCE_MS)]
    reason: Annotated[str, Meta(min_length=1, max_length=1_000)]


class DeliveryTestRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The receiver that is sent a test message."""

    receiver: Annotated[str, Meta(min_length=1, max_length=64)]


class DeliveryTest(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver answered to a test message."""

    now: int
    receiver: str
    is_delivered: bool
    status: int | None = None
    """HTTP status; `None` if no answer came."""
    took_ms: int
    answer: str = ""
    """Beginning of the answer, or why there was none."""
