"""What becomes of an alert when its rule is evaluated: pending, firing, resolved, and which notices that causes. Pure.

| phase     | condition                      | next phase | notice                                             |
|-----------|--------------------------------|------------|----------------------------------------------------|
| none      | holds, shorter than `for`      | pending    |                                                    |
| none      | holds, as long as `for`        | firing     | firing                                             |
| pending   | holds, as long as `for`        | firing     | firing                                             |
| pending   | is over                        | none       |                                                    |
| firing    | holds                          | firing     | repeat, `repeat` after the last one                |
| firing    | is over, as long as `resolve_after` | resolved | resolved, if this episode was notified           |
| resolved  | holds                          | as none    | of the next episode                                |
| any       | is unknown                     | same       |                                                    |
| firing    | holds for ever, as a lost gap  | resolved   | resolved, `within` after it fired; never again     |

A silence keeps firing and repeat back, not resolved: an incident that a receiver has opened must end there. An alert
that still fires when its silence ends is notified then. A rule that is removed resolves its alerts.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from streamusage.api.alerts import AlertEvent, AlertStatus, Silence
from streamusage.service.alerts.patterns import matches_labels
from streamusage.service.alerts.rules import AlertRule, Condition, Found, alert_id

RULE_REMOVED = "The rule was removed from the alerts file."


class AlertState(AlertStatus, frozen=True, kw_only=True, omit_defaults=True):
    """An alert as it is kept in the store: what the API lists, and what decides about notices."""

    absent_since: int | None = None
    """Since when the condition of a firing alert is over, until it is resolved."""
    notices: int = 0
    """Notices of this episode by now."""
    notified: tuple[str, ...] = ()
    """Receivers that were sent that it fires; they are sent its resolution."""

    def status(self) -> AlertStatus:
        """Return what the API lists of it."""
        return AlertStatus(**{name: getattr(self, name) for name in AlertStatus.__struct_fields__})


class AlertNotice(NamedTuple):
    """One alert that these receivers are to be sent."""

    event: AlertEvent
    alert: AlertState
    receivers: tuple[str, ...]

    @property
    def key(self) -> str:
        """What identifies the notice: the same one has the same key, whichever process finds it."""
        return f"{self.alert.id}:{self.alert.episode}:{self.event}:{self.alert.notices}"


class Advance(NamedTuple):
    """The result of an evaluation."""

    changed: tuple[AlertState, ...] = ()
    gone: tuple[str, ...] = ()
    """Ids of pending alerts whose condition is over."""
    notices: tuple[AlertNotice, ...] = ()


def advance_rule(
    rule: AlertRule,
    known: Mapping[str, AlertState],
    found: Found,
    silences: Iterable[Silence],
    now_ms: int,
    is_new: bool = False,
) -> Advance:
    """Return what becomes of a rule's alerts. `known` are all alerts of the rule by id, `silences` those in force.

    A rule that is evaluated for the first time (`is_new`) notes what is past, and sends nothing about it.
    """
    in_force = list(silences)
    changed, gone, notices = list[AlertState](), list[str](), list[AlertNotice]()
    conditions = {alert_id(rule.name, condition.subject): condition for condition in found.conditions}
    for key in [*conditions, *(key for key in known if key not in conditions)]:
        if key in found.unknown:
            continue
        before, condition = known.get(key), conditions.get(key)
        after, notice = _advance(rule, key, before, condition, in_force, now_ms)
        if is_new and before is None and after is not None and condition is not None and condition.is_past:
            after, notice = _resolve(msgspec.structs.replace(after, fired_at=None), now_ms), None
        if after is None:
            if before is not None:
                gone.append(key)
        elif after != before:
            changed.append(after)
        if notice is not None:
            notices.append(notice)
    return Advance(tuple(changed), tuple(gone), tuple(notices))


def end_removed(
    known: Mapping[str, AlertState], rules: Collection[str], receivers: Collection[str], now_ms: int
) -> Advance:
    """Return what becomes of alerts whose rule is not configured any more: those that fire are resolved."""
    changed, gone, notices = list[AlertState](), list[str](), list[AlertNotice]()
    for key, state in known.items():
        if state.rule in rules:
            continue
        if state.phase == "pending":
            gone.append(key)
        elif state.phase == "firing":
            after = msgspec.structs.replace(_resolve(state, now_ms), description=RULE_REMOVED)
            changed.append(after)
            reached = tuple(name for name in state.notified if name in receivers)
            if reached:
                notices.append(AlertNotice("resolved", after, reached))
    return Advance(tuple(changed), tuple(gone), tuple(notices))


def join(advances: Sequence[Advance]) -> Advance:
    """Return the results of several rules together."""
    return Advance(
        tuple(state for advance in advances for state in advance.changed),
        tuple(key for advance in advances for key in advance.gone),
        tuple(notice for advance in advances for notice in advance.notices),
    )


def with_silence(alert: AlertStatus, in_force: Sequence[Silence]) -> AlertStatus:
    """Return an alert as silences make it now. What is kept of it has the silence of the newest evaluation."""
    silence = _find_silence(alert, in_force) if alert.phase == "firing" else None
    return msgspec.structs.replace(alert, silenced_by="" if silence is None else silence.id)


def _find_silence(alert: AlertStatus, in_force: Sequence[Silence]) -> Silence | None:
    labels = labels_of(alert)
    return next((silence for silence in in_force if matches_labels(silence.matchers, labels)), None)


def labels_of(state: AlertStatus) -> dict[str, str]:
    """Return all labels of an alert, for the matchers of silences."""
    return {**state.labels, "rule": state.rule, "kind": state.kind, "severity": state.severity}


def _advance(
    rule: AlertRule,
    key: str,
    before: AlertState | None,
    condition: Condition | None,
    silences: Sequence[Silence],
    now_ms: int,
) -> tuple[AlertState | None, AlertNotice | None]:
    if condition is None:
        return _after_condition(rule, before, now_ms)
    if rule.within_ms is not None and before is not None and before.phase != "pending":
        if before.phase == "resolved":
            return before, None
        if before.fired_at is not None and now_ms - before.fired_at >= rule.within_ms:
            return _end(before, now_ms)
    is_new = before is None or before.phase == "resolved"
    episode = now_ms if is_new or before is None else before.episode
    since_ms = condition.since_ms if condition.since_ms is not None else episode
    state = AlertState(
        id=key,
        episode=episode,
        rule=rule.name,
        kind=rule.kind,
        severity=rule.severity,
        phase="pending",
        labels={**rule.labels, **dict(condition.subject)},
        summary=condition.summary,
        description=condition.description,
        since=since_ms,
    )
    if before is not None and not is_new:
        kept = ("phase", "fired_at", "notified_at", "notices", "notified")
        state = msgspec.structs.replace(state, **{name: getattr(before, name) for name in kept})
    if state.phase == "pending" and now_ms - since_ms >= rule.for_ms:
        state = msgspec.structs.replace(state, phase="firing", fired_at=now_ms)
    if state.phase == "pending":
        return state, None
    if (silence := _find_silence(state, silences)) is not None:
        return msgspec.structs.replace(state, silenced_by=silence.id), None
    return _notify(rule, state, now_ms)


def _after_condition(
    rule: AlertRule, before: AlertState | None, now_ms: int
) -> tuple[AlertState | None, AlertNotice | None]:
    if before is None or before.phase == "pending":
        return None, None
    if before.phase == "resolved":
        return before, None
    absent_since = now_ms if before.absent_since is None else before.absent_since
    if now_ms - absent_since < rule.resolve_after_ms:
        return msgspec.structs.replace(before, absent_since=absent_since), None
    return _end(before, now_ms)


def _end(before: AlertState, now_ms: int) -> tuple[AlertState, AlertNotice | None]:
    after = _resolve(before, now_ms)
    return after, AlertNotice("resolved", after, before.notified) if before.notified else None


def _notify(rule: AlertRule, state: AlertState, now_ms: int) -> tuple[AlertState, AlertNotice | None]:
    if state.notified_at is None:
        event: AlertEvent = "firing"
    elif rule.repeat_ms is not None and now_ms - state.notified_at >= rule.repeat_ms:
        event = "repeat"
    else:
        return state, None
    if not rule.receivers:
        return state, None
    notified = tuple(dict.fromkeys((*state.notified, *rule.receivers)))
    after = msgspec.structs.replace(state, notified_at=now_ms, notices=state.notices + 1, notified=notified)
    return after, AlertNotice(event, after, rule.receivers)


def _resolve(state: AlertState, now_ms: int) -> AlertState:
    return msgspec.structs.replace(
        state, phase="resolved", resolved_at=now_ms, absent_since=None, silenced_by="", notices=state.notices + 1
    )
