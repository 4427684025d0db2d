"""Customers of a statement: what is changed in them is found, and people see all of what was closed."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from streamusage.core.figures import STREAM_SUM_NAMES
from streamusage.evidence import canonical_json
from streamusage.evidence.keys import new_key
from streamusage.evidence.statement import NotStatementError, Statement, parse, to_bytes
from streamusage.evidence.verification import is_proven, verify
from tests.support.evidence import a_statement
from tui.commands.evidence.statement_customers import customer_rows
from tui.commands.evidence.statement_forms import to_html, to_text

KEY = new_key()
STATEMENT = a_statement(KEY, customers_from=0)
CONTENT = to_bytes(STATEMENT)
NOW = STATEMENT.period.to_ms + 1


def failing(content: bytes) -> dict[str, str]:
    """Return the subjects that fail for a statement that its forger signed, with the reasons."""
    findings = verify(content, parse(content), KEY.sign(content), KEY.public, NOW).values()
    return {finding.subject: finding.text for finding in findings if finding.verdict == "fails"}


def forged(change: Callable[[dict[str, Any]], None]) -> bytes:
    document = msgspec.json.decode(CONTENT)
    change(document)
    return canonical_json.encode(document)


def _add_to_total(document: dict[str, Any], customer: int, more: int) -> None:
    for name in ("closed", "due"):
        document["customers"][customer][name]["bytes_out"] += more


def _give_to_acme(document: dict[str, Any]) -> None:
    acme, nobody = document["days"][0]["customers"]["sums"]
    acme["bytes_out"] += 100
    nobody["bytes_out"] -= 100
    _add_to_total(document, 0, 100)
    _add_to_total(document, 1, -100)


def _raise_total(document: dict[str, Any]) -> None:
    document["customers"][0]["due"]["bytes_out"] += 1


def _drop_a_customer(document: dict[str, Any]) -> None:
    document["customers"].pop()


def _drop_customers(document: dict[str, Any]) -> None:
    del document["customers"]


def _raise_beyond_the_server(document: dict[str, Any]) -> None:
    document["days"][0]["customers"]["sums"][0]["bytes_out"] += 1_000_000
    _add_to_total(document, 0, 1_000_000)


def _rename(document: dict[str, Any]) -> None:
    for row in (*(day["customers"]["sums"][0] for day in document["days"]), document["customers"][0]):
        row["customer"] = "Zeta"


def _change_rules(document: dict[str, Any]) -> None:
    document["rules"][0]["customers"][0]["streams"] = ["live/*"]


def _drop_rules(document: dict[str, Any]) -> None:
    del document["rules"]


def _hide_customers_of_a_day(document: dict[str, Any]) -> None:
    for row, total in zip(document["days"][0].pop("customers")["sums"], document["customers"], strict=True):
        for name in STREAM_SUM_NAMES:
            total["closed"][name] -= row[name]
            total["due"][name] -= row[name]


def _list_twice(document: dict[str, Any]) -> None:
    sums = document["days"][0]["customers"]["sums"]
    sums.insert(0, dict(sums[0]) | dict.fromkeys(STREAM_SUM_NAMES, 0))


def _move_a_correction(document: dict[str, Any]) -> None:
    document["corrections"][0]["customers"][0]["customer"] = None
    acme, nobody = document["customers"]
    for name in ("corrections", "due"):
        acme[name]["connections"] -= 1
        nobody[name]["connections"] += 1


def _list_a_customer_of_a_correction_twice(document: dict[str, Any]) -> None:
    document["corrections"][0]["customers"].append({"customer": "Acme"} | dict.fromkeys(STREAM_SUM_NAMES, 0))


def _foreign_rules(document: dict[str, Any]) -> None:
    document["days"][0]["customers"]["rules"] = "0" * 64


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_give_to_acme, "chain"),
        (_raise_total, "Acme.due.bytes_out is 73501, but its days and corrections give 73500"),
        (_drop_a_customer, "it has the totals of Acme, but its days and corrections are of Acme, no customer"),
        (_drop_customers, "it has the totals of nobody, but its days and corrections are of Acme, no customer"),
        (_raise_beyond_the_server, "sums"),
        (_rename, "whom its rules do not name"),
        (_change_rules, "do not have the hash that they are listed with"),
        (_drop_rules, "which the statement does not have"),
        (_hide_customers_of_a_day, "chain"),
        (_list_twice, "is listed twice"),
        (_move_a_correction, "chain"),
        (_list_a_customer_of_a_correction_twice, "a customer of correction 1 is listed twice"),
        (_foreign_rules, "which the statement does not have"),
    ],
)
def test_forger_who_signs_anew_is_caught(change: Callable[[dict[str, Any]], None], reason: str) -> None:
    found = failing(forged(change))
    assert found
    assert reason in found or any(reason in text for text in found.values()), found


def test_statement_with_customers_is_proven() -> None:
    findings = verify(CONTENT, STATEMENT, KEY.sign(CONTENT), KEY.public, NOW)
    assert is_proven(STATEMENT, findings)
    assert parse(CONTENT) == STATEMENT


def test_unknown_field_of_a_customer_is_refused() -> None:
    def add(document: dict[str, Any]) -> None:
        document["customers"][0]["discount"] = 5

    with pytest.raises(NotStatementError):
        parse(forged(add))


@pytest.mark.parametrize("customers_from", [0, 1])
def test_rows_for_people_sum_to_all_that_is_due(customers_from: int) -> None:
    statement = a_statement(KEY, customers_from=customers_from)
    rows = customer_rows(statement)
    names = ["Acme", "no customer", "not by stream", *(["days without rules"] if customers_from else [])]
    assert [row.customer for row in rows] == names
    for name in STREAM_SUM_NAMES:
        assert sum(row.sums[name] for row in rows) == getattr(statement.totals.due, name)


def test_forms_for_people_show_customers_where_there_are_any() -> None:
    for form in (to_text, to_html):
        assert b"Due, by customer" in form(CONTENT, STATEMENT)
        assert b"Acme" in form(CONTENT, STATEMENT)
        without = a_statement(KEY)
        assert b"by customer" not in form(to_bytes(without), without)


def test_statement_without_customers_has_no_field_of_them() -> None:
    statement: Statement = a_statement(KEY)
    assert (statement.customers, statement.rules) == (UNSET, UNSET)
    assert b"customer" not in to_bytes(statement)
