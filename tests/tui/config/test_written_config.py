"""`streamtop config` as a file: saved as `config.toml`, it gives the same settings."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from tui.commands.config import _meanings
from tui.config.profiles import Config
from tui.config.settings import ConnectionSettings, Flags, load_config, load_document, resolve
from tui.config.toml_text import toml_key, toml_value
from tui.config.written_config import write_config

SOURCES = {"url_from", "token_from", "route_from", "profile", "token_file", "token_env", "profiles"}
"""Fields that name where a setting comes from."""
TOKEN = "s3cret-of-a-test"

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
profile_settings = st.fixed_dictionaries(
    {},
    optional={
        "url": st.sampled_from(["http://a:5080", "https://b.example.net/base", "http://127.0.0.1:9"]),
        "token_file": st.just("a-token"),
        "ca_file": st.sampled_from(["ca.pem", "/etc/ssl/own ca.pem"]),
        "client_cert": st.just("cert.pem"),
        "proxy": st.just("http://proxy:3128"),
        "api_version": st.sampled_from(["3.1", "4.0"]),
        "read_only": st.booleans(),
        "poll_interval": st.sampled_from(["5s", 3, 2.5, "1m30s"]),
        "largest_answer_mb": st.integers(1, 1000),
        "tz": st.sampled_from(["Europe/Berlin", "UTC"]),
        "theme": st.sampled_from(["dark", "light"]),
        "display_stage": st.booleans(),
        "alerts": st.fixed_dictionaries(
            {}, optional={"after": st.just("5m"), "bell": st.booleans(), "command": st.lists(names, max_size=2)}
        ),
    },
)
documents = st.fixed_dictionaries(
    {"profiles": st.dictionaries(names, profile_settings, max_size=3)},
    optional={"keys": st.dictionaries(st.sampled_from(["gaps", "servers", "move(1)"]), st.just("w,f9"), max_size=2)},
)
environments = st.fixed_dictionaries(
    {},
    optional={
        "STREAMTOP_URL": st.sampled_from(["http://a:5080", "http://other:1"]),
        "STREAMTOP_TOKEN": st.just(TOKEN),
        "STREAMTOP_CA_FILE": st.just("/etc/other.pem"),
        "STREAMTOP_PROXY": st.just("http://proxy2:1"),
        "STREAMTOP_DISPLAY_STAGE": st.sampled_from(["off", "on"]),
    },
)


def as_toml(document: dict[str, object], path: tuple[str, ...] = ()) -> str:
    plain = [f"{toml_key(k)} = {toml_value(v)}" for k, v in document.items() if not isinstance(v, dict)]  # type: ignore[arg-type]
    tables = [as_toml(v, (*path, k)) for k, v in document.items() if isinstance(v, dict)]
    return "\n".join([f"[{toml_key(*path)}]" if path else "", *plain, *tables])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `config.toml`, in an environment without settings, and no service on this machine."""
    for name in ("URL", "TOKEN", "CA_FILE", "PROXY", "DISPLAY_STAGE", "CLIENT_CERT", "CLIENT_KEY"):
        monkeypatch.delenv(f"STREAMTOP_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "streamtop").mkdir()
    token = tmp_path / "streamtop" / "a-token"
    token.write_text("of-the-file\n")
    token.chmod(0o600)
    return tmp_path / "streamtop"


def in_effect(profile: str | None) -> tuple[Config, ConnectionSettings, str]:
    flags = Flags(profile=profile)
    config, connection = load_config(), resolve(flags, warn=lambda words: None)
    lines = write_config(config, load_document(), connection, Path("config.toml"), _meanings)
    return config, connection, "\n".join(lines)


def without_sources(connection: ConnectionSettings) -> dict[str, object]:
    return {field.name: getattr(connection, field.name) for field in fields(connection) if field.name not in SOURCES}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents, environments, st.data())
def test_saved_file_gives_the_same_settings(
    folder: Path, document: dict[str, object], environment: dict[str, str], data: st.DataObject
) -> None:
    profiles = list(document["profiles"])  # type: ignore[call-overload]
    if profiles and data.draw(st.booleans()):
        document = {"default_profile": data.draw(st.sampled_from(profiles)), **document}
    named = data.draw(st.sampled_from([None, *profiles]))
    file = folder / "config.toml"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        file.write_text(as_toml(document))
        before, connection, written = in_effect(named)
        assert TOKEN not in written
        assert "of-the-file" not in written
        tomllib.loads(written)
        file.write_text(written)
        after, again, rewritten = in_effect(named)
        assert without_sources(again) == without_sources(connection)
        assert {name: after.profiles[name] for name in before.profiles if name != connection.profile} == {
            name: profile for name, profile in before.profiles.items() if name != connection.profile
        }
        assert after.keys == before.keys
        assert before.default_profile in (None, after.default_profile)
        file.write_text(rewritten)
        assert without_sources(in_effect(named)[1]) == without_sources(connection)
