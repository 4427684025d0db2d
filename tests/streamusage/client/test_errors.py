"""Texts of the client's exceptions can be printed as they are."""

from hypothesis import given
from hypothesis import strategies as st

from streamusage.client.errors import NotFoundError, escape_unprintable


def test_error_names_host_action_and_cause_without_control_characters() -> None:
    error = NotFoundError("sm:5080", "delete the stream", "no such stream \x1b[2J\u202e")
    assert str(error) == r"sm:5080: could not delete the stream: no such stream \x1b[2J\u202e"
    assert (error.host, error.action, error.exit_code) == ("sm:5080", "delete the stream", 5)


@given(st.text())
def test_escaped_text_is_printable_and_printable_text_is_unchanged(text: str) -> None:
    escaped = escape_unprintable(text)
    assert escaped.isprintable()
    assert not text.isprintable() or escaped == text
