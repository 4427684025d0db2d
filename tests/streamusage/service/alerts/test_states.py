"""The life of an alert: each step of it, and properties of random histories, which seeds determine."""

from collections.abc import Iterable
from random import Random

import msgspec
import pytest

from streamusage.api.alerts import Silence
from streamusage.service.alerts.rules import AlertRule, Condition, Found, alert_id
from streamusage.service.alerts.states import Advance, AlertNotice, AlertState, advance_rule, end_removed

NOW = 1_795_000_020_000
MINUTE = 60_000
RULE = AlertRule(name="rule", kind="no-viewers", for_ms=2 * MINUTE, repeat_ms=60 * MINUTE, receivers=("ops",))
SUBJECT = (("stream", "live/a"),)
ALERT = alert_id("rule", SUBJECT)
HOLDS = Found((Condition(SUBJECT, "nobody watches live/a"),))
OVER = Found()
UNKNOWN = Found((), frozenset({ALERT}))


class History:
    """The states of a rule's alerts over evaluations, as the store keeps them."""

    def __init__(self, rule: AlertRule = RULE) -> None:
        self.rule = rule
        self.states: dict[str, AlertState] = {}
        self.silences: list[Silence] = []
        self.notices: list[tuple[int, AlertNotice]] = []

    def evaluate(self, found: Found, minute: float) -> list[str]:
        """Evaluate once. Return the events of the notices."""
        now_ms = NOW + round(minute * MINUTE)
        in_force = [silence for silence in self.silences if silence.ends_at > now_ms]
        return self.apply(advance_rule(self.rule, self.states, found, in_force, now_ms), now_ms)

    def apply(self, advance: Advance, now_ms: int) -> list[str]:
        # As it is kept in the store: a process that takes over continues with this.
        for state in advance.changed:
            self.states[state.id] = msgspec.json.decode(msgspec.json.encode(state), type=AlertState)
        for key in advance.gone:
            del self.states[key]
        self.notices += [(now_ms, notice) for notice in advance.notices]
        return [notice.event for notice in advance.notices]

    def silence(self, minutes: float, at: float, **matchers: str) -> None:
        created_at = NOW + round(at * MINUTE)
        self.silences.append(
            Silence(
                id=f"silence-{len(self.silences)}",
                matchers=matchers,
                created_at=created_at,
                ends_at=created_at + round(minutes * MINUTE),
                by="boss",
                reason="work",
            )
        )


def test_alert_fires_once_its_condition_has_lasted() -> None:
    history = History()
    assert history.evaluate(HOLDS, 0) == []
    assert history.states[ALERT].phase == "pending"
    assert history.evaluate(HOLDS, 1.9) == []
    assert history.evaluate(HOLDS, 2) == ["firing"]
    assert history.evaluate(HOLDS, 3) == []
    assert history.evaluate(OVER, 4) == ["resolved"]
    assert history.states[ALERT].resolved_at == NOW + 4 * MINUTE


def test_alert_counts_from_the_start_that_the_store_knows() -> None:
    since = Found((Condition(SUBJECT, "missing", "", NOW - 10 * MINUTE),))
    history = History()
    assert history.evaluate(since, 0) == ["firing"]
    assert history.states[ALERT].since == NOW - 10 * MINUTE


def test_condition_that_ends_early_causes_nothing() -> None:
    history = History()
    history.evaluate(HOLDS, 0)
    assert history.evaluate(OVER, 1) == []
    assert not history.states
    assert history.evaluate(HOLDS, 3) == []


def test_message_is_repeated_while_the_alert_fires() -> None:
    history = History()
    events = [event for minute in range(0, 130, 2) for event in history.evaluate(HOLDS, minute)]
    assert events == ["firing", "repeat", "repeat"]


def test_alert_without_repetition_is_sent_once() -> None:
    history = History(AlertRule(name="rule", kind="no-viewers", repeat_ms=None, receivers=("ops",)))
    assert [event for minute in range(600) for event in history.evaluate(HOLDS, minute)] == ["firing"]


def test_flapping_condition_stays_one_incident_with_resolve_after() -> None:
    history = History(
        AlertRule(name="rule", kind="no-viewers", resolve_after_ms=5 * MINUTE, receivers=("ops",), repeat_ms=None)
    )
    events = [event for minute in range(60) for event in history.evaluate(HOLDS if minute % 4 else OVER, minute)]
    assert events == ["firing"]
    assert [event for minute in range(60, 70) for event in history.evaluate(OVER, minute)] == ["resolved"]


def test_next_episode_is_another_incident() -> None:
    history = History()
    for begin in (0, 10):
        history.evaluate(HOLDS, begin)
        history.evaluate(HOLDS, begin + 2)
        history.evaluate(OVER, begin + 3)
    assert [(notice.event, notice.alert.episode) for _, notice in history.notices] == [
        ("firing", NOW), ("resolved", NOW), ("firing", NOW + 10 * MINUTE), ("resolved", NOW + 10 * MINUTE),
    ]  # fmt: skip
    assert len({notice.key for _, notice in history.notices}) == 4


def test_unknown_condition_changes_nothing() -> None:
    history = History()
    history.evaluate(HOLDS, 0)
    assert history.evaluate(UNKNOWN, 30) == []
    assert history.states[ALERT].phase == "pending"
    history.evaluate(HOLDS, 31)
    assert history.evaluate(UNKNOWN, 200) == []
    assert history.states[ALERT].phase == "firing"


def test_silenced_alert_is_sent_when_the_silence_ends_and_it_still_fires() -> None:
    history = History()
    history.silence(10, 0, rule="rule")
    assert [event for minute in range(10) for event in history.evaluate(HOLDS, minute)] == []
    assert history.states[ALERT].silenced_by == "silence-0"
    assert history.evaluate(HOLDS, 10) == ["firing"]
    assert history.states[ALERT].silenced_by == ""


def test_alert_that_ends_within_a_silence_is_never_sent() -> None:
    history = History()
    history.silence(10, 0, stream="live/*")
    events = [event for minute in range(10) for event in history.evaluate(HOLDS if minute < 8 else OVER, minute)]
    assert events == []
    assert history.states[ALERT].phase == "resolved"


def test_incident_that_was_sent_before_a_silence_is_resolved_within_it() -> None:
    history = History()
    history.evaluate(HOLDS, 0)
    history.evaluate(HOLDS, 2)
    history.silence(600, 3, kind="no-*")
    assert [event for minute in range(4, 100) for event in history.evaluate(HOLDS, minute)] == []
    assert history.evaluate(OVER, 100) == ["resolved"]


def test_silence_of_other_labels_keeps_nothing_back() -> None:
    history = History()
    history.silence(600, 0, rule="rule", stream="live/b")
    history.evaluate(HOLDS, 0)
    assert history.evaluate(HOLDS, 2) == ["firing"]


def test_removed_rule_resolves_its_alerts() -> None:
    history = History()
    history.evaluate(HOLDS, 0)
    assert history.apply(end_removed(history.states, ["rule"], ["ops"], NOW), NOW) == []
    history.evaluate(HOLDS, 2)
    assert history.apply(end_removed(history.states, [], ["ops"], NOW), NOW) == ["resolved"]
    assert history.apply(end_removed(history.states, [], ["ops"], NOW), NOW) == []


def lost(*gaps: tuple[str, bool]) -> Found:
    return Found(tuple(Condition((("from", name),), "lost", "", None, is_past) for name, is_past in gaps))


def test_lost_gap_fires_for_its_time_and_never_again() -> None:
    history = History(AlertRule(name="rule", kind="gap-lost", within_ms=10 * MINUTE, receivers=("ops",)))
    gap = lost(("noon", False))
    assert history.evaluate(gap, 0) == ["firing"]
    assert [event for minute in range(1, 100) for event in history.evaluate(gap, minute)] == ["resolved"]
    assert history.states[alert_id("rule", (("from", "noon"),))].resolved_at == NOW + 10 * MINUTE


def test_new_rule_sends_nothing_about_gaps_of_the_past_but_later_ones_fire_whenever_they_were() -> None:
    history = History(AlertRule(name="rule", kind="gap-lost", within_ms=10 * MINUTE, receivers=("ops",)))
    first = advance_rule(history.rule, {}, lost(("last week", True), ("now", False)), [], NOW, is_new=True)
    assert history.apply(first, NOW) == ["firing"]
    both = lost(("last week", True), ("now", False), ("yesterday", True))
    assert history.evaluate(both, 1) == ["firing"]
    assert history.notices[-1][1].alert.labels["from"] == "yesterday"


def test_rule_without_receivers_fires_without_notices() -> None:
    history = History(AlertRule(name="rule", kind="no-viewers"))
    assert [event for minute in range(10) for event in history.evaluate(HOLDS, minute)] == []
    assert history.states[ALERT].phase == "firing"
    assert history.evaluate(OVER, 10) == []


@pytest.mark.parametrize("seed", range(200))
def test_random_history_keeps_the_promises_of_notices(seed: int) -> None:
    random = Random(seed)
    rule = AlertRule(
        name="rule",
        kind="no-viewers",
        for_ms=random.choice([0, 1, 5]) * MINUTE,
        resolve_after_ms=random.choice([0, 3]) * MINUTE,
        repeat_ms=random.choice([None, 7 * MINUTE]),
        receivers=("ops",),
    )
    history, subjects = History(rule), [(("stream", f"live/{name}"),) for name in "abc"]
    minute = 0.0
    for _ in range(150):
        minute += random.choice([0.5, 1, 2, 6])
        if random.random() < 0.05:
            history.silence(random.choice([2, 20]), minute, stream=random.choice(["live/a", "live/*"]))
        held, unknown = [], []
        for subject in subjects:
            draw = random.random()
            if draw < 0.15:
                unknown.append(alert_id("rule", subject))
            elif draw < 0.7:
                held.append(Condition(subject, "nobody watches"))
        before = len(history.notices)
        silenced = [silence for silence in history.silences if silence.ends_at > NOW + round(minute * MINUTE)]
        history.evaluate(Found(tuple(held), frozenset(unknown)), minute)
        for _, notice in history.notices[before:]:
            assert notice.alert.id not in unknown
            if notice.event != "resolved":
                assert notice.alert.labels["stream"] in [dict(condition.subject)["stream"] for condition in held]
                assert not [silence for silence in silenced if silence.matchers["stream"] in
                            (notice.alert.labels["stream"], "live/*")]  # fmt: skip
                assert notice.alert.fired_at is not None
                assert notice.alert.fired_at - notice.alert.since >= rule.for_ms
    for end in (minute + 1, minute + 10):
        history.evaluate(OVER, end)
    for subject in subjects:
        check_sequence([(at, notice) for at, notice in history.notices if notice.alert.id == alert_id("rule", subject)])
    assert all(state.phase == "resolved" for state in history.states.values())
    assert len({notice.key for _, notice in history.notices}) == len(history.notices)


def check_sequence(notices: Iterable[tuple[int, AlertNotice]]) -> None:
    """Check that each incident of an alert begins with firing and ends with resolved, in this order."""
    opened: tuple[int, int] | None = None
    for at, notice in notices:
        match notice.event:
            case "firing":
                assert opened is None
                opened = (notice.alert.episode, at)
            case "repeat":
                assert opened is not None
                assert (notice.alert.episode, at >= opened[1] + 7 * MINUTE) == (opened[0], True)
                opened = (opened[0], at)
            case "resolved":
                assert opened is not None
                assert notice.alert.episode == opened[0]
                opened = None
    assert opened is None
