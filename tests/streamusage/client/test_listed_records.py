"""Lists of which only changed rows are decoded: the result is always that of decoding the whole list."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamusage.client.listed_records import Listing, ListingReader, PlainKey
from streamusage.client.record_decoding import UnreadableError, decode_records
from streamusage.client.schema_drift import count_faults
from streamusage.core.usage import PartialUsageRecord
from tests.support.plain_manager import wire, without

Table = dict[PlainKey, PartialUsageRecord]


def decode(body: bytes) -> list[PartialUsageRecord]:
    return [record for records in decode_records(body) for record in records]


def key_of(record: PartialUsageRecord) -> PlainKey:
    return (record.scope, record.name, record.start_time)


class Follower:
    """Follows the answers of a service by their changed rows."""

    def __init__(self, block_bytes: int = 64) -> None:
        self.listing = Listing()
        self.block_bytes = block_bytes
        self.table: Table = {}
        self.decoded = 0
        """Rows of the last answer that were decoded."""

    def read(self, body: bytes, feed_bytes: int = 50) -> ListingReader:
        reader = ListingReader(self.listing, self.block_bytes)
        changed: list[PartialUsageRecord] = []
        for start in range(0, len(body), feed_bytes):
            for records in reader.feed(body[start : start + feed_bytes]):
                changed += records
        for records in reader.end():
            changed += records
        if not len(self.listing):
            places: dict[PlainKey, list[int]] = {}
            for _ in reader.listing.places({key_of(record) for record in changed}, places):
                pass
            for several in places.values():
                if len(several) > 1:
                    reader.listing.always_decode(several)
        self.decoded = len(changed)
        self.table.update((key_of(record), record) for record in changed if key_of(record) not in reader.superseded)
        for key in reader.removed:
            del self.table[key]
        self.listing = reader.listing
        return reader


texts = st.text(st.sampled_from('},{[]":\\ aü日\x1b') | st.characters(exclude_categories=["Cs"]), max_size=9)
names = st.sampled_from(["a", "b", "},{", '"},{"', "\\", "x\\", "}, {", "[{", "ü"]) | texts
notes = st.recursive(texts | st.none() | st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    texts, inner, max_size=2
), max_leaves=5)  # fmt: skip
rows = st.builds(
    lambda name, start, active, note, lacks: without(
        wire(name, "live", start) | {"aciveSubscribers": active} | ({} if note is None else {"note": note}), *lacks
    ),
    names,
    st.integers(1, 4),
    st.integers(0, 3),
    notes,
    st.sampled_from([(), (), (), ("lostSubscribers",), ("updated", "duration"), ("name",)]),
) | st.builds(
    lambda name, value: wire(name) | {"totalSubscribers": value}, names, st.sampled_from(["many", True, [4], 1.5])
)
styles = st.sampled_from([{}, {"separators": (",", ":")}, {"indent": 1}, {"ensure_ascii": False}])


def encode(listed: Sequence[dict[str, Any]], style: dict[str, Any]) -> bytes:
    return json.dumps(listed, **style).encode()


@settings(max_examples=300)
@given(st.lists(rows, max_size=20), st.data())
def test_followed_answers_equal_fully_decoded_ones(listed: list[dict[str, Any]], data: st.DataObject) -> None:
    follower = Follower(data.draw(st.sampled_from([40, 300, 5000]), "block"))
    for _ in range(data.draw(st.integers(1, 5), "answers")):
        body = encode(listed, data.draw(styles, "style"))
        try:
            whole = decode(body)
        except UnreadableError:
            with pytest.raises(UnreadableError):
                follower.read(body)
        else:
            follower.read(body, data.draw(st.sampled_from([7, 100, 10_000]), "feed"))
            assert follower.table == {key_of(record): record for record in whole}
            assert follower.listing.drift() == count_faults(whole)
            assert follower.listing.keys == list(map(key_of, whole))
        for _ in range(data.draw(st.integers(0, 3), "changes")):
            place = data.draw(st.integers(0, len(listed)), "place")
            match data.draw(st.sampled_from(["insert", "remove", "change", "swap"])):
                case "insert":
                    listed.insert(place, data.draw(rows))
                case "remove":
                    del listed[place : place + 1]
                case "change" if place < len(listed):
                    listed[place] = listed[place] | {"totalSubscribers": data.draw(st.integers(0, 9))}
                case "swap":
                    listed[place:] = reversed(listed[place:])


@given(st.lists(rows, min_size=1, max_size=8), styles, st.data())
def test_truncated_or_damaged_answers_are_never_read_as_whole_ones(
    listed: list[dict[str, Any]], style: dict[str, Any], data: st.DataObject
) -> None:
    body = encode(listed, style)
    follower = Follower(data.draw(st.sampled_from([40, 300])))
    if data.draw(st.booleans(), "an answer before"):
        try:
            follower.read(body)
        except UnreadableError:
            return
    table, keys = dict(follower.table), list(follower.listing.keys)
    if data.draw(st.booleans(), "truncated"):
        damaged = body[: data.draw(st.integers(0, len(body) - 1))]
    else:
        place = data.draw(st.integers(0, len(body) - 1))
        damaged = (
            body[:place] + data.draw(st.sampled_from([b"}", b"{", b'"', b",", b"]", b"\\", b"\xff"])) + body[place:]
        )
    try:
        whole = decode(damaged)
    except UnreadableError:
        with pytest.raises(UnreadableError):
            follower.read(damaged)
        assert (follower.table, follower.listing.keys) == (table, keys)
    else:
        follower.read(damaged)
        assert follower.table == {key_of(record): record for record in whole}


def read_all(bodies: Iterable[bytes]) -> Follower:
    follower = Follower(1000)
    for body in bodies:
        follower.read(body, 1000)
    return follower


def listed(count: int, **changed: int) -> list[dict[str, Any]]:
    return [wire(f"cam-{number}") | {"totalSubscribers": changed.get(f"c{number}", 0)} for number in range(count)]


@pytest.mark.parametrize("style", [{}, {"separators": (",", ":")}, {"indent": 2}], ids=["spaces", "compact", "lines"])
def test_only_changed_rows_are_decoded(style: dict[str, Any]) -> None:
    before, after = encode(listed(200), style), encode(listed(200, c7=1, c150=2), style)
    assert read_all([before]).decoded == 200
    follower = read_all([before, after])
    assert follower.decoded == 2
    assert follower.listing.keys[7] is not None


def test_equal_answer_costs_its_hash() -> None:
    body = encode(listed(200), {})
    follower = read_all([body])
    reader = follower.read(body, 1000)
    assert reader.is_unchanged
    assert follower.decoded == 0


def test_rows_behind_inserted_and_removed_rows_are_not_decoded() -> None:
    before = listed(300)
    after = [wire("new-1"), *before[:40], *before[45:200], wire("new-2"), wire("new-3"), *before[200:]]
    follower = read_all([encode(before, {}), encode(after, {})])
    assert follower.decoded == 3
    assert len(follower.table) == 298


def test_name_that_contains_a_separator_does_not_hide_the_other_rows() -> None:
    rows = listed(100)
    rows[30] = wire("x},{y")
    first = encode(rows, {"separators": (",", ":")})
    rows[60] = wire("a},{b},{c")
    follower = read_all([first, encode(rows, {"separators": (",", ":")})])
    assert follower.decoded == 1
    assert ("live", "x},{y", wire()["startTime"]) in follower.table


def test_fault_of_a_row_is_reported_with_its_place_and_position() -> None:
    body = encode(listed(30), {})
    broken = body.replace(b'"cam-20"', b"cam-20 ")
    with pytest.raises(UnreadableError) as caught:
        read_all([body, broken])
    with pytest.raises(UnreadableError) as expected:
        decode(broken)
    assert str(caught.value) == str(expected.value)


UNREADABLE_VALUES = [b"1e400", b"NaN", b"-Infinity", b"007", b"+5", b"9" * 5000, b'"\\ud800"', b'"a\\udc00b"']


@pytest.mark.parametrize("value", UNREADABLE_VALUES)
@pytest.mark.parametrize("place", [0, 500, 999])
@pytest.mark.parametrize("style", [{}, {"separators": (",", ":")}, {"indent": 1}], ids=["spaces", "compact", "lines"])
@pytest.mark.parametrize("field", ["totalSubscribers", "name", "note"])
def test_value_that_is_no_json_is_unreadable_in_its_row_only(
    value: bytes, place: int, style: dict[str, Any], field: str
) -> None:
    rows = listed(1000)
    before = encode(rows, style)
    rows[place] |= {field: "HERE"}
    faulty = encode(rows, style).replace(b'"HERE"', value)
    alone, follower = read_all([faulty]), read_all([before, faulty])
    assert len(decode(faulty)) == len(alone.listing) == len(follower.listing) == 1000
    assert follower.decoded < 1000
    key = ("live", "" if field == "name" else f"cam-{place}", wire()["startTime"])
    if field == "note":
        assert not follower.listing.drift()
        return
    [fault] = follower.listing.drift().faulty
    assert (fault.field, fault.problem, fault.records) == (field, "unreadable", 1)
    assert fault.example.startswith(value.decode().strip('"')[:20])
    assert follower.listing.drift() == alone.listing.drift() == count_faults(decode(faulty))
    assert (alone.table[key].total_subscribers is None) == (field == "totalSubscribers")
    good = {key_of(record): record for record in decode(before)}
    changed = {changed for changed in good if alone.table.get(changed) != good[changed]}
    assert changed == {("live", f"cam-{place}", wire()["startTime"])}


STYLES = [{}, {"separators": (",", ":")}, {"separators": (" , ", " : ")}]


@pytest.mark.parametrize("more", [{}, {"codec": "h264"}, {"note": 'a":b', "scope": "li:ve"}, {"updated": None}])
@pytest.mark.parametrize("style", STYLES, ids=["spaces", "compact", "wide"])
@pytest.mark.parametrize("place", [0, 50, 99])
@pytest.mark.parametrize(
    "field", ["totalSubscribers", "name", "startTime", "aciveSubscribers", r"total\u0053ubscribers"]
)
def test_repeated_field_has_no_value_in_its_row_only(
    field: str, place: int, style: dict[str, Any], more: dict[str, Any]
) -> None:
    rows = [row | more for row in listed(100)]
    before = encode(rows, style)
    rows[place] |= {"HERE": 77}
    body = encode(rows, style).replace(b"HERE", field.encode())
    alone, follower = read_all([body]), read_all([before, body])
    name = field.replace(r"\u0053", "S")
    [fault] = follower.listing.drift().faulty
    assert (fault.field, fault.problem, fault.records) == (name, "repeated", 1)
    assert fault.example == f"{({**wire(), 'totalSubscribers': 0, 'name': f'cam-{place}'})[name]}, 77"
    assert alone.listing.drift() == follower.listing.drift() == count_faults(decode(body))
    good = {key_of(record): record for record in decode(before)}
    assert {key for key in good if alone.table.get(key) != good[key]} == {
        (more.get("scope", "live"), f"cam-{place}", wire()["startTime"])
    }


def test_repeated_field_is_found_beside_a_record_that_lacks_it() -> None:
    rows = listed(100)
    del rows[10]["updated"]
    rows[20] |= {"HERE": 77}
    drift = read_all([encode(rows, {}).replace(b"HERE", b"updated")]).listing.drift()
    assert drift.summary() == f"1 record lacks updated; 1 record repeats updated ({wire()['updated']}, 77)"


def test_field_that_is_repeated_with_the_same_value_keeps_it() -> None:
    body = encode(listed(10), {}).replace(b'"updated"', b'"totalSubscribers": 0, "updated"')
    follower = read_all([body])
    assert not follower.listing.drift()
    assert follower.table == read_all([encode(listed(10), {})]).table


def test_fields_of_a_nested_value_are_not_taken_for_repeated_ones() -> None:
    follower = read_all([encode([row | {"note": {"name": "x", "updated": 5}} for row in listed(10)], {})])
    assert not follower.listing.drift()


def test_list_with_an_unreadable_value_in_every_record_is_read() -> None:
    rows = encode(listed(20_000), {}).replace(b'"totalSubscribers": 0', b'"totalSubscribers": NaN')
    follower = Follower(65_536)
    follower.read(rows, 65_536)
    assert follower.listing.drift().faulty[0].records == 20_000


def test_name_that_contains_a_separator_and_an_unreadable_value_are_read_together() -> None:
    rows = listed(100)
    rows[30], rows[40] = wire("x},{y"), wire('a":NaN,"b')
    body = encode(rows, {"separators": (",", ":")}).replace(b'"cam-20"', b'"\\ud800"')
    follower = read_all([body])
    assert {("live", "x},{y", wire()["startTime"]), ("live", 'a":NaN,"b', wire()["startTime"])} <= set(follower.table)
    assert [(fault.field, fault.example) for fault in follower.listing.drift().faulty] == [("name", "\\ud800")]


def test_figure_that_is_no_number_is_missing_in_its_row_only() -> None:
    rows = listed(30)
    rows[20] |= {"updated": "yesterday"}
    follower = read_all([encode(listed(30), {}), encode(rows, {})])
    assert len(follower.table) == 30
    assert follower.decoded == 1


@pytest.mark.parametrize("place", [0, 15, 30])
@pytest.mark.parametrize("element", [None, 5, "x", [1]])
def test_element_that_is_no_object_makes_the_list_unreadable(element: Any, place: int) -> None:
    rows: list[Any] = listed(30)
    rows.insert(place, element)
    with pytest.raises(UnreadableError, match=r"not every element of the list is an object|Expected `object`"):
        read_all([encode(rows, {})])


def test_long_name_full_of_separators_takes_time_in_proportion_to_its_length() -> None:
    follower = Follower(65_536)
    follower.read(encode([wire("},{" * 300_000), *listed(100)], {"separators": (",", ":")}), 65_536)
    assert len(follower.table) == 101


def test_list_without_any_key_is_refused_before_its_end() -> None:
    reader = ListingReader(Listing())
    blocks = reader.feed(b"[" + b'{"a":1},' * 1_000_000)
    with pytest.raises(UnreadableError, match="missing required field"):
        list(blocks)
    assert len(reader.listing.keys) < 20_000


def test_key_after_many_records_without_one_is_read() -> None:
    rows = [{"a": 1}] * 10_000 + [wire("cam", start=1)]
    follower = Follower(block_bytes=65_536)
    follower.read(json.dumps(rows).encode(), feed_bytes=65_536)
    assert ("live", "cam", 1) in follower.table
