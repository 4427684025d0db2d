"""Disagreements of closed days in statements: what is changed in them is found, and people see both figures."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from streamusage.api.disagreements import Disagreement
from streamusage.evidence import canonical_json
from streamusage.evidence.keys import new_key
from streamusage.evidence.signed_disagreements import sum_disagreements
from streamusage.evidence.statement import parse, to_bytes
from streamusage.evidence.verification import is_proven, verify
from tests.support.evidence import a_statement
from tui.commands.evidence.statement_forms import to_html, to_text

KEY = new_key()
HOUR = 3_600_000


def of_hour(hour: int, first: int, second: int, **fields: Any) -> Disagreement:
    values: dict[str, Any] = {
        "kind": "origin-edges", "server": "edge-2", "figure": "bytes", "found_at": 9, "scope": "live", "name": "a<b",
        "edges": ("edge-1",),
    }  # fmt: skip
    return Disagreement(hour=hour * HOUR, first=first, second=second, **values | fields)


FOUND = [of_hour(1, 100, 80), of_hour(2, 1_000, 600, edges=("edge-1", "edge-3"))]
STATEMENT = a_statement(KEY, disagreements=sum_disagreements(FOUND))
CONTENT = to_bytes(STATEMENT)
NOW = STATEMENT.period.to_ms + 1


def test_hours_of_the_same_figures_are_added_up() -> None:
    of_server: dict[str, Any] = {"scope": "", "name": "", "edges": (), "server": "edge-1"}
    viewers = [
        of_hour(hour, left, seen, kind="counters-log", figure="viewers", **of_server)
        for hour, left, seen in ((3, 40, 2), (4, 90, 5))
    ]
    log, relay = sum_disagreements([*FOUND, *viewers])
    assert (relay.hours, relay.first, relay.second, relay.edges) == (2, 1_100, 680, ["edge-1", "edge-3"])
    assert (log.hours, log.first, log.second) == (2, 90, 5)


def test_statement_with_disagreements_is_proven_and_one_without_has_no_such_field() -> None:
    found = verify(CONTENT, parse(CONTENT), KEY.sign(CONTENT), KEY.public, NOW)
    assert is_proven(STATEMENT, found)
    assert parse(CONTENT) == STATEMENT
    assert [day.disagreements is UNSET for day in STATEMENT.days] == [False, False, True, True, True, True]
    assert b"disagreements" not in to_bytes(a_statement(KEY))


@pytest.mark.parametrize("form", [to_text, to_html])
def test_people_see_both_figures_once(form: Callable[..., bytes]) -> None:
    shown = form(CONTENT, STATEMENT).decode()
    name = "a&lt;b" if form is to_html else "a<b"
    figures = "the origin sent 1,100 bytes, edges received (edge-1, edge-3) 680 bytes"
    line = f"2026-10-24, 2 hours: edge-2 live/{name}: {figures}"
    assert shown.count(line) == 1
    assert "Figures that disagreed when their day was closed" in shown
    without = a_statement(KEY)
    assert "disagreed" not in form(to_bytes(without), without).decode()


def _lower(row: dict[str, Any]) -> None:
    row["first"] -= 1


def _hide(row: dict[str, Any]) -> None:
    row["first"] = row["second"]


def _move(row: dict[str, Any]) -> None:
    row["server"], row["edges"] = "edge-9", []


def _lengthen(row: dict[str, Any]) -> None:
    row["hours"] = 27


@pytest.mark.parametrize("change", [_lower, _hide, _move, _lengthen])
def test_changed_disagreements_are_found(change: Callable[[dict[str, Any]], None]) -> None:
    document = msgspec.json.decode(CONTENT)
    change(document["days"][0]["disagreements"][0])
    content = canonical_json.encode(document)
    findings = verify(content, parse(content), KEY.sign(content), KEY.public, NOW).values()
    failing = {finding.subject for finding in findings if finding.verdict == "fails"}
    assert "chain" in failing
    assert ("sums" in failing) == (change is not _lower)


@pytest.mark.parametrize("rows", [[], "twice"])
def test_rows_that_no_closing_has_are_found(rows: Any) -> None:
    document = msgspec.json.decode(CONTENT)
    listed = document["days"][0]["disagreements"]
    document["days"][0]["disagreements"] = [*listed, *listed] if rows else []
    content = canonical_json.encode(document)
    findings = verify(content, parse(content), KEY.sign(content), KEY.public, NOW).values()
    assert "sums" in {finding.subject for finding in findings if finding.verdict == "fails"}
