"""Address and token from arguments, the environment and this machine."""

import os
from pathlib import Path

import pytest

from streamusage import Client, InvalidAddressError, InvalidArgumentError, SecretError
from streamusage.core.local_service import TOKEN_FILE, note_address
from streamusage.library.connecting import DEFAULT_URL, find_token, find_url


def token_of(*arguments: object, **environment: str) -> str:
    found = find_token(*arguments, environment=environment)  # type: ignore[arg-type]
    return found() if callable(found) else found


def test_address_is_the_given_one_then_that_of_the_environment_then_the_default() -> None:
    assert find_url("http://sm", {"STREAMTOP_URL": "http://other"}) == "http://sm"
    assert find_url(None, {"STREAMTOP_URL": "http://other"}) == "http://other"
    assert find_url(None, {}) == DEFAULT_URL


def test_token_file_is_read_for_each_request(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    read = find_token("http://sm", None, file, environment={"STREAMTOP_TOKEN": "of-environment"})
    assert callable(read)
    assert read() == "first"
    file.write_text("second\n")
    assert read() == "second"


def test_token_of_the_environment_is_used_if_none_is_given() -> None:
    assert token_of("http://sm", None, None, STREAMTOP_TOKEN=" of-environment\n") == "of-environment"
    assert token_of("http://sm", "given", None, STREAMTOP_TOKEN="of-environment") == "given"
    assert token_of("http://sm", "", None, STREAMTOP_TOKEN="of-environment") == ""


def test_token_of_this_users_own_service_is_found(tmp_path: Path) -> None:
    with note_address("http://127.0.0.1:5099", tmp_path):
        (tmp_path / TOKEN_FILE).write_text("of-machine")
        find = find_token("http://127.0.0.1:5099/", None, None, {}, tmp_path)
        assert callable(find)
        assert find() == "of-machine"
        other = find_token("http://127.0.0.1:5098", None, None, {}, tmp_path)
        assert callable(other)
        assert other() == ""
    assert os.listdir(tmp_path) == [TOKEN_FILE]


@pytest.mark.parametrize("content", [None, "", "two words", "s3cret\x1b"])
def test_unusable_token_file_is_an_error_at_once_that_names_the_file_only(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SecretError, match=str(file)) as raised:
        Client("http://sm", token_file=file)
    assert "s3cret" not in str(raised.value)


def test_token_and_token_file_together_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="both given"):
        Client("http://sm", token="a", token_file="b")


@pytest.mark.parametrize("options", [{"timeout_seconds": 0}, {"computing_seconds": -1}])
def test_time_limit_must_be_above_zero(options: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError, match="above 0"):
        Client("http://sm", token="a", **options)  # type: ignore[arg-type]


def test_unusable_address_is_an_error_at_once() -> None:
    with pytest.raises(InvalidAddressError, match="http://"):
        Client("ftp://sm", token="a")
