"""The service that a command connects to and its token, from flags, environment and `config.toml`."""

from pathlib import Path

import pytest

from tui.config.settings import DEFAULT_URL, ConnectionSettings, Flags, SettingsError, resolve

PROD = """
default_profile = "prod"

[profiles.prod]
url = "https://sm.example.net/"
token_file = "prod-token"
api_version = "3.1"
read_only = true
poll_interval = "5s"
tz = "Europe/Berlin"

[profiles.lab]
url = "http://lab:5080"
token_env = "LAB_TOKEN"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty folder of `config.toml`, in an environment without settings."""
    for name in ("STREAMTOP_URL", "STREAMTOP_TOKEN", "LAB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "streamtop"
    folder.mkdir()
    return folder


@pytest.fixture
def prod(home: Path) -> Path:
    (home / "config.toml").write_text(PROD)
    secret(home / "prod-token", "prod-secret")
    return home


def secret(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def connection(**flags: object) -> ConnectionSettings:
    warnings: list[str] = []
    settings = resolve(Flags(**flags), warn=warnings.append)  # type: ignore[arg-type]
    assert warnings == []
    return settings


def token_of(settings: ConnectionSettings) -> str | None:
    return settings.token and settings.token.get_secret_value()


def test_default_connection_is_this_machine(home: Path) -> None:
    settings = connection()
    assert (settings.url, settings.token, settings.profile) == (DEFAULT_URL, None, None)
    assert settings.host == "127.0.0.1:5080"


def test_default_profile_is_used(prod: Path) -> None:
    settings = connection()
    assert (settings.url, token_of(settings), settings.profile) == ("https://sm.example.net", "prod-secret", "prod")
    assert (settings.api_version, settings.read_only) == ("3.1", True)
    assert (settings.poll_interval_s, settings.tz.key) == (5.0, "Europe/Berlin")


def test_largest_answer_is_that_of_the_profile(home: Path) -> None:
    assert connection().largest_answer_mb == 256
    (home / "config.toml").write_text("[profiles.big]\nlargest_answer_mb = 1024")
    assert connection(profile="big").largest_answer_mb == 1024


def test_settings_carry_what_the_console_shows(prod: Path) -> None:
    assert dict(connection().profiles) == {"prod": "https://sm.example.net", "lab": "http://lab:5080"}
    assert connection().theme == "dark"
    assert connection(theme="light").theme == "light"


@pytest.mark.parametrize(
    ("profile", "environment", "flag", "stage"),
    [
        ("", "", None, True),
        ("display_stage = false", "", None, False),
        ("display_stage = false", "true", None, True),
        ("", "0", None, False),
        ("", "false", True, True),
        ("display_stage = true", "1", False, False),
    ],
)
def test_display_stage_is_set_by_flag_then_environment_then_profile(
    home: Path, monkeypatch: pytest.MonkeyPatch, profile: str, environment: str, flag: bool | None, stage: bool
) -> None:
    (home / "config.toml").write_text(f'default_profile = "a"\n[profiles.a]\n{profile}\n')
    monkeypatch.setenv("STREAMTOP_DISPLAY_STAGE", environment)
    assert connection(display_stage=flag).display_stage is stage


def test_wrong_variable_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMTOP_DISPLAY_STAGE", "perhaps")
    with pytest.raises(SettingsError, match="STREAMTOP_DISPLAY_STAGE"):
        connection()


def test_certificates_and_proxy_are_those_of_the_service_of_the_profile(home: Path) -> None:
    (home / "config.toml").write_text(
        '[profiles.a]\nurl = "https://a"\nca_file = "ca.pem"\nproxy = "http://proxy:3128"'
    )
    assert (connection(profile="a").ca_file, connection(profile="a").proxy) == (home / "ca.pem", "http://proxy:3128")
    elsewhere = connection(profile="a", url="https://b")
    assert (elsewhere.ca_file, elsewhere.proxy) == (None, None)


def test_certificates_and_proxy_come_from_flags_then_the_environment_then_the_profile(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "config.toml").write_text(
        'default_profile = "a"\n[profiles.a]\nurl = "https://a"\nca_file = "ca.pem"\n'
        'client_cert = "me.pem"\nclient_key = "me.key"\nproxy = "http://of-profile:1"'
    )
    assert (connection().client_cert, connection().client_key) == (home / "me.pem", home / "me.key")
    monkeypatch.setenv("STREAMTOP_CA_FILE", "/env/ca.pem")
    monkeypatch.setenv("STREAMTOP_CLIENT_CERT", "/env/me.pem")
    monkeypatch.setenv("STREAMTOP_PROXY", "http://of-environment:1")
    found = connection()
    assert (found.ca_file, found.proxy) == (Path("/env/ca.pem"), "http://of-environment:1")
    assert (found.client_cert, found.client_key) == (Path("/env/me.pem"), None), "a key of another certificate"
    assert found.route_from["proxy"] == "STREAMTOP_PROXY"
    assert connection(profile="a").proxy == "http://of-profile:1", "a profile named by a flag counts as a flag"
    found = connection(profile="a", ca_file=Path("flag.pem"), proxy="http://of-flag:1", client_key=Path("flag.key"))
    assert (found.ca_file, found.proxy) == (Path("flag.pem"), "http://of-flag:1")
    assert (found.client_cert, found.client_key) == (home / "me.pem", Path("flag.key"))


def test_wrong_proxy_of_the_environment_is_named_without_its_login(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMTOP_PROXY", "http://porter:s3cret@proxy:1")
    with pytest.raises(SettingsError, match="STREAMTOP_PROXY") as caught:
        connection()
    assert "s3cret" not in str(caught.value)


def test_defaults_of_settings_are_those_without_file_and_environment(home: Path) -> None:
    assert connection() == ConnectionSettings()


def test_environment_overrides_the_default_profile(prod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMTOP_URL", "http://other:1")
    monkeypatch.setenv("STREAMTOP_TOKEN", "from-the-environment")
    settings = connection()
    assert (settings.url, token_of(settings)) == ("http://other:1", "from-the-environment")


def test_flags_override_the_environment(prod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMTOP_URL", "http://other:1")
    monkeypatch.setenv("STREAMTOP_TOKEN", "from-the-environment")
    settings = connection(url="http://flag:2", token_file=secret(prod / "t", "from-a-file\n"))
    assert (settings.url, token_of(settings)) == ("http://flag:2", "from-a-file")


def test_named_profile_overrides_the_environment(prod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMTOP_URL", "http://other:1")
    monkeypatch.setenv("LAB_TOKEN", "lab-secret")
    settings = connection(profile="lab")
    assert (settings.url, token_of(settings)) == ("http://lab:5080", "lab-secret")


@pytest.mark.parametrize("flags", [{"url": "http://elsewhere"}, {"url": "http://sm.example.net", "profile": "prod"}])
def test_token_of_a_profile_is_sent_to_its_own_service_only(prod: Path, flags: dict[str, str]) -> None:
    assert connection(**flags).token is None


def test_empty_environment_variable_counts_as_unset(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMTOP_URL", "")
    monkeypatch.setenv("STREAMTOP_TOKEN", "")
    assert (connection().url, connection().token) == (DEFAULT_URL, None)


def test_token_file_readable_by_others_is_used_with_a_warning(home: Path) -> None:
    warnings: list[str] = []
    resolve(Flags(token_file=secret(home / "t", "xyz", 0o644)), warn=warnings.append)
    assert len(warnings) == 1
    assert str(home / "t") in warnings[0]
    assert "xyz" not in warnings[0]


@pytest.mark.parametrize("content", ["", "\n", "two words", "one\ntwo", "x" * 5000, "caf\xe9"])
def test_token_file_without_exactly_one_token_is_refused(home: Path, content: str) -> None:
    path = home / "t"
    path.write_bytes(content.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(SettingsError, match=str(path)) as caught:
        connection(token_file=path)
    assert not content.strip() or content.strip() not in str(caught.value)


def test_missing_token_file_is_refused(home: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere cannot be read: No such file"):
        connection(token_file=home / "nowhere")


def test_token_is_not_in_the_repr(prod: Path) -> None:
    assert "prod-secret" not in repr(connection())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[profiles.a\n", "line 1"),
        ('x = 1\n[profiles.a]\nurl = "http://h"', "x: unknown setting"),
        ('[profiles.a]\nurll = "http://h"', r"profiles\.a\.urll: unknown setting"),
        ('[profiles.a]\nurl = "h:5080"', r"profiles\.a\.url: a url starts with"),
        ('[profiles.a]\npoll_interval = "soon"', r"profiles\.a\.poll_interval: 'soon' is not a duration"),
        ('[profiles.a]\npoll_interval = "99ms"', r"'99ms' is out of range; expected a duration from 100ms to 1h"),
        ("[profiles.a]\npoll_interval = nan", r"profiles\.a\.poll_interval: 'nan' is not a duration"),
        ("[profiles.a.alerts]\nafter = 86401", r"'86401' is out of range; expected a duration from 1s to 24h"),
        ("[profiles.a]\npoll_interval = 0", r"profiles\.a\.poll_interval"),
        ("[profiles.a]\nlargest_answer_mb = 0", r"profiles\.a\.largest_answer_mb"),
        ('[profiles.a]\ntz = "Mars/Base"', r"profiles\.a\.tz: unknown time zone"),
        ('[profiles.a]\ntz = "Europe/Berln"', r"profiles\.a\.tz: .*; did you mean Europe/Berlin\?"),
        ('[profiles.a]\nproxy = "http://me:pw@proxy"', r"profiles\.a\.proxy"),
        ('[profiles.a]\napi_version = "2.0"', r"profiles\.a\.api_version"),
        ('[profiles.a]\ntoken = "secret"', r"profiles\.a\.token: unknown setting"),
        ('default_profile = "b"\n[profiles.a]\n', "no profile is named 'b'; known: a"),
    ],
)
def test_error_of_an_invalid_config_names_file_and_setting(home: Path, config: str, message: str) -> None:
    (home / "config.toml").write_text(config)
    with pytest.raises(SettingsError, match=message) as error:
        connection()
    assert str(home / "config.toml") in str(error.value)
    assert "secret" not in str(error.value)
