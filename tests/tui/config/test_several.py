"""Several profiles in one console: each keeps its own url and token, and nothing of one is used for another."""

from pathlib import Path

import pytest

from tui.config.settings import ConnectionSettings, Flags, SettingsError
from tui.config.several import resolve_services, split_profiles

CONFIG = """
[profiles.eu]
url = "http://eu.example.net:5080"
token_file = "eu-token"
read_only = true

[profiles.us]
url = "http://us.example.net:5080"
token_file = "us-token"

[profiles.ap]
url = "http://ap.example.net:5080"
"""


@pytest.fixture(autouse=True)
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("STREAMTOP_TOKEN", "of-another-service")
    monkeypatch.setenv("STREAMTOP_URL", "http://other.example.net")
    monkeypatch.setenv("STREAMTOP_PROXY", "http://proxy.example.net")
    folder = tmp_path / "streamtop"
    folder.mkdir()
    (folder / "config.toml").write_text(CONFIG)
    for name in ("eu", "us"):
        (folder / f"{name}-token").write_text(f"{name}-secret")
        (folder / f"{name}-token").chmod(0o600)


def resolved(**flags: object) -> ConnectionSettings:
    return resolve_services(Flags(**flags), warn=pytest.fail)  # type: ignore[arg-type]


def test_each_profile_keeps_its_own_url_and_token() -> None:
    services = resolved(profile="eu,us").services
    hosts = {one.profile: one.host for one in services}
    assert hosts == {"eu": "eu.example.net:5080", "us": "us.example.net:5080"}
    assert [one.token and one.token.get_secret_value() for one in services] == ["eu-secret", "us-secret"]


def test_token_and_proxy_of_the_environment_are_used_for_none_of_several() -> None:
    services = resolved(profile="ap,us").services
    assert services[0].token is None
    assert [one.proxy for one in services] == [None, None]


def test_settings_of_several_have_no_url_and_no_token_of_their_own() -> None:
    together = resolved(profile="us,eu")
    assert (together.url, together.token, together.proxy) == ("", None, None)


def test_only_some_read_only_profiles_leave_the_console_writable() -> None:
    together = resolved(profile="eu,us")
    assert not together.read_only
    assert [one.read_only for one in together.services] == [True, False]


def test_read_only_flag_is_that_of_every_service() -> None:
    assert all(one.read_only for one in resolved(profile="eu,us", read_only=True).services)


def test_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"no profile is named 'asia'; known: eu, us, ap"):
        resolved(profile="eu,asia")


@pytest.mark.parametrize("flag", ["url", "token_file", "api_version", "ca_file", "client_cert", "client_key", "proxy"])
def test_flags_of_one_service_are_refused_with_several(flag: str) -> None:
    with pytest.raises(SettingsError, match="belongs to one service"):
        resolved(profile="eu,us", **{flag: "4.0"})


def test_profile_that_is_named_twice_counts_once() -> None:
    assert resolved(profile="eu, eu").services == ()
    assert resolved(profile="eu, eu").profile == "eu"


def test_profile_whose_name_has_a_comma_is_one() -> None:
    assert split_profiles("a,b", ["a", "b", "a,b"]) == ("a,b",)
    assert split_profiles("a, b,", ["a", "b"]) == ("a", "b")
