"""Text from outside: nothing in it controls a terminal, and what promises to keep the text keeps it."""

import ast
import json
import unicodedata

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamusage.core.text import (
    LONGEST_LINE,
    LONGEST_QUOTED,
    escape_json,
    escape_unprintable,
    quote_input,
    remove_secrets,
    shorten_line,
)

CASES = settings(max_examples=1000, print_blob=True)

DOCUMENTED = "a\x1b[2J\nb"
hostile_texts = st.text(max_size=500) | st.text(
    alphabet="a b'\"\\\x00\x07\x1b\x7f\x9b\xad\r\n\t\u061c\u200b\u200e\u2028\u202e\u2066\ufeff\ud800\U000e0001",
    max_size=500,
)


def controls_a_terminal(text: str) -> bool:
    return any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in text)


def test_documented_example() -> None:
    assert escape_unprintable(DOCUMENTED) == r"a\x1b[2J\nb"
    assert shorten_line(DOCUMENTED) == "a [2J b"
    assert quote_input(DOCUMENTED) == r"'a\x1b[2J\nb'"


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("http://admin:pass@host:80/x: refused", "http://host:80/x: refused"),
        ("http://h/x?key=abc&page=2: refused", "http://h/x?key=…&page=…: refused"),
        ("header Authorization: Bearer abcdef", "header Authorization: Bearer …"),
        ("{'password': 'hunter2', 'user': 'me'}", "{'password': '…', 'user': 'me'}"),
        ("token=abc, retry", "token=…, retry"),
        ("put the user and password into `stat_url`", "put the user and password into `stat_url`"),
        ("the server asks for Basic authentication", "the server asks for Basic authentication"),
        ("connection refused; start nginx", "connection refused; start nginx"),
    ],
)
def test_secrets_are_removed_and_the_rest_stays(text: str, without: str) -> None:
    assert remove_secrets(text) == without
    assert remove_secrets(without) == without


@given(hostile_texts)
@CASES
def test_any_text_without_secrets_is_still_a_text(text: str) -> None:
    assert isinstance(remove_secrets(text), str)


@pytest.mark.parametrize(("value", "quoted"), [("x" * 99, repr("x" * LONGEST_QUOTED + "…")), (10, "'10'"), ("", "''")])
def test_input_is_quoted(value: object, quoted: str) -> None:
    assert quote_input(value) == quoted


@CASES
@given(text=hostile_texts)
def test_results_do_not_control_a_terminal(text: str) -> None:
    for result in (escape_unprintable(text), shorten_line(text), quote_input(text)):
        assert not controls_a_terminal(result)
        assert len(result.splitlines()) <= 1
    assert len(shorten_line(text)) <= LONGEST_LINE
    assert len(quote_input(text)) <= 10 * (LONGEST_QUOTED + 1) + 2


@CASES
@given(text=hostile_texts)
def test_escapes_read_back_as_the_text(text: str) -> None:
    if "\\" not in text:
        without_quotes = text.replace("'", "")
        assert ast.literal_eval(f"'{escape_unprintable(without_quotes)}'") == without_quotes
    if len(text) <= LONGEST_QUOTED:
        assert ast.literal_eval(quote_input(text)) == text


@CASES
@given(text=hostile_texts.filter(lambda text: not any("\ud800" <= character <= "\udfff" for character in text)))
def test_escaped_json_is_the_same_value(text: str) -> None:
    encoded = escape_json(msgspec.json.encode({text: [text]}).decode())
    assert json.loads(encoded) == {text: [text]}
    assert not any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in encoded)
    assert not any("\u202a" <= character <= "\u202e" or "\u2066" <= character <= "\u2069" for character in encoded)
