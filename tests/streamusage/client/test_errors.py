"""Texts of the client's exceptions can be printed as they are."""

from hypothesis import given
from hypothesis import strategies as st

from streamusage.client.errors import InvalidAddressError, NotFoundError, cause_first, escape_unprintable


def test_error_names_host_action_and_cause_without_control_characters() -> None:
    error = NotFoundError("sm:5080", "delete the stream", "no such stream \x1b[2J\u202e")
    assert str(error) == r"sm:5080: could not delete the stream: no such stream \x1b[2J\u202e"
    assert (error.host, error.action, error.exit_code) == ("sm:5080", "delete the stream", 5)


def test_cause_is_first_where_the_end_may_be_cut() -> None:
    error = NotFoundError("sm:5080", "delete the stream", "no such stream \x1b[2J")
    assert cause_first(error) == r"no such stream \x1b[2J (could not delete the stream at sm:5080)"
    assert cause_first(InvalidAddressError("the token is empty")) == "the token is empty"


@given(st.text())
def test_escaped_text_is_printable_and_printable_text_is_unchanged(text: str) -> None:
    escaped = escape_unprintable(text)
    assert escaped.isprintable()
    assert not text.isprintable() or escaped == text
