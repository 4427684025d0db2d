"""Redaction of secrets in texts that leave the console."""

import pytest

from tui.model.redaction import redacted


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://u:p@h/x", "https://•••@h/x"),
        ("https://token@h/x", "https://•••@h/x"),
        ("mail me@example.net", "mail me@example.net"),
        ("http://h:5080/a@b", "http://h:5080/a@b"),
        ("?stream_key=1&ACCESSTOKEN=x", "?stream_key=1&ACCESSTOKEN=•••"),
        ("access_token%3Dabc", "access_token%3D•••"),
        ('"password=a","b"', '"password=•••","b"'),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer •••"),
        ("bearer of news", "bearer of news"),
        ("tokens=5 active>3", "tokens=5 active>3"),
    ],
)
def test_secrets_are_redacted_and_other_text_is_kept(text: str, clean: str) -> None:
    assert redacted(text) == clean
