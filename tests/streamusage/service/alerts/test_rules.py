"""Which conditions each kind of rule finds in an estate."""

import pytest

from streamusage.api.alerts import RuleKind
from streamusage.service.alerts.estate import (
    DoubtfulClock,
    LostGap,
    OpenDay,
    OpenDisagreement,
    WatchedEstate,
    WatchedServer,
    WatchedStream,
)
from streamusage.service.alerts.rules import AlertRule, Found, alert_id, find_conditions

NOW = 1_795_000_020_000
HOUR = 3_600_000
ESTATE = WatchedEstate(
    now_ms=NOW,
    servers=(
        WatchedServer("edge-1", None, NOW),
        WatchedServer("edge-2", NOW - HOUR, NOW - HOUR, "no answer from http://user:s3cret@host/stat\x1b[2J"),
        WatchedServer("origin-1", NOW - HOUR, NOW - HOUR),
    ),
    lost=(
        LostGap("edge-1", NOW - 9 * HOUR, NOW - 8 * HOUR, "the media server restarted"),
        LostGap("edge-1", NOW - 99 * HOUR, NOW - 98 * HOUR, "the media server restarted"),
    ),
    days=(
        OpenDay("UTC", "2026-11-17", NOW - 9 * HOUR, ("edge-2", "origin-1")),
        OpenDay("Europe/Berlin", "2026-11-17", NOW - 10 * HOUR, ()),
    ),
    disagreements=(OpenDisagreement("counters-log", "edge-1", "", NOW, "viewers 12, log 9"),),
    streams=(
        WatchedStream("live/watched", ("edge-1",), (), 7),
        WatchedStream("live/empty", ("edge-1", "edge-2"), (), 0),
        WatchedStream("live/unseen", ("edge-1",), ("edge-2",), 0),
        WatchedStream("live/gone", (), ("edge-2",), 0),
    ),
    clocks=(DoubtfulClock("host", NOW - HOUR, "the clock of the service is in doubt: it stepped"),),
    store_faults=("it is damaged",),
    store="sqlite:////usage.db",
)


def found(kind: RuleKind, **options: object) -> Found:
    return find_conditions(AlertRule(name="rule", kind=kind, **options), ESTATE)  # type: ignore[arg-type]


def subjects(result: Found) -> list[dict[str, str]]:
    return [dict(condition.subject) for condition in result.conditions]


def test_missing_servers_by_pattern() -> None:
    assert subjects(found("server-missing")) == [{"server": "edge-2"}, {"server": "origin-1"}]
    assert subjects(found("server-missing", servers=("edge-*",))) == [{"server": "edge-2"}]


def test_missing_time_counts_from_the_first_overdue_figure() -> None:
    assert [condition.since_ms for condition in found("server-missing").conditions] == [NOW - HOUR] * 2


def test_text_from_outside_is_printable_and_without_secrets() -> None:
    condition = found("server-missing").conditions[0]
    assert "\x1b" not in condition.description
    assert "s3cret" not in condition.description


def test_lost_gaps_that_ended_before_the_time_of_the_rule_are_past() -> None:
    assert [condition.is_past for condition in found("gap-lost", within_ms=24 * HOUR).conditions] == [False, True]
    assert not found("gap-lost", servers=("edge-2",), within_ms=24 * HOUR).conditions


def test_open_days_by_zone_name_the_servers_that_owe() -> None:
    utc, berlin = found("day-not-final").conditions
    assert "edge-2, origin-1" in utc.description
    assert "No server owes" in berlin.description
    assert subjects(found("day-not-final", zones=("UTC",))) == [{"day": "2026-11-17", "zone": "UTC"}]


def test_store_and_clock_name_their_faults() -> None:
    assert "it is damaged" in found("store").conditions[0].description
    assert "it stepped" in found("clock").conditions[0].description


def test_disagreements_by_kind_and_server() -> None:
    assert subjects(found("disagreement")) == [{"comparison": "counters-log", "server": "edge-1"}]
    assert not found("disagreement", comparisons=("origin-edges",)).conditions
    assert not found("disagreement", servers=("edge-2",)).conditions


def test_stream_without_viewers_is_unknown_while_a_server_of_it_is_unseen() -> None:
    result = found("no-viewers", streams=("live/*",))
    assert subjects(result) == [{"stream": "live/empty"}]
    assert result.unknown == {alert_id("rule", [("stream", name)]) for name in ("live/unseen", "live/gone")}


def test_stream_without_publisher_is_unknown_while_its_only_server_is_unseen() -> None:
    result = found("no-publisher", streams=("live/watched", "live/gone", "live/never"))
    assert subjects(result) == [{"stream": "live/never"}]
    assert result.unknown == {alert_id("rule", [("stream", "live/gone")])}


def test_id_of_an_alert_depends_on_rule_and_subject_only() -> None:
    assert alert_id("rule", [("b", "1"), ("a", "2")]) == alert_id("rule", [("a", "2"), ("b", "1")])
    assert len({alert_id("rule", [("a", "1")]), alert_id("rule2", [("a", "1")]), alert_id("rule", [("a", "2")])}) == 3


@pytest.mark.parametrize("kind", ["server-missing", "gap-lost", "day-not-final", "store", "clock", "disagreement"])
def test_healthy_estate_has_no_conditions(kind: RuleKind) -> None:
    assert find_conditions(AlertRule(name="rule", kind=kind), WatchedEstate(now_ms=NOW)) == Found()
