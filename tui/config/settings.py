"""Settings: flags, environment and the profiles of `config.toml` merged into one value, which console and commands use.

A flag overrides the environment, and the environment the default profile. A profile named by `--profile` is a flag: its
url and token override the environment's, so that no forgotten variable directs a command at another service. A
profile's token is sent only to that profile's own url.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

import platformdirs
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from streamusage.client.api_version import ApiVersion
from streamusage.core.days import UnknownZoneError, zone
from streamusage.core.durations import parse_duration_ms
from streamusage.core.secrets import WORD, SecretError, parse_secret, read_secret_file, read_secret_variable
from tui.config.theme_names import ThemeName

DEFAULT_URL = "http://127.0.0.1:5080"
DEFAULT_POLL_INTERVAL_S = 2.0
_TOKEN = WORD._replace(longest=4096)


class SettingsError(Exception):
    """A setting is unusable. The text names its source and what is allowed."""


def config_path() -> Path:
    """Return the path of the profiles."""
    return platformdirs.user_config_path("streamtop") / "config.toml"


def _seconds_between(shortest: str, longest: str) -> BeforeValidator:
    """Return a validator that reads `2`, `"2s"`, `"500ms"` or `"1m30s"` as seconds; pydantic refuses other types."""

    def seconds_of(value: object) -> object:
        if not isinstance(value, str | int | float):
            return value
        text = value if isinstance(value, str) else str(int(value) if isinstance(value, bool) else value)
        return parse_duration_ms(text, default_unit="s", shortest=shortest, longest=longest) / 1000

    return BeforeValidator(seconds_of)


def _known_zone(value: str) -> str:
    return zone(value).key


def checked_url(text: str) -> str:
    """Return the url of a service without a trailing slash. Raises `ValueError`, which does not repeat the url."""
    try:
        parts = urlsplit(text.strip())
        _ = parts.port
    except ValueError:
        raise ValueError(f"not a url; one looks like {DEFAULT_URL}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"a url starts with http:// or https:// and a host, such as {DEFAULT_URL}")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError(
            "only scheme, host, port and path belong in a url; a token comes from --token-file or STREAMTOP_TOKEN"
        )
    if not text.isprintable():
        raise ValueError("the url holds a control character")
    return parts.geturl().rstrip("/")


class Alerts(BaseModel):
    """Alerts about open gaps: the table `[profiles.NAME.alerts]` of `config.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)

    after: Annotated[float, _seconds_between("1s", "24h")] = 60.0
    """Missing time of a server before the alert: seconds, or text such as "5m"."""
    bell: bool = False
    """Rings the terminal's bell."""
    notify: Literal["none", "osc777", "osc9"] = "none"
    """The terminal's own notification: OSC 777 (foot, kitty, WezTerm, VTE) or OSC 9 (iTerm2, Windows Terminal)."""
    command: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """A program and its arguments, run when an alert is raised and when it is cleared; STREAMTOP_ALERT,
    STREAMTOP_ALERT_SERVER, STREAMTOP_ALERT_OWED_MS and STREAMTOP_ALERT_TEXT in its environment describe it."""


class Profile(BaseModel):
    """One service: the table `[profiles.NAME]` of `config.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)

    url: Annotated[str, AfterValidator(checked_url)] = DEFAULT_URL
    """URL of the service: scheme, host, port."""
    token_file: Path | None = None
    """The file with the token; a relative path is relative to the folder of `config.toml`."""
    token_env: str | None = None
    """The environment variable with the token."""
    ca_file: Path | None = None
    """Certificates of a private authority, to trust for this service; relative to the folder of `config.toml`."""
    proxy: Annotated[str, AfterValidator(checked_url)] | None = None
    """HTTP proxy for this service, without a login; by default HTTPS_PROXY and related variables."""
    api_version: ApiVersion = "4.0"
    """Version of the documented API."""
    read_only: bool = False
    """Deletes and imports are refused."""
    poll_interval: Annotated[float, _seconds_between("100ms", "1h")] = DEFAULT_POLL_INTERVAL_S
    """Poll interval of the console: seconds, or text such as "2s"."""
    tz: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    """The time zone of times and accounting days."""
    alerts: Alerts = Alerts()
    """Alerts about open gaps."""
    theme: ThemeName = "dark"
    """Theme of the console, to distinguish services at a glance."""
    display_stage: bool = True
    """Sends only the cells of the screen that changed to the terminal."""


class Config(BaseSettings):
    """The content of `config.toml`."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    default_profile: str | None = None
    """The profile used if none is named."""
    profiles: dict[str, Profile] = {}
    keys: dict[str, str] = {}
    """Keys of the console by action, with commas between: `streamtop config --keys` lists the actions."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read `config.toml` only: no environment, no dotenv file."""
        return (TomlConfigSettingsSource(settings_cls, config_path()),)


class Environment(BaseSettings):
    """Settings of the environment; an empty variable counts as unset."""

    model_config = SettingsConfigDict(env_prefix="STREAMTOP_", env_ignore_empty=True, hide_input_in_errors=True)

    url: str | None = None
    token: SecretStr | None = None
    display_stage: bool | None = None


UTC = zone("UTC")
NO_ALERTS = Alerts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What the command line can set, under the names of its options; `None` where it is not given."""

    url: str | None = None
    token_file: Path | None = None
    profile: str | None = None
    api_version: ApiVersion | None = None
    read_only: bool = False
    tz: str | None = None
    theme: ThemeName | None = None
    display_stage: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """The resolved settings: the connection to a service, and how the console shows it."""

    url: str = DEFAULT_URL
    """Without a trailing slash."""
    url_from: str = "the default"
    """Source of the url, as text."""
    token: SecretStr | None = None
    token_from: str = "nowhere"
    """Source of the token, as text."""
    ca_file: Path | None = None
    proxy: str | None = None
    profile: str | None = None
    """The profile's name; `None` without a profile."""
    api_version: ApiVersion = "4.0"
    read_only: bool = False
    poll_interval_s: float = DEFAULT_POLL_INTERVAL_S
    tz: ZoneInfo = UTC
    alerts: Alerts = NO_ALERTS
    theme: ThemeName = "dark"
    display_stage: bool = True
    """Whether only the cells of the screen that changed are sent to the terminal."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """The user's own keys, by action."""
    profiles: Mapping[str, str] = field(default_factory=dict)
    """The url of every profile."""

    @property
    def host(self) -> str:
        """Host and port of the service."""
        return urlsplit(self.url).netloc


def resolve(flags: Flags, *, warn: Callable[[str], None]) -> ConnectionSettings:
    """Return the settings of flags, environment and `config.toml`. `warn` receives warnings.

    Raises `SettingsError`; no request is made.
    """
    config, environment = load_config(), _environment()
    name = flags.profile or config.default_profile
    if name is not None and name not in config.profiles:
        raise SettingsError(_no_such_profile(name, config, named_by_flag=flags.profile is not None))
    chosen = config.profiles[name] if name is not None else Profile()

    if flags.url is not None:
        used, url_from = flags.url, "--url"
    elif flags.profile is not None:
        used, url_from = chosen.url, f"profile {flags.profile}"
    elif environment.url is not None:
        used, url_from = environment.url, "STREAMTOP_URL"
    elif name is not None:
        used, url_from = chosen.url, f"profile {name}"
    else:
        used, url_from = DEFAULT_URL, "the default"
    try:
        checked = checked_url(used)
        times_in = zone(flags.tz or chosen.tz)
    except UnknownZoneError as error:
        raise SettingsError(str(error)) from None
    except ValueError as error:
        raise SettingsError(f"{url_from}: {error}") from None

    of_profile = chosen if _same_service(checked, chosen.url) else Profile()
    token: SecretStr | None
    if flags.token_file is not None:
        token, token_from = read_token(flags.token_file.expanduser(), warn), "--token-file"
    elif flags.profile is not None or environment.token is None:
        token, token_from = _profile_token(of_profile, warn), f"profile {name}"
        if token is None:
            token, token_from = _environment_token(environment), "STREAMTOP_TOKEN"
    else:
        token, token_from = _environment_token(environment), "STREAMTOP_TOKEN"

    return ConnectionSettings(
        url=checked,
        url_from=url_from,
        token=token,
        token_from=token_from if token is not None else "nowhere",
        ca_file=None if of_profile.ca_file is None else config_path().parent / of_profile.ca_file.expanduser(),
        proxy=of_profile.proxy,
        profile=name,
        api_version=flags.api_version or chosen.api_version,
        read_only=flags.read_only or chosen.read_only,
        poll_interval_s=chosen.poll_interval,
        tz=times_in,
        alerts=chosen.alerts,
        theme=flags.theme or chosen.theme,
        display_stage=next(
            known
            for known in (flags.display_stage, environment.display_stage, chosen.display_stage)
            if known is not None
        ),
        keys=config.keys,
        profiles={known: profile.url for known, profile in config.profiles.items()},
    )


def load_config() -> Config:
    """Return the profiles of `config.toml`; none without the file. Raises `SettingsError`."""
    path = config_path()
    try:
        return Config()
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text: a bad byte at position {error.start}") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        wrong = "; ".join(f"{_key(item['loc'])}: {_reason(item['type'], item['msg'])}" for item in error.errors())
        raise SettingsError(f"{path}: {wrong}") from None


def read_token(path: Path, warn: Callable[[str], None]) -> SecretStr:
    """Return the token of a file, a single line. Warns if other users of this machine can read the file.

    Raises `SettingsError`, which names the file and never its content.
    """
    try:
        token, others_can_read = read_secret_file(path, f"token file {path}", _TOKEN)
    except SecretError as error:
        raise SettingsError(str(error)) from None
    if others_can_read:
        warn(f"token file {path} is readable by other users of this machine; run chmod 600 {path}")
    return SecretStr(token)


def _profile_token(profile: Profile, warn: Callable[[str], None]) -> SecretStr | None:
    if profile.token_file is not None:
        return read_token(config_path().parent / profile.token_file.expanduser(), warn)
    if profile.token_env is not None:
        place = f"{config_path()}: environment variable {profile.token_env} (token_env)"
        try:
            return SecretStr(read_secret_variable(profile.token_env, place, _TOKEN))
        except SecretError as error:
            raise SettingsError(str(error)) from None
    return None


def _environment_token(environment: Environment) -> SecretStr | None:
    if environment.token is None:
        return None
    try:
        return SecretStr(
            parse_secret(environment.token.get_secret_value(), "environment variable STREAMTOP_TOKEN", _TOKEN)
        )
    except SecretError as error:
        raise SettingsError(str(error)) from None


def _same_service(one: str, other: str) -> bool:
    return _origin(urlsplit(one)) == _origin(urlsplit(other))


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _environment() -> Environment:
    try:
        return Environment()
    except ValidationError as error:
        wrong = error.errors()[0]
        raise SettingsError(f"environment variable STREAMTOP_{_key(wrong['loc']).upper()}: {wrong['msg']}") from None


def _no_such_profile(name: str, config: Config, *, named_by_flag: bool) -> str:
    known = ", ".join(config.profiles) or "none"
    named = "no profile" if named_by_flag else "default_profile: no profile"
    return f"{config_path()}: {named} is named {name!r}; known: {known}"


def _key(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)


def _reason(kind: str, message: str) -> str:
    return "unknown setting" if kind == "extra_forbidden" else message.removeprefix("Value error, ")
