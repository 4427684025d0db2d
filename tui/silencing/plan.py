"""What a silence keeps back, and what ending one sends, as the dialogs show it. Pure."""

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import NamedTuple

from streamusage.api.alerts import AlertStatus, Silence
from streamusage.core.durations import DurationError, parse_duration_ms
from tui.model import formats
from tui.model.alert_list import format_matchers
from tui.model.text import sanitize

DEFAULT_LENGTH = "2h"
SHORTEST, LONGEST = "1s", "366d"
LONGEST_REASON = 1_000
_MOST_MATCHERS = 16
_OF_EACH_ALERT = ("rule", "kind", "severity")


class WrongLengthError(ValueError):
    """A text is no length of a silence. The text of the error says why."""


class SilenceRequested(NamedTuple):
    """What was typed into the dialog."""

    for_ms: int
    reason: str


class SilencePlan(NamedTuple):
    """An alert to silence at a service. The texts are safe to draw."""

    place: str
    """Profile and address of the service."""
    alert: AlertStatus
    matchers: Mapping[str, str]

    @property
    def title(self) -> str:
        """The question of the dialog."""
        return f"Silence this alert at {sanitize(self.place)}?"

    @property
    def subject(self) -> str:
        """The matchers."""
        return sanitize(format_matchers(self.matchers))

    def lines(self, now_ms: int, tz: tzinfo | None) -> list[str]:
        """Return what is silenced, and what that means."""
        alert = self.alert
        lines = [sanitize(alert.summary), self.subject, ""]
        if alert.silenced_by:
            lines.append(f"The silence {sanitize(alert.silenced_by)} keeps it back already.")
        if alert.phase == "resolved":
            return [*lines, "It has ended. If it fires again, it is kept back until the silence ends."]
        if alert.notified_at is not None and alert.phase == "firing":
            sent_at = formats.moment(alert.notified_at, now_ms, tz)
            return [*lines, f"It was sent at {sent_at}: repeats are kept back, the message of its end is not."]
        return [*lines, "It stays listed. If it still fires when the silence ends, it is sent then."]


class EndPlan(NamedTuple):
    """A silence to end at a service. The texts are safe to draw."""

    place: str
    silence: Silence
    firing: Sequence[AlertStatus]
    """The alerts that fire and are kept back by it."""

    @property
    def title(self) -> str:
        """The question of the dialog."""
        return f"End the silence {sanitize(self.silence.id)} at {sanitize(self.place)}?"

    @property
    def subject(self) -> str:
        """The silence, by its matchers."""
        return sanitize(format_matchers(self.silence.matchers))

    def lines(self, now_ms: int, tz: tzinfo | None) -> list[str]:
        """Return what is kept back until when, by whom and why, and what is sent."""
        silence = self.silence
        ends = f"It ends by itself at {formats.moment(silence.ends_at, now_ms, tz)}"
        left = formats.age(max(0, silence.ends_at - now_ms))
        lines = [
            self.subject,
            f"{sanitize(silence.by)}: {sanitize(silence.reason)}",
            "",
            f"{ends}, in {left}.",
        ]
        if not self.firing:
            return [*lines, "No alert that fires is kept back by it now."]
        for alerts, then in ((self.unsent, "sent to its receivers then"), (self.sent, "was sent before")):
            if alerts:
                more = f", and {len(alerts) - 1} more" if len(alerts) > 1 else ""
                lines.append(f"Still fires, {then}: {sanitize(alerts[0].summary)}{more}.")
        return lines

    @property
    def unsent(self) -> list[AlertStatus]:
        """Those that no receiver was sent yet."""
        return [alert for alert in self.firing if alert.notified_at is None]

    @property
    def sent(self) -> list[AlertStatus]:
        """Those that were sent before the silence: they are repeated as their rule says."""
        return [alert for alert in self.firing if alert.notified_at is not None]


def matchers_of(alert: AlertStatus) -> dict[str, str]:
    """Return the matchers of this alert and no other one: its rule and its own labels."""
    labels = {name: value for name, value in alert.labels.items() if name not in _OF_EACH_ALERT}
    # The labels of the rule's configuration come first, and are those of all of its alerts.
    own = list(labels.items())[-(_MOST_MATCHERS - 1) :]
    return {"rule": alert.rule, **dict(own)}


def parse_length(typed: str) -> int:
    """Return the milliseconds of a silence. Raises `WrongLengthError`."""
    if not typed.strip():
        raise WrongLengthError("For how long? Such as 30m, 2h or 1d.")
    try:
        return parse_duration_ms(typed, shortest=SHORTEST, longest=LONGEST)
    except DurationError as error:
        raise WrongLengthError(f"{sanitize(str(error))}.") from None


def check_reason(typed: str) -> str:
    """Return why a reason is refused; empty for one that is not."""
    if not typed.strip():
        return "Why? Others who see the silence need the reason."
    if len(typed.strip()) > LONGEST_REASON:
        return f"The reason is too long: at most {LONGEST_REASON:,} characters."
    return ""
