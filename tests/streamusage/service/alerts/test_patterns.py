"""Patterns with `*`."""

from streamusage.service.alerts.patterns import matches_any, matches_labels


def test_star_stands_for_any_text_and_nothing_else_is_special() -> None:
    assert matches_any(["edge-*"], "edge-1")
    assert matches_any(["*[1]"], "edge[1]")
    assert not matches_any(["edge.1"], "edge-1")
    assert not matches_any(["edge"], "edge-1")
    assert matches_any(["*"], "a\nb")
    assert not matches_any([], "edge-1")


def test_all_matchers_match() -> None:
    labels = {"rule": "server missing", "server": "edge-1"}
    assert matches_labels({"server": "edge-*", "rule": "server missing"}, labels)
    assert not matches_labels({"server": "edge-*", "zone": "UTC"}, labels)
