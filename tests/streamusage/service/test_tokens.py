"""The tokens file, the admin token created without one, and that no token is ever shown."""

import hashlib
import stat
from pathlib import Path

import pytest

from streamusage.service.tokens import Identity, TokensError, load_or_create_admin_token, read_tokens

SECRET = "s3cret-never-shown"


def write_tokens(directory: Path, text: str) -> Path:
    path = directory / "tokens.toml"
    path.write_text(text)
    return path


def test_tokens_come_from_values_the_environment_and_digests(tmp_path: Path) -> None:
    path = write_tokens(
        tmp_path,
        f"""
        [[token]]
        value = "{SECRET}"
        role = "admin"
        name = "boss"
        [[token]]
        value_env = "VIEWER"
        role = "viewer"
        [[token]]
        sha256 = "{hashlib.sha256(b"agent's").hexdigest().upper()}"
        role = "agent"
        server = "edge-1"
        """,
    )
    tokens = read_tokens(path, {"VIEWER": "from the environment"})
    assert tokens.identify(SECRET) == Identity("boss", "admin")
    assert tokens.identify("from the environment") == Identity("token 2", "viewer")
    assert tokens.identify("agent's") == Identity("token 3", "agent", "edge-1")
    for wrong in ("", "s3cret", SECRET + " ", "VIEWER", "\ud800", "ü"):
        assert tokens.identify(wrong) is None
    assert SECRET not in repr(vars(tokens))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["token"]),
        ("[token]\nvalue = 'X'", ["token"]),
        ("[[token]]\nvalue = 'X'", ["entry 1", "role"]),
        ("[[token]]\nvalue = 'X'\nrole = 'root'", ["entry 1", "role", "'admin', 'viewer' or 'agent'"]),
        ("[[token]]\nvalue = 'X'\nrole = 'agent'", ["entry 1", "server"]),
        ("[[token]]\nvalue = 'X'\nrole = 'admin'\nserver = 'edge-1'", ["entry 1", "server"]),
        ("[[token]]\nrole = 'admin'", ["entry 1", "value, value_env and sha256"]),
        ("[[token]]\nvalue = 'X'\nvalue_env = 'Y'\nrole = 'admin'", ["entry 1", "value, value_env and sha256"]),
        ("[[token]]\nvalue_env = 'UNSET'\nrole = 'admin'", ["token 1", "value_env", "UNSET"]),
        ("[[token]]\nsha256 = 'X'\nrole = 'admin'", ["entry 1", "sha256"]),
        ("[[token]]\nvalue = 'A'\nrole = 'admin'\n[[token]]\nvalue = ''\nrole = 'admin'", ["entry 2", "value"]),
        ("[[token]]\nvalue = 'X'\nrole = 'admin'\n[[token]]\nvalue = 'X'\nrole = 'viewer'", ["token 2", "duplicate"]),
        ("[[token]]\nvalue = 'X'\nrole = 'admin'\nrank = 1", ["entry 1", "rank"]),
        ("[[token]]\nvalue = X", ["line 2"]),
        ("[[token]]\nvalue = ['X']\nrole = 'admin'", ["entry 1", "value"]),
    ],
)
def test_error_names_file_entry_and_key_and_never_the_token(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = write_tokens(tmp_path, text.replace("X", SECRET))
    with pytest.raises(TokensError) as raised:
        read_tokens(path, {})
    assert all(part in str(raised.value) for part in [str(path), *parts]), str(raised.value)
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None or raised.value.__suppress_context__


def test_unreadable_tokens_file_reports_the_cause(tmp_path: Path) -> None:
    with pytest.raises(TokensError, match="No such file"):
        read_tokens(tmp_path / "none.toml", {})
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(TokensError, match="UTF-8"):
        read_tokens(tmp_path / "binary.toml", {})


def test_admin_token_is_created_once_and_readable_by_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "admin-token"
    tokens, created = load_or_create_admin_token(path)
    assert created
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    token = path.read_text().strip()
    assert len(token) >= 32
    assert tokens.identify(token) == Identity("admin", "admin")
    again, created = load_or_create_admin_token(path)
    assert not created
    assert again.identify(token) is not None
    path.write_text("")
    with pytest.raises(TokensError, match="empty"):
        load_or_create_admin_token(path)
