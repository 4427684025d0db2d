"""Numbers in other notations: exact integers are read, anything else is unknown."""

import json
from typing import Any

import pytest

from streamusage.client.exact_numbers import exact_integer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("599000", 599_000),
        ("-5", -5),
        ("599000.0", 599_000),
        ("1.795E12", 1_795_000_000_000),
        ("1.795079735738E12", 1_795_079_735_738),
        ("0.0", 0),
        ("-0.0", 0),
        ('"599000"', 599_000),
        ('" 599000 "', 599_000),
        ('"1.795E12"', 1_795_000_000_000),
        ('"599000.0"', 599_000),
        ("9007199254740992.0", 2**53),
        ("99999999999999999999", 99_999_999_999_999_999_999),
        ("599000.5", None),
        ("9007199254740994.0", None),
        ("1e40", None),
        ('"1e999"', None),
        ('""', None),
        ('"many"', None),
        ('"1_000"', None),
        ('"1,000"', None),
        ('"٣"', None),
        ('"0x10"', None),
        ("true", None),
        ("null", None),
        ("[]", None),
        ("{}", None),
    ],
)
def test_exact_integer_of_json(text: str, expected: Any) -> None:
    assert exact_integer(json.loads(text)) == expected
    assert type(exact_integer(json.loads(text))) is type(expected)
