"""`streamusage.agent.sources.common.ignored`: who is left out of the figures of viewers."""

from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from streamusage.agent.sources.common.ignored import (
    MOST_RULES,
    NOTHING_IGNORED,
    IgnoreRuleError,
    IgnoreRules,
    IgnoreSetting,
)


@pytest.mark.parametrize(
    ("rule", "address", "matches"),
    [
        ("192.0.2.10", "192.0.2.10", True),
        ("192.0.2.10", "192.0.2.100", False),
        ("192.0.2.10", "192.0.2.10:51234", True),
        ("192.0.2.10", "::ffff:192.0.2.10", True),
        ("::ffff:192.0.2.10", "192.0.2.10", True),
        ("::ffff:192.0.2.0/120", "192.0.2.7", True),
        ("10.0.0.0/8", "10.200.3.4", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.1.2.3/8", "10.200.3.4", True),
        ("2001:db8::/32", "2001:db8::1", True),
        ("2001:db8::/32", "[2001:db8::1]:443", True),
        ("2001:db8::/32", "2001:db9::1", False),
        ("fe80::1", "fe80::1%eth0", True),
        ("::1", "127.0.0.1", False),
        ("127.0.0.0/8", "unix:", False),
        ("127.0.0.0/8", "localhost", False),
        ("127.0.0.0/8", "", False),
        ("127.0.0.0/8", "rtmp://127.0.0.1/live", False),
    ],
)
def test_address(rule: str, address: str, matches: bool) -> None:
    assert IgnoreRules([rule]).matches(address) is matches


@pytest.mark.parametrize(
    ("rule", "agent", "matches"),
    [
        ("agent:UptimeRobot", "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", True),
        ("agent:uptimerobot", "UptimeRobot/2.0", True),
        ("AGENT: kube-probe", "kube-probe/1.29", True),
        ("agent:curl*ping", "curl/8.1 my-ping", True),
        ("agent:curl*ping", "ping curl/8.1", False),
        ("agent:a.c", "abc", False),
        ("agent:(x", "LNX (x", True),
        ("agent:vlc", "", False),
    ],
)
def test_agent(rule: str, agent: str, matches: bool) -> None:
    assert IgnoreRules([rule]).matches("192.0.2.1", agent) is matches


def test_found_rule_is_the_text_of_the_setting() -> None:
    rules = IgnoreRules(["agent:probe", "10.0.0.0/8"])
    assert rules.find_rule("10.1.1.1", "probe") == "10.0.0.0/8"
    assert rules.find_rule("192.0.2.1", "a Probe") == "agent:probe"
    assert rules.find_rule("192.0.2.1", "player") == ""
    assert rules.has_agents
    assert not IgnoreRules(["::1"]).has_agents


def test_without_rules_nothing_matches() -> None:
    assert not NOTHING_IGNORED
    assert not NOTHING_IGNORED.matches("127.0.0.1", "anything")


@pytest.mark.parametrize(
    "rule", ["", "10.0.0.", "10.0.0.0/33", "monitor.example.com", "kube-probe", "10.0.0.1-10.0.0.9"]
)
def test_rule_that_is_no_address_is_refused(rule: str) -> None:
    with pytest.raises(IgnoreRuleError, match="is no rule"):
        IgnoreRules([rule])


@pytest.mark.parametrize("rule", ["agent:", "agent: ", "agent:*", "agent:**"])
def test_rule_that_would_ignore_every_agent_is_refused(rule: str) -> None:
    with pytest.raises(IgnoreRuleError, match="every viewer"):
        IgnoreRules([rule])


def test_number_of_rules_is_limited() -> None:
    with pytest.raises(IgnoreRuleError, match="at most"):
        IgnoreRules(["::1"] * (MOST_RULES + 1))


def test_pattern_with_many_wildcards_does_not_take_long() -> None:
    assert not IgnoreRules(["agent:" + "a*" * 20 + "b"]).matches("::1", "a" * 200)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True)

    ignore: Annotated[IgnoreRules, IgnoreSetting] = NOTHING_IGNORED


def test_setting_is_a_list_of_rules() -> None:
    assert _Section().ignore == NOTHING_IGNORED
    assert _Section.model_validate({"ignore": ["::1"]}).ignore == IgnoreRules(["::1"])
    assert _Section.model_validate({"ignore": "::1"}).ignore == IgnoreRules(["::1"])


@pytest.mark.parametrize("value", ["nowhere", [1], {"a": 1}, ["nowhere"]])
def test_any_other_setting_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match="ignore"):
        _Section.model_validate({"ignore": value})
