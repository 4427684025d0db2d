"""Which conditions hold in an estate, by the rules of the alerts file. Pure.

| kind             | one alert for each        | its condition                                                    |
|------------------|---------------------------|------------------------------------------------------------------|
| `server-missing` | server                    | its figures are overdue                                          |
| `gap-lost`       | lost gap                  | time is lost; it fires for `within` after it was found           |
| `day-not-final`  | account zone and day      | the day is over and not final                                    |
| `store`          | store                     | it is damaged, replaced or not reached                           |
| `clock`          | machine of the service    | its clock is in doubt                                            |
| `disagreement`   | figures that are compared | their newest hour disagrees                                      |
| `no-viewers`     | stream on air             | nobody watches it at the servers that are seen                   |
| `no-publisher`   | named stream              | no server that is seen carries it                                |

A stream of a server that is missing is *unknown*: its alerts stay as they are.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from streamusage.api.alerts import RuleKind, Severity
from streamusage.core.instants import format_utc
from streamusage.core.text import remove_secrets, shorten_line
from streamusage.service.alerts.estate import WatchedEstate
from streamusage.service.alerts.patterns import matches_any

WITHOUT_CLOCK: tuple[RuleKind, ...] = ("store", "clock")
"""Rules that are evaluated while the clock is in doubt: they do not depend on it."""
_NAMED = 5
"""Most servers that a text names."""


@dataclass(frozen=True, kw_only=True)
class AlertRule:
    """A rule of the alerts file."""

    name: str
    kind: RuleKind
    severity: Severity = "warning"
    for_ms: int = 0
    """How long the condition must last before the alert fires."""
    resolve_after_ms: int = 0
    """How long it must be over before the alert is resolved."""
    repeat_ms: int | None = None
    """After which time a message is repeated while the alert fires; `None` for never."""
    within_ms: int | None = None
    """For `gap-lost`: how long a gap fires, which never ends by itself. `None` for conditions that end."""
    servers: tuple[str, ...] = ("*",)
    """Patterns of the servers that it is about."""
    streams: tuple[str, ...] = ()
    """Streams that matter: patterns for `no-viewers`, names for `no-publisher`."""
    zones: tuple[str, ...] = ("*",)
    comparisons: tuple[str, ...] = ("*",)
    """Patterns of the kinds of disagreements."""
    labels: Mapping[str, str] = field(default_factory=dict)
    receivers: tuple[str, ...] = ()


class Condition(NamedTuple):
    """A condition that holds."""

    subject: tuple[tuple[str, str], ...]
    """Labels that identify what the condition is about, by name."""
    summary: str
    description: str = ""
    since_ms: int | None = None
    """When it began, where that is known from the store; else it began when it was found."""
    is_past: bool = False
    """For `gap-lost`: its time ended before `within`. A rule that is new leaves it out."""


class Found(NamedTuple):
    """The result of one rule."""

    conditions: tuple[Condition, ...] = ()
    unknown: frozenset[str] = frozenset()
    """Ids of alerts of which nobody knows at present whether their condition holds."""


def alert_id(rule: str, subject: Iterable[tuple[str, str]]) -> str:
    """Return the id of a rule's alert about a subject."""
    return blake2b(msgspec.json.encode([rule, sorted(subject)]), digest_size=10).hexdigest()


def find_conditions(rule: AlertRule, estate: WatchedEstate) -> Found:
    """Return the conditions of a rule that hold in the estate."""
    return _RULES[rule.kind](rule, estate)


def _server_missing(rule: AlertRule, estate: WatchedEstate) -> Found:
    found = []
    for server in estate.servers:
        if server.missing_since is None or not matches_any(rule.servers, server.name):
            continue
        if server.source_error:
            why = f"its agent cannot read the media server: {_outside(server.source_error)}"
        elif server.is_refused:
            why = "its reports are refused because they cover time after the service's time; correct its clock"
        elif server.last_sync_at is None:
            why = "it never reported"
        else:
            why = f"its agent reported last at {format_utc(server.last_sync_at)}"
        found.append(
            Condition(
                (("server", server.name),),
                f"{_outside(server.name)} is missing since {format_utc(server.missing_since)}",
                f"{why}. The agent keeps its figures and sends them when it can.",
                server.missing_since,
            )
        )
    return Found(tuple(found))


def _gap_lost(rule: AlertRule, estate: WatchedEstate) -> Found:
    found = []
    for gap in estate.lost:
        if not matches_any(rule.servers, gap.server):
            continue
        found.append(
            Condition(
                (("from", format_utc(gap.from_ms)), ("server", gap.server)),
                f"{_outside(gap.server)} lost {_length(gap.to_ms - gap.from_ms)} of figures from "
                f"{format_utc(gap.from_ms)} on",
                f"{_outside(gap.reason)}. What was counted before and after is kept; the gap stays lost.",
                None,
                gap.to_ms + (rule.within_ms or 0) <= estate.now_ms,
            )
        )
    return Found(tuple(found))


def _day_not_final(rule: AlertRule, estate: WatchedEstate) -> Found:
    found = []
    for day in estate.days:
        if not matches_any(rule.zones, day.zone):
            continue
        owing = ", ".join(map(_outside, day.owing[:_NAMED])) + (
            f" and {len(day.owing) - _NAMED} more" if len(day.owing) > _NAMED else ""
        )
        found.append(
            Condition(
                (("day", day.day), ("zone", day.zone)),
                f"{day.day} of {day.zone} is not final; it ended at {format_utc(day.ended_at)}",
                f"It waits for {owing}. streamtop daily close {day.day} closes it with what is stored."
                if owing
                else "No server owes figures of it: it is closed when the service has caught up.",
                day.ended_at,
            )
        )
    return Found(tuple(found))


def _store(_rule: AlertRule, estate: WatchedEstate) -> Found:
    if not estate.store_faults:
        return Found()
    faults = "; ".join(map(_outside, estate.store_faults))
    return Found((Condition((("store", estate.store),), f"the store {estate.store} cannot be used", faults),))


def _clock(_rule: AlertRule, estate: WatchedEstate) -> Found:
    return Found(
        tuple(
            Condition(
                (("machine", clock.machine),),
                "the clock of the service is in doubt",
                f"{clock.text}. Reports are accepted; nothing is closed, discarded, exported or signed. Correct the "
                "machine's clock, or accept it: streamtop store accept-time",
                clock.since_ms,
            )
            for clock in estate.clocks
        )
    )


def _disagreement(rule: AlertRule, estate: WatchedEstate) -> Found:
    found = []
    for row in estate.disagreements:
        if not matches_any(rule.comparisons, row.kind) or not matches_any(rule.servers, row.server):
            continue
        subject = [("comparison", row.kind), ("server", row.server)]
        if row.stream:
            subject.append(("stream", row.stream))
        found.append(
            Condition(
                tuple(subject),
                f"figures of {_outside(row.server)} disagree ({row.kind})",
                f"{row.text}. At least one of them is wrong: streamtop disagreements",
                row.found_at,
            )
        )
    return Found(tuple(found))


def _no_viewers(rule: AlertRule, estate: WatchedEstate) -> Found:
    found, unknown = [], set()
    for stream in estate.streams:
        if not matches_any(rule.streams, stream.name):
            continue
        subject = (("stream", stream.name),)
        if stream.unseen:
            unknown.add(alert_id(rule.name, subject))
        elif not stream.viewers:
            carried = ", ".join(map(_outside, stream.servers[:_NAMED]))
            found.append(Condition(subject, f"nobody watches {_outside(stream.name)}", f"It is on air at {carried}."))
    return Found(tuple(found), frozenset(unknown))


def _no_publisher(rule: AlertRule, estate: WatchedEstate) -> Found:
    on_air = {stream.name: stream for stream in estate.streams}
    found, unknown = [], set()
    for name in rule.streams:
        subject = (("stream", name),)
        stream = on_air.get(name)
        if stream is None:
            found.append(
                Condition(
                    subject,
                    f"nobody publishes {_outside(name)}",
                    "No server that reports carries it. Check the encoder, and the server that it sends to.",
                )
            )
        elif not stream.servers:
            unknown.add(alert_id(rule.name, subject))
    return Found(tuple(found), frozenset(unknown))


def _outside(text: str) -> str:
    return shorten_line(remove_secrets(text))


def _length(length_ms: int) -> str:
    minutes = -(-length_ms // 60_000)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


_RULES: Mapping[RuleKind, Callable[[AlertRule, WatchedEstate], Found]] = {
    "server-missing": _server_missing,
    "gap-lost": _gap_lost,
    "day-not-final": _day_not_final,
    "store": _store,
    "clock": _clock,
    "disagreement": _disagreement,
    "no-viewers": _no_viewers,
    "no-publisher": _no_publisher,
}
