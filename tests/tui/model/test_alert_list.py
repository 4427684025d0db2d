"""Alerts of the service in words."""

import pytest

from streamusage.api.alerts import AlertSummary
from tui.model.alert_list import describe_alerts, format_matchers, parse_matchers, sum_alerts


def test_matchers_are_parsed_and_formatted() -> None:
    parsed = parse_matchers(["server missing", "server=edge-*", "note=a=b"])
    assert parsed == {"rule": "server missing", "server": "edge-*", "note": "a=b"}
    assert format_matchers(parsed) == 'rule="server missing" server=edge-* note=a=b'


@pytest.mark.parametrize("words", [["server="], ["=x"], [""], ["a", "rule=b"]])
def test_wrong_matchers_are_refused(words: list[str]) -> None:
    with pytest.raises(ValueError, match=r"is no matcher|is given twice"):
        parse_matchers(words)


def test_alerts_of_several_services_are_added_up_and_the_worst_is_named() -> None:
    warning = AlertSummary(firing=2, severity="warning", newest="a day is not final")
    critical = AlertSummary(
        firing=1, silenced=4, severity="critical", newest="edge-3 is missing\x1b", failing_receivers=1
    )
    together = sum_alerts([warning, None, critical, AlertSummary()])
    assert together is not None
    assert (together.firing, together.silenced, together.severity, together.failing_receivers) == (3, 4, "critical", 1)
    assert describe_alerts(together) == "3 alerts: edge-3 is missing␛, and 2 more"
    assert sum_alerts([None]) is None
    assert describe_alerts(AlertSummary(silenced=1)) == ""
