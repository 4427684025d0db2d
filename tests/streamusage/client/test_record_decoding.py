"""Lists of usage records: incomplete records are decoded as far as possible, and slices never change the result."""

import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.client.record_decoding import UnreadableError, decode_records
from streamusage.client.schema_drift import count_faults, missing_fields
from streamusage.core.usage import PartialUsageRecord, SessionKey, UsageRecord
from tests.support.plain_manager import wire, without

FIGURES = {
    "endTime": "end_time",
    "duration": "duration",
    "aciveSubscribers": "active_subscribers",
    "maxSubscribers": "max_subscribers",
    "lostSubscribers": "lost_subscribers",
    "totalSubscribers": "total_subscribers",
    "updated": "updated",
}


def decode(*records: object) -> list[PartialUsageRecord]:
    return [record for part in decode_records(json.dumps(records).encode()) for record in part]


@pytest.mark.parametrize("field", FIGURES)
@pytest.mark.parametrize("null", [True, False])
def test_missing_figure_is_none_and_the_other_figures_stay(field: str, null: bool) -> None:
    incomplete = without(wire("b"), field) | ({field: None} if null else {})
    whole, partial = decode(wire("a"), incomplete)
    assert isinstance(whole, UsageRecord)
    assert not isinstance(partial, UsageRecord)
    assert {name for name in partial.__struct_fields__ if getattr(partial, name) is None} == {FIGURES[field]}
    assert partial.key == SessionKey("live", "b", wire()["startTime"])
    assert missing_fields(partial) == [field]
    assert count_faults([whole, partial]).missing == ((field, 1),)


@pytest.mark.parametrize(("field", "name"), [("name", "name"), ("scope", "scope"), ("startTime", "start_time")])
def test_record_without_a_part_of_its_key_is_decoded_without_it(field: str, name: str) -> None:
    _, partial = decode(wire("a"), without(wire(), field))
    assert not getattr(partial, name)
    assert missing_fields(partial) == [field]


def test_list_without_any_complete_key_is_unreadable() -> None:
    with pytest.raises(UnreadableError, match="missing required field `startTime`"):
        decode(without(wire(), "startTime"), without(wire(), "startTime"))


@pytest.mark.parametrize("wrong", ["yesterday", 1.5, True, [1], {"ms": 1}, 1e40])
def test_figure_that_is_no_exact_integer_is_missing_in_its_record_only(wrong: object) -> None:
    whole, partial = decode(wire("a"), wire("b") | {"updated": wrong})
    assert isinstance(whole, UsageRecord)
    assert partial.updated is None
    assert partial.total_subscribers == wire()["totalSubscribers"]
    assert missing_fields(partial) == ["updated"]
    faults = count_faults([whole, partial])
    assert faults.missing == ()
    assert [(fault.field, fault.problem, fault.records) for fault in faults.faulty] == [("updated", "unreadable", 1)]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("many", "“many”"),
        (True, "“true”"),
        ([4], "“[4]”"),
        ("a\x1b[2Jb\nc\u202e", "“a\ufffd[2Jb\ufffdc\ufffd”"),
        ("x" * 2_000_000, f"“{'x' * 23}…”"),
        (1e40, "“1e+40”"),
    ],
)
def test_unreadable_value_is_reported_short_and_printable(value: object, shown: str) -> None:
    records = decode(wire("a"), wire("b") | {"aciveSubscribers": value})
    assert count_faults(records).summary() == f"1 record has an unreadable aciveSubscribers ({shown})"


def test_unreadable_and_missing_values_are_counted_apart() -> None:
    records = decode(wire("a") | {"updated": "x"}, wire("b") | {"updated": "y"}, wire("c") | {"updated": None})
    assert count_faults(records).summary() == (
        "1 record lacks updated; 2 records have an unreadable updated (such as “x”)"
    )


@pytest.mark.parametrize("notation", [float, str, lambda number: f"{float(number)!r}", lambda number: f"{number:.12E}"])
def test_numbers_in_another_notation_are_read(notation: Callable[[int], object]) -> None:
    expected = wire("b")
    other = {name: notation(value) if isinstance(value, int) else value for name, value in expected.items()}
    _, decoded = decode(wire("a"), other)
    assert isinstance(decoded, UsageRecord)
    assert msgspec.to_builtins(decoded) == expected


def test_name_of_a_wrong_type_is_missing() -> None:
    _, partial = decode(wire("a"), wire("b") | {"name": 5})
    assert partial.name == ""
    assert missing_fields(partial) == ["name"]


texts = st.text(st.sampled_from('},{[]":\\ aü日\x1b') | st.characters(exclude_categories=["Cs"]), max_size=12)
wire_records = st.builds(wire, texts, texts, st.integers(1, 2**53), note=st.recursive(texts, st.lists, max_leaves=6))


@given(st.lists(wire_records, max_size=30), st.integers(1, 200), st.sampled_from([None, 1]))
def test_list_decodes_alike_for_every_slice_size(records: list[dict[str, Any]], size: int, indent: int | None) -> None:
    body = json.dumps(records, indent=indent, ensure_ascii=False).encode()
    decoded = [record for part in decode_records(body, size) for record in part]
    assert [msgspec.to_builtins(record) for record in decoded] == [
        without(record, "note") | {"scope": record["scope"].lstrip("/")} for record in records
    ]


@given(st.lists(wire_records, min_size=1, max_size=8), st.integers(1, 200), st.data())
def test_truncated_list_is_never_decoded_as_a_whole_one(
    records: list[dict[str, Any]], size: int, data: st.DataObject
) -> None:
    body = json.dumps(records, ensure_ascii=False).encode()
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(UnreadableError):
        list(decode_records(body[:cut], size))


def test_name_full_of_record_ends_takes_time_in_proportion_to_its_length() -> None:
    body = json.dumps([wire("},{" * 1_000_000)] + [wire()] * 1000).encode()
    began = time.thread_time()
    assert sum(len(part) for part in decode_records(body)) == 1001
    assert time.thread_time() - began < 2
