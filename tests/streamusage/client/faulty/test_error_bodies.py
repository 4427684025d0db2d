"""Messages of error bodies: the documented one, and those of gateways and frameworks."""

import json
from typing import Any

import pytest

from streamusage.client.faulty.error_bodies import documented_message, quoted_message


@pytest.mark.parametrize(
    ("body", "documented", "quoted"),
    [
        ({"errorMessage": "no stream", "timestamp": 1525079744558}, "no stream", "no stream"),
        ({"errorMessage": "no stream", "timestamp": "2018-04-30T09:15:44Z"}, "no stream", "no stream"),
        ({"errorMessage": "no stream"}, "no stream", "no stream"),
        ({"errorMessage": ""}, "", ""),
        ({"errorMessage": None, "message": "gone"}, None, "gone"),
        ({"error": "unauthorized"}, None, "unauthorized"),
        ({"error": {"code": 401, "message": "bad token"}}, None, "bad token"),
        ({"error": "invalid_token", "error_description": "it expired"}, None, "it expired"),
        ({"status": 500, "error": "Internal Server Error", "message": "boom", "path": "/x"}, None, "boom"),
        ({"type": "about:blank", "title": "Forbidden", "status": 403}, None, "Forbidden"),
        ({"error": True, "message": " "}, None, ""),
        ({"records": []}, None, ""),
        ([{"error": "unauthorized"}], None, ""),
        ("unauthorized", None, ""),
    ],
)
def test_message_of_an_error_body(body: Any, documented: str | None, quoted: str) -> None:
    text = json.dumps(body).encode()
    assert documented_message(text) == documented
    assert quoted_message(b"\xef\xbb\xbf " + text) == quoted


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b'{"error": NaN}', b"\xff\xfe{", b'{"error":' * 50_000])
def test_body_that_is_no_json_has_no_message(body: bytes) -> None:
    assert documented_message(body) is None
    assert quoted_message(body) == ""


def test_message_is_found_a_few_levels_deep_only() -> None:
    assert quoted_message(b'{"error": {"error": {"message": "here"}}}') == "here"
    assert quoted_message(b'{"error": {"error": {"error": {"message": "here"}}}}') == ""
