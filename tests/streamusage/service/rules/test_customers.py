"""Rules of customers: which stream is whose on which day, and which rules contradict each other."""

from datetime import date
from itertools import combinations
from random import Random

import pytest

from streamusage.core.usage import StreamId
from streamusage.service.rules.customers import NO_CUSTOMERS, CustomerRuleError, CustomerRules, DatedRule

DAY = date(2026, 11, 20)


def rule(name: str, *streams: str, scopes: tuple[str, ...] = (), first: str = "", last: str = "") -> DatedRule:
    first_day = date.fromisoformat(first) if first else None
    last_day = date.fromisoformat(last) if last else None
    return DatedRule(name=name, scopes=scopes, streams=streams, first_day=first_day, last_day=last_day)


@pytest.mark.parametrize(
    ("stream", "customer"),
    [
        (("acme", "anything"), "Acme"),
        (("acme/eu", "anything"), None),
        (("shops/eu", "x"), "Shops"),
        (("shops", "x"), None),
        (("live", "acme-1"), "Acme"),
        (("live", "acme"), None),
        (("live", "a/b"), "Slash"),
        (("live/a", "b"), None),
        (("live", "s*"), "Star"),
        (("live", "sx"), None),
        (("live", "50%"), "Percent"),
    ],
)
def test_stream_belongs_to_the_customer_whose_rule_names_it(stream: tuple[str, str], customer: str | None) -> None:
    rules = CustomerRules(
        [
            rule("Acme", "live/acme-*", scopes=("acme",)),
            rule("Shops", scopes=("shops/*",)),
            rule("Slash", "live/a%2Fb"),
            rule("Star", "live/s%2A"),
            rule("Percent", "live/50%25"),
        ]
    )
    assert rules.of_day(DAY).customer_of(StreamId(*stream)) == customer


def test_rule_applies_from_its_first_to_its_last_day() -> None:
    rules = CustomerRules([rule("Acme", "live/a", first="2026-11-10", last="2026-11-20"), rule("Beta", "live/b")])
    stream = StreamId("live", "a")
    found = {day: rules.of_day(date(2026, 11, day)).customer_of(stream) for day in (9, 10, 20, 21)}
    assert found == {9: None, 10: "Acme", 20: "Acme", 21: None}
    assert len(rules) == 2


def test_stream_may_change_its_customer_from_one_day_to_the_next() -> None:
    rules = CustomerRules([rule("Acme", "live/a", last="2026-11-19"), rule("Beta", "live/a", first="2026-11-20")])
    found = [rules.of_day(date(2026, 11, day)).customer_of(StreamId("live", "a")) for day in (19, 20)]
    assert found == ["Acme", "Beta"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (rule("A", "live/a"), rule("B", "live/a")),
        (rule("A", "live/a"), rule("B", scopes=("live",))),
        (rule("A", "live/a*"), rule("B", "live/abc")),
        (rule("A", "live/a*"), rule("B", "live/ab*")),
        (rule("A", scopes=("live*",)), rule("B", "live/a")),
        (rule("A", scopes=("li*",)), rule("B", scopes=("live*",))),
        (rule("A", "live/a%2Fb"), rule("B", "live/a*")),
        (rule("A", "live/a", last="2026-11-20"), rule("B", "live/a", first="2026-11-20")),
    ],
)
def test_overlapping_rules_are_refused_with_both_names(one: DatedRule, other: DatedRule) -> None:
    for rules in ([one, other], [other, one]):
        with pytest.raises(CustomerRuleError) as refused:
            CustomerRules(rules)
        assert " of A " in str(refused.value)
        assert " of B can be the same stream" in str(refused.value) or " of B and " in str(refused.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (rule("A", "live/a"), rule("B", "live/b")),
        (rule("A", "live/a"), rule("B", "live/ab")),
        (rule("A", "live/a*"), rule("B", "live/b*")),
        (rule("A", "live/a"), rule("B", "other/a")),
        (rule("A", "live/a%2Fb"), rule("B", "live/a/b")),
        (rule("A", "live/a"), rule("A", "live/a", scopes=("live",))),
        (rule("A", "live/a", last="2026-11-19"), rule("B", "live/a", first="2026-11-20")),
    ],
)
def test_rules_that_share_no_stream_on_any_day_are_accepted(one: DatedRule, other: DatedRule) -> None:
    CustomerRules([one, other])


@pytest.mark.parametrize(
    ("last", "first", "days"),
    [
        ("", "", "on every day"),
        ("", "2026-11-20", "from 2026-11-20 on"),
        ("2026-11-25", "2026-11-20", "from 2026-11-20 to 2026-11-25"),
        ("2026-11-25", "", "up to 2026-11-25"),
    ],
)
def test_refusal_names_the_days_of_the_overlap(last: str, first: str, days: str) -> None:
    with pytest.raises(CustomerRuleError, match=f"{days}:"):
        CustomerRules([rule("A", "live/a", last=last), rule("B", "live/a", first=first)])


@pytest.mark.parametrize("text", ["live", "live/", "/a", ""])
def test_stream_without_scope_or_name_is_refused(text: str) -> None:
    with pytest.raises(CustomerRuleError, match="is no stream"):
        CustomerRules([rule("A", text)])


def test_hash_depends_on_what_applies_to_the_day_and_on_nothing_else() -> None:
    one = CustomerRules([rule("B", "live/b", "live/a"), rule("A", "x/a", first="2026-11-01")])
    same = CustomerRules(
        [rule("A", "x/a"), rule("B", "live/a"), rule("B", "live/b"), rule("C", "y/y", last="2026-01-01")]
    )
    assert one.of_day(DAY).hash == same.of_day(DAY).hash
    assert one.of_day(DAY).rules == same.of_day(DAY).rules
    assert one.of_day(date(2026, 10, 1)).hash != one.of_day(DAY).hash
    assert not NO_CUSTOMERS.of_day(DAY)


def test_thousands_of_rules_are_read_and_the_one_that_overlaps_is_found() -> None:
    rules = [rule(f"C{number}", *(f"live/c{number}-{stream}" for stream in range(10))) for number in range(1_000)]
    rules += [rule(f"P{number}", f"live/p{number:04}-*") for number in range(1_000)]
    of_day = CustomerRules(rules).of_day(DAY)
    assert of_day.customer_of(StreamId("live", "p0500-x")) == "P500"
    with pytest.raises(CustomerRuleError, match="'live/p0500-x' of X"):
        CustomerRules([*rules, rule("X", "live/p0500-x")])


def test_accepted_rules_give_every_stream_one_customer_at_most() -> None:
    """Random rules: those that are accepted agree with a search through all of them, in whatever order."""
    random = Random(7)
    names, scopes = ("a", "ab", "abc", "b", "ba"), ("x", "xy", "y")
    accepted = 0
    for _ in range(1_000):
        rules = [
            rule(customer, f"{random.choice(scopes)}/{random.choice(names)}{random.choice(('', '*'))}")
            if random.random() < 0.8
            else rule(customer, scopes=(random.choice(scopes) + random.choice(("", "*")),))
            for customer in random.choices("ABC", k=3)
        ]
        streams = [StreamId(scope, name) for scope in scopes for name in names]
        owners = {
            stream: {one.name for one in rules for _, own in one.patterns() if own.matches(stream)}
            for stream in streams
        }
        try:
            of_day = CustomerRules(rules).of_day(DAY)
        except CustomerRuleError:
            assert any(
                one.overlaps(other)
                for rule_one, rule_other in combinations(rules, 2)
                for _, one in rule_one.patterns()
                for _, other in rule_other.patterns()
                if rule_one.name != rule_other.name
            ), rules
            continue
        accepted += 1
        assert all(len(found) <= 1 for found in owners.values()), rules
        assert {stream: of_day.customer_of(stream) for stream in streams} == {
            stream: next(iter(found), None) for stream, found in owners.items()
        }
    assert accepted > 50
