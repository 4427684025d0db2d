"""Repair of JSON values: unreadable ones become objects, everything else stays as it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.client.faulty.json_repair import is_unreadable, mark_unreadable_values, unreadable_value

texts = st.text(st.sampled_from('},{[]":\\\\ aü日\x1b0Nn') | st.characters(exclude_categories=["Cs"]), max_size=9)
numbers = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    texts | numbers | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


@given(values, st.sampled_from([None, 1]), st.booleans())
def test_valid_json_stays_as_it_is(value: object, indent: int | None, ensure_ascii: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ensure_ascii).encode()
    assert mark_unreadable_values(text) == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("007", "007"),
        ("-00", "-00"),
        (".5", ".5"),
        ("5.", "5."),
        ("0x1F", "0x1F"),
        ("1e400", "1e400"),
        ("9" * 41, "9" * 41),
        (r'"a\ud800"', r"a\ud800"),
        (r'"\udc00\ud800"', r"\udc00\ud800"),
        (r'"\"\\\ud800"', r"\"\\\ud800"),
    ],
)
def test_unreadable_value_becomes_an_object_with_its_text(value: str, shown: str) -> None:
    text = '[{"a": HERE, "b": {"c": [HERE, 1]}}]'.replace("HERE", value).encode()
    [repaired] = json.loads(mark_unreadable_values(text))
    assert unreadable_value(repaired["a"]) == unreadable_value(repaired["b"]["c"][0]) == shown
    assert repaired["b"]["c"][1] == 1


def test_surrogates_in_a_name_of_a_field_are_replaced() -> None:
    assert json.loads(mark_unreadable_values(rb'{"a\ud800" : 1, "\ud83d\ude00": 2}')) == {"a\ufffd": 1, "\U0001f600": 2}


@pytest.mark.parametrize("text", [b'[{"a": cam}]', b'[{"a": "b" "c"}]', b'[{"a"', b'["abc', b'["abc\\', b"[undefined]"])
def test_other_faults_stay_as_they_are(text: bytes) -> None:
    assert mark_unreadable_values(text) == text


def test_values_of_another_kind_are_not_taken_for_replaced_ones() -> None:
    others: list[object] = [{"name": "x"}, "NaN", {"unreadable value": 1}, {}]
    assert not any(map(is_unreadable, others))
