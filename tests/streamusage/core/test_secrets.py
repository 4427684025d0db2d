"""Secrets are read at each use; errors name the place and never the secret."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamusage.core.secrets import (
    EXACT,
    LINE,
    LONGEST_SECRET,
    TEXT,
    WORD,
    SecretForm,
    find_readable_secrets,
    make_secret,
    parse_secret,
    read_secret_file,
    read_secret_variable,
)
from streamusage.core.secrets import SecretError as InvalidSecretError

CASES = settings(max_examples=500, print_blob=True)


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
    secret = make_secret("A_SECRET", None, "the token", SecretError, WORD)
    assert secret is not None
    with pytest.raises(SecretError, match="printable ASCII"):
        secret()


@pytest.mark.parametrize(
    ("form", "text", "secret"),
    [
        (EXACT, " s p\n", " s p\n"),
        (TEXT, " gehe\u0131m nis \n", "gehe\u0131m nis"),
        (LINE, "pass word\r\n", "pass word"),
        (WORD, "\ttoken\n", "token"),
    ],
)
def test_secret_has_the_form_of_its_use(form: SecretForm, text: str, secret: str) -> None:
    assert parse_secret(text, "here", form) == secret


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (EXACT, "q" * (LONGEST_SECRET + 1)),
        (LINE, "qq\nqq"),
        (LINE, "qq\u00fcqq"),
        (WORD, "qq qq"),
        (WORD._replace(longest=3), "qqqq"),
    ],
)
def test_other_content_is_refused_with_what_is_allowed(form: SecretForm, text: str) -> None:
    with pytest.raises(
        InvalidSecretError, match=f"^here has invalid content; it must be {form.allowed}, at most"
    ) as refused:
        parse_secret(text, "here", form)
    assert "qq" not in str(refused.value)


def test_file_that_others_can_read_is_marked(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    for mode, marked in ((0o600, False), (0o640, True), (0o604, True)):
        file.chmod(mode)
        assert read_secret_file(file, "here", WORD) == ("s3cret", marked)


def test_file_that_is_not_text_or_endless_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidSecretError, match="here cannot be read: it is not UTF-8 text"):
        read_secret_file(file, "here", TEXT)
    with pytest.raises(InvalidSecretError, match="here has invalid content"):
        read_secret_file(Path("/dev/zero"), "here", LINE)
    with pytest.raises(InvalidSecretError, match="here cannot be read: Is a directory"):
        read_secret_file(tmp_path, "here", TEXT)


@CASES
@given(
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80),
    space=st.text(" \t\r\n"),
)
def test_written_secret_is_read_back_from_variable_and_file(
    tmp_path_factory: pytest.TempPathFactory, secret: str, space: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "secret"
    file.write_bytes((space + secret + space).encode())
    assert read_secret_file(file, "here", WORD).secret == secret
    assert read_secret_variable("X", "here", WORD, {"X": space + secret + space}) == secret


@CASES
@given(text=st.text(max_size=100), form=st.sampled_from([EXACT, TEXT, LINE, WORD]))
def test_any_text_is_a_secret_or_an_error_without_it(text: str, form: SecretForm) -> None:
    error = ""
    try:
        secret = parse_secret(text, "PLACE", form)
    except InvalidSecretError as refused:
        error = str(refused)
    else:
        assert secret == (text if form == EXACT else text.strip())
    assert error in {
        "",
        "PLACE is empty or not set; store the secret there",
        f"PLACE has invalid content; it must be {form.allowed}, at most 65536 characters",
    }


def test_files_that_others_can_read_are_named_except_credentials_of_systemd(tmp_path: Path) -> None:
    token, credential = tmp_path / "token", tmp_path / "credentials" / "token"
    credential.parent.mkdir()
    for path in (token, credential):
        path.write_text("s3cret")
        path.chmod(0o640)
    paths = [token, credential, token, tmp_path / "missing"]
    assert len(find_readable_secrets(paths, {})) == 2
    (warning,) = find_readable_secrets(paths, {"CREDENTIALS_DIRECTORY": str(credential.parent)})
    assert warning.endswith(f"chmod 600 {token}")
    token.chmod(0o600)
    assert find_readable_secrets([token], {}) == []
