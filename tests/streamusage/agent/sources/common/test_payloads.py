"""Responses of media servers as checked values: everything invalid is a `SourceError` that names the endpoint."""

import msgspec
import pytest

from streamusage.agent.reading import SourceError
from streamusage.agent.sources.common.payloads import Count, decode_json, parse_child_count, parse_xml


class Counter(msgspec.Struct):
    bytes: Count


def test_json_of_the_declared_form_is_decoded() -> None:
    assert decode_json(b'{"bytes": 9007199254740992, "other": null}', Counter, "/stats").bytes == 2**53


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"bytes": -1}', b'{"bytes": 1.5}', b'{"bytes": 9007199254740993}', b"\xff", b"[" * 100_000],
)
def test_other_json_is_a_source_error(body: bytes) -> None:
    with pytest.raises(SourceError, match=r"^/stats returned an unexpected response"):
        decode_json(body, Counter, "/stats")


@pytest.mark.parametrize(
    "body",
    [b"", b"<a>", b"text", b"<a/><b/>", b"<a>\0</a>", b"<!DOCTYPE a><a/>", b"<!doctype a><a/>", b'<!ENTITY b "c"><a/>'],
)
def test_invalid_xml_and_document_types_are_source_errors(body: bytes) -> None:
    with pytest.raises(SourceError, match=r"^/stat returned"):
        parse_xml(body, "/stat")


def test_count_of_a_child_is_a_whole_number() -> None:
    element = parse_xml(b"<s><n> 42 </n><big>9007199254740992</big></s>", "/stat")
    assert (parse_child_count(element, "n", "/stat"), parse_child_count(element, "big", "/stat")) == (42, 2**53)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "1e3", "x", "9007199254740993", "٣", "1" * 17])
def test_child_that_is_no_count_is_a_source_error(text: str) -> None:
    element = parse_xml(f"<s><n>{text}</n></s>".encode(), "/stat")
    for name in ("n", "missing"):
        with pytest.raises(SourceError, match=f"/stat: <s> has no valid <{name}>"):
            parse_child_count(element, name, "/stat")
