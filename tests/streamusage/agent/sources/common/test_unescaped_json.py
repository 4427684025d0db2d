"""JSON with names that a server did not escape: what can be read, and what cannot."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.reading import SourceError
from streamusage.agent.sources.common.unescaped_json import UnreadableJsonError, decode_unescaped_json


class Listed(msgspec.Struct):
    names: list[str]


def listing(*names: bytes) -> bytes:
    return b'{"names":[' + b",".join(b'"' + name + b'"' for name in names) + b"]}"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        pytest.param(rb"a\q", r"a\q", id="a backslash that begins no escape"),
        pytest.param(rb"C:\users\u12", r"C:\users\u12", id="an incomplete escape"),
        pytest.param(b"\xc4\xe3", "%C4%E3", id="a name in GBK"),
        pytest.param("Bühne".encode("latin-1"), "B%FChne", id="a name in Latin-1"),
        pytest.param(b"a\x01b", "a%01b", id="a control character"),
        pytest.param(rb"a\\q\/", "a\\q/", id="escapes are kept"),
    ],
)
def test_name_that_is_not_escaped_is_read_and_the_others_with_it(written: bytes, name: str) -> None:
    other = rb"caf\u00e9"
    decoded, is_repaired = decode_unescaped_json(listing(b"before", written, other), Listed, "/list")
    assert decoded.names == ["before", name, "café"]
    assert is_repaired == (written != rb"a\\q\/")


@pytest.mark.parametrize("name", [b'a"b', b"a\\", b"\xd6\\"], ids=["a quotation mark", "a backslash at the end", "GBK"])
def test_name_that_changes_the_structure_makes_the_list_unreadable(name: bytes) -> None:
    with pytest.raises(UnreadableJsonError, match="/list returned invalid JSON"):
        decode_unescaped_json(listing(b"before", name, b"after"), Listed, "/list")


@pytest.mark.parametrize("body", [b"<html>", b"", b"[1]", b'{"names":[1]}', b'{"names":["\xff", 1]}', b"[" * 5000])
def test_other_documents_are_refused(body: bytes) -> None:
    with pytest.raises(SourceError, match="unexpected response") as refused:
        decode_unescaped_json(body, Listed, "/list")
    assert not isinstance(refused.value, UnreadableJsonError)


@given(st.lists(st.text()))
def test_escaped_names_are_never_repaired(names: list[str]) -> None:
    body = json.dumps({"names": names}).encode()
    if any(0xD800 <= ord(character) <= 0xDFFF for name in names for character in name):
        return
    decoded, is_repaired = decode_unescaped_json(body, Listed, "/list")
    assert (decoded.names, is_repaired) == (names, False)


@given(st.binary(max_size=12))
def test_any_name_is_read_or_the_list_is_unreadable(name: bytes) -> None:
    try:
        decoded, _ = decode_unescaped_json(listing(b"before", name), Listed, "/list")
    except SourceError:
        return
    assert decoded.names[0] == "before"
