"""Secrets are read at each use; errors name the place and never the secret."""

from pathlib import Path

import pytest

from streamusage.agent.config.secrets import make_secret


class SecretError(Exception):
    """The error type of these tests."""


def test_without_variable_and_file_there_is_no_secret() -> None:
    assert make_secret(None, None, "the password", SecretError) is None


def test_file_is_read_at_each_use(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    secret = make_secret(None, file, "the password", SecretError)
    assert secret is not None
    with pytest.raises(SecretError, match=r"file .* \(the password\) cannot be read"):
        secret()
    for value in ("first", "second"):
        file.write_text(value + "\n")
        assert secret() == value


@pytest.mark.parametrize(("value", "message"), [("", "is empty or not set"), ("s3\x07cret", "printable ASCII")])
def test_invalid_variable_is_refused(monkeypatch: pytest.MonkeyPatch, value: str, message: str) -> None:
    monkeypatch.setenv("A_SECRET", value)
    secret = make_secret("A_SECRET", None, "the password", SecretError)
    assert secret is not None
    with pytest.raises(SecretError, match=message) as refused:
        secret()
    assert "s3" not in str(refused.value)


def test_space_is_refused_in_a_secret_of_one_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "two words")
    secret = make_secret("A_SECRET", None, "the token", SecretError, one_word=True)
    assert secret is not None
    with pytest.raises(SecretError, match="printable ASCII"):
        secret()
