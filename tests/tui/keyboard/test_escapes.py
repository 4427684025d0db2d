"""Escape keys and escape sequences, in every division of the input into reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.keyboard.escapes import ESCAPE_KEY, EscapeFinder

ARROWS = ("\x1b[A", "\x1bOB", "\x1b[1;5C", "\x1b[<0;10;4M", "\x1b[27u")
OTHER_SEQUENCES = ("\x1b\t", "\x1b\x7f", "\x1b[?2026;2$y")
KEYS = ("q", "/", "é", "\r", " ", "d", "\t", "P", "]")


@pytest.mark.parametrize("typed", ["q", "/", "?", ":", "Q", "\r", " ", "é", "P", "]", "_", "live", "日"])
def test_escape_and_a_key_in_one_read_are_two_keys(typed: str) -> None:
    assert EscapeFinder().feed(f"\x1b{typed}") == ESCAPE_KEY + typed


@pytest.mark.parametrize("sequence", [*ARROWS, *OTHER_SEQUENCES])
def test_sequence_stays_as_it_is(sequence: str) -> None:
    assert EscapeFinder().feed(f"a{sequence}b") == f"a{sequence}b"


def test_escape_alone_is_settled_by_time() -> None:
    finder = EscapeFinder()
    assert finder.feed("a\x1b") == "a"
    assert finder.is_waiting
    assert finder.time_out() == ESCAPE_KEY
    assert not finder.is_waiting
    assert finder.time_out() == ""


def test_escape_and_a_bracket_without_more_are_two_keys() -> None:
    finder = EscapeFinder()
    assert finder.feed("\x1b[") == ""
    assert finder.time_out() == f"{ESCAPE_KEY}["


def test_incomplete_sequence_is_passed_on_after_its_time() -> None:
    finder = EscapeFinder()
    assert finder.feed("\x1b[1;5") == ""
    assert finder.time_out() == "\x1b[1;5"
    assert finder.feed("C") == "C"


def test_several_escapes_are_several_keys() -> None:
    finder = EscapeFinder()
    assert finder.feed("\x1b\x1b\x1b[A\x1b") == f"{ESCAPE_KEY}{ESCAPE_KEY}\x1b[A"
    assert finder.time_out() == ESCAPE_KEY


def test_escape_within_an_incomplete_sequence_begins_another() -> None:
    assert EscapeFinder().feed("\x1b[1\x1b[A") == "\x1b[1\x1b[A"


def test_pasted_text_is_not_changed() -> None:
    pasted = "\x1b[200~one\x1btwo\x1b\x1bthree\x1b[201~"
    assert EscapeFinder().feed(f"{pasted}\x1bq") == f"{pasted}{ESCAPE_KEY}q"


def test_alt_key_of_the_users_map_is_not_divided() -> None:
    finder = EscapeFinder({"x"})
    assert finder.feed("\x1bx\x1by") == f"\x1bx{ESCAPE_KEY}y"


@given(st.lists(st.sampled_from([*ARROWS, *OTHER_SEQUENCES, *KEYS, "\x1b[200~p\x1bq\x1b[201~"])), st.data())
def test_reads_may_divide_the_input_anywhere(keys: list[str], data: st.DataObject) -> None:
    typed = "".join(keys)
    whole = EscapeFinder()
    expected = whole.feed(typed) + whole.time_out()
    parted = EscapeFinder()
    seen, rest = "", typed
    while rest:
        length = data.draw(st.integers(1, len(rest)))
        seen, rest = seen + parted.feed(rest[:length]), rest[length:]
    assert seen + parted.time_out() == expected == typed


@given(st.lists(st.sampled_from([*ARROWS, *KEYS, "\x1b"]), min_size=1))
def test_no_key_is_lost_or_added(keys: list[str]) -> None:
    """Only an Escape before tab is ambiguous: terminals send the same for shift+tab."""
    finder = EscapeFinder()
    typed = "".join(keys)
    seen = finder.feed(typed) + finder.time_out()
    assert seen.replace(ESCAPE_KEY, "\x1b") == typed.replace(ESCAPE_KEY, "\x1b")
