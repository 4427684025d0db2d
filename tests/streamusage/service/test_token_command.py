"""The command `streamtop token new`: what it prints and writes, and that the service accepts the token."""

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streamusage.service.token_command import token
from streamusage.service.tokens import Identity, Tokens, read_tokens


def run_new(*arguments: str | Path) -> Result:
    return CliRunner().invoke(token, ["new", *map(str, arguments)])


def read(path: Path) -> Tokens:
    return read_tokens(path, {})


@pytest.mark.parametrize(
    ("arguments", "identity"),
    [
        ((), Identity("viewer", "viewer")),
        (("--role", "admin", "--name", 'boss "β"'), Identity('boss "β"', "admin")),
        (("--server", "edge-1"), Identity("edge-1", "agent", "edge-1")),
        (("--customer", "Acme"), Identity("Acme", "viewer", None, "Acme")),
    ],
)
def test_printed_entry_is_that_of_the_printed_token(
    tmp_path: Path, arguments: tuple[str, ...], identity: Identity
) -> None:
    result = run_new(*arguments)
    assert result.exit_code == 0
    secret, entry = result.stdout.split("\n", 1)
    assert len(secret) >= 43
    assert secret not in entry
    path = tmp_path / "tokens.toml"
    path.write_text(entry)
    assert read(path).identify(secret) == identity


def test_files_get_token_and_entry_and_output_neither(tmp_path: Path) -> None:
    tokens, first, second = tmp_path / "tokens.toml", tmp_path / "admin", tmp_path / "edge"
    outputs = [
        run_new("--role", "admin", "--tokens", tokens, "--token-file", first),
        run_new("--server", "edge-1", "--tokens", tokens, "--token-file", second),
    ]
    identities = [read(tokens).identify(path.read_text().strip()) for path in (first, second)]
    assert identities == [Identity("admin", "admin"), Identity("edge-1", "agent", "edge-1")]
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tokens, first, second)] == [0o600] * 3
    assert "has 2 now" in outputs[1].stderr
    assert not any(path.read_text().strip() in output.output for path in (first, second) for output in outputs)


def test_appending_keeps_content_mode_and_a_last_line_without_end(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('# ours\n[[token]]\nrole = "admin"\nvalue = "s3cret"')
    tokens.chmod(0o640)
    result = run_new("--tokens", tokens)
    assert tokens.read_text().startswith('# ours\n[[token]]\nrole = "admin"\nvalue = "s3cret"\n\n[[token]]\n')
    assert len(read(tokens)) == 2
    assert stat.S_IMODE(tokens.stat().st_mode) == 0o640
    assert read(tokens).identify(result.stdout.strip()) == Identity("viewer", "viewer")


def test_existing_token_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("in use")
    result = run_new("--token-file", tmp_path / "token", "--tokens", tmp_path / "tokens.toml")
    assert result.exit_code == 2
    assert "exists and is kept; no token was made" in result.stderr
    assert (tmp_path / "token").read_text() == "in use"
    assert not (tmp_path / "tokens.toml").exists()


def test_invalid_tokens_file_is_kept_and_no_token_is_left(tmp_path: Path) -> None:
    (tmp_path / "tokens.toml").write_text("[[tokens]]")
    result = run_new("--tokens", tmp_path / "tokens.toml", "--token-file", tmp_path / "token")
    assert result.exit_code == 2
    assert "is invalid" in result.stderr
    assert (tmp_path / "tokens.toml").read_text() == "[[tokens]]"
    assert not (tmp_path / "token").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--role", "agent"), "needs --server NAME"),
        (("--role", "admin", "--server", "edge-1"), "a token with the role admin has no server"),
        (("--server", "edge-1", "--customer", "Acme"), "a token with the role agent has no customer"),
        (("--server", "no spaces"), "--server must be letters"),
        (("--name", "two\nlines"), "printable"),
        (("--customer", ""), "printable"),
    ],
)
def test_options_that_no_entry_may_have_are_refused(arguments: tuple[str, ...], message: str) -> None:
    result = run_new(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
