"""Settings: flags, environment and the profiles of `config.toml` merged into one value, which console and commands use.

A flag overrides the environment, and the environment the default profile. A profile named by `--profile` is a flag: its
url and token override the environment's, so that no forgotten variable directs a command at another service. A
profile's token is sent only to that profile's own url.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

import msgspec

from streamusage.client.api_version import ApiVersion
from streamusage.core.days import UnknownZoneError, zone
from streamusage.core.local_service import data_directory, find_token_file
from streamusage.core.secrets import WORD, SecretError, parse_secret, read_secret_file, read_secret_variable
from tui.config.hidden_token import HiddenToken
from tui.config.paths import config_path
from tui.config.plain_config import read_plain
from tui.config.profiles import (
    DEFAULT_LARGEST_ANSWER_MB,
    DEFAULT_POLL_INTERVAL_S,
    DEFAULT_URL,
    NO_ALERTS,
    Alerts,
    Config,
    Profile,
    checked_url,
)
from tui.config.theme_names import ThemeName

TOKEN_FORM = WORD._replace(longest=4096)


class SettingsError(Exception):
    """A setting is unusable. The text names its source and what is allowed."""


class _Route(NamedTuple):
    """How the service is reached, from one source; `None` where it does not say."""

    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    proxy: str | None = None


class _Environment(NamedTuple):
    """Settings of the environment; an empty variable counts as unset."""

    url: str | None
    token: HiddenToken | None
    display_stage: bool | None
    route: "_Route"


UTC = zone("UTC")


class Appearance(NamedTuple):
    """How the console is drawn, and its keys: what holds for a recording, too."""

    theme: ThemeName
    display_stage: bool
    keys: Mapping[str, str]


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line can set, under the names of its options; `None` where it is not given."""

    url: str | None = None
    token_file: Path | None = None
    profile: str | None = None
    api_version: ApiVersion | None = None
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    proxy: str | None = None
    read_only: bool = False
    tz: str | None = None
    theme: ThemeName | None = None
    display_stage: bool | None = None


class ConnectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The resolved settings: the connection to a service, and how the console shows it."""

    url: str = DEFAULT_URL
    """Without a trailing slash."""
    url_from: str = "the default"
    """Source of the url, as text."""
    token: HiddenToken | None = None
    token_from: str = "nowhere"
    """Source of the token, as text."""
    token_file: Path | None = None
    """The file that the token was read from."""
    token_env: str | None = None
    """The environment variable that the token was read from."""
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    proxy: str | None = None
    route_from: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Source of each of the four settings before that is set, as text."""
    profile: str | None = None
    """The profile's name; `None` without a profile."""
    api_version: ApiVersion = "4.0"
    read_only: bool = False
    poll_interval_s: float = DEFAULT_POLL_INTERVAL_S
    largest_answer_mb: int = DEFAULT_LARGEST_ANSWER_MB
    tz: ZoneInfo = UTC
    alerts: Alerts = NO_ALERTS
    theme: ThemeName = "dark"
    display_stage: bool = True
    """Whether only the cells of the screen that changed are sent to the terminal."""
    keys: Mapping[str, str] = msgspec.field(default_factory=dict)
    """The user's own keys, by action."""
    profiles: Mapping[str, str] = msgspec.field(default_factory=dict)
    """The url of every profile."""
    services: "tuple[ConnectionSettings, ...]" = ()
    """The settings of each service where a console shows several; its own url and token are empty then."""

    @property
    def host(self) -> str:
        """Host and port of the service."""
        return urlsplit(self.url).netloc


def resolve(flags: Flags, *, warn: Callable[[str], None], is_one_of_several: bool = False) -> ConnectionSettings:
    """Return the settings of flags, environment and `config.toml`. `warn` receives warnings.

    For one of several services, url, token and route of the environment are left out: they are meant for one service.

    Raises `SettingsError`; no request is made.
    """
    config, environment = load_config(), _environment()
    if is_one_of_several:
        environment = _Environment(None, None, environment.display_stage, _Route())
    name, chosen = _choose_profile(flags, config)
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
    token: HiddenToken | None
    token_file: Path | None = None
    if flags.token_file is not None:
        token_file = flags.token_file.expanduser()
        token, token_from = read_token(token_file, warn), "--token-file"
    elif flags.profile is not None or environment.token is None:
        token, token_from = _profile_token(of_profile, warn), f"profile {name}"
        token_file = _beside_config(of_profile.token_file)
        if token is None:
            token, token_from = _environment_token(environment), "STREAMTOP_TOKEN"
    else:
        token, token_from = _environment_token(environment), "STREAMTOP_TOKEN"
    if token is None and (own := find_token_file(checked, data_directory())) is not None:
        with suppress(SettingsError):  # the service is starting, or its file is gone
            token, token_from, token_file = read_token(own, warn), "streamtop serve on this machine", own

    route, route_from = _choose_route(flags, environment.route, of_profile, name)
    return ConnectionSettings(
        url=checked,
        url_from=url_from,
        token=token,
        token_from=token_from if token is not None else "nowhere",
        token_file=token_file.absolute() if token_file is not None and token is not None else None,
        token_env=of_profile.token_env if token_from == f"profile {name}" else None,
        **route._asdict(),
        route_from=route_from,
        profile=name,
        api_version=flags.api_version or chosen.api_version,
        read_only=flags.read_only or chosen.read_only,
        poll_interval_s=chosen.poll_interval,
        largest_answer_mb=chosen.largest_answer_mb,
        tz=times_in,
        alerts=chosen.alerts,
        **_appearance(flags, environment, chosen, config)._asdict(),
        profiles={known: profile.url for known, profile in config.profiles.items()},
    )


def resolve_appearance(flags: Flags) -> Appearance:
    """Return how a console without a service is drawn. Raises `SettingsError`."""
    config = load_config()
    return _appearance(flags, _environment(), _choose_profile(flags, config)[1], config)


def _appearance(flags: Flags, environment: _Environment, chosen: Profile, config: Config) -> Appearance:
    stage = next(
        known for known in (flags.display_stage, environment.display_stage, chosen.display_stage) if known is not None
    )
    return Appearance(flags.theme or chosen.theme, stage, config.keys)


def _choose_profile(flags: Flags, config: Config) -> tuple[str | None, Profile]:
    """Return the name of the profile, and the profile. Raises `SettingsError`."""
    name = flags.profile or config.default_profile
    if name is None:
        return None, Profile()
    if name not in config.profiles:
        raise SettingsError(describe_unknown_profile(name, config, named_by_flag=flags.profile is not None))
    return name, config.profiles[name]


def _choose_route(
    flags: Flags, of_environment: _Route, of_profile: Profile, name: str | None
) -> tuple[_Route, dict[str, str]]:
    """Return each setting from the first source that has it, and the sources. A profile named by a flag counts as one.

    Raises `SettingsError`. A certificate is never joined with the key of a later source.
    """
    in_profile = _Route(
        ca_file=_beside_config(of_profile.ca_file),
        client_cert=_beside_config(of_profile.client_cert),
        client_key=_beside_config(of_profile.client_key),
        proxy=of_profile.proxy,
    )
    given = _Route(flags.ca_file, flags.client_cert, flags.client_key, flags.proxy)
    sources: list[tuple[Callable[[str], str], _Route]] = [
        (lambda setting: f"--{setting.replace('_', '-')}", given),
        (lambda setting: f"STREAMTOP_{setting.upper()}", of_environment),
    ]
    sources.insert(1 if flags.profile is not None else 2, (lambda _setting: f"profile {name}", in_profile))
    route, route_from = _Route(), dict[str, str]()
    for source_of, values in sources:
        has_certificate = route.client_cert is not None
        for setting, value in values._asdict().items():
            if value is None or setting in route_from or (setting == "client_key" and has_certificate):
                continue
            route_from[setting] = source_of(setting)
            if isinstance(value, Path):
                value = value.expanduser()
            elif values is not in_profile:  # whose addresses were checked with its file
                try:
                    value = checked_url(value)
                except ValueError as error:
                    raise SettingsError(f"{route_from[setting]}: {error}") from None
            route = route._replace(**{setting: value})
    return route, route_from


def _beside_config(file: Path | None) -> Path | None:
    return None if file is None else config_path().parent / file.expanduser()


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def load_config() -> Config:
    """Return the profiles of `config.toml`; none without the file. Raises `SettingsError`."""
    document = load_document()
    plain = read_plain(document)
    if plain is not None:
        return plain
    from tui.config.validation import InvalidConfigError, validate

    try:
        return validate(document)
    except InvalidConfigError as error:
        raise SettingsError(f"{config_path()}: {error}") from None


def load_document() -> dict[str, Any]:
    """Return `config.toml` as it is written; nothing without the file. Raises `SettingsError`."""
    path = config_path()
    try:
        if not path.is_file():
            return {}
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text: a bad byte at position {error.start}") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None


def read_token(path: Path, warn: Callable[[str], None]) -> HiddenToken:
    """Return the token of a file, a single line. Warns if other users of this machine can read the file.

    Raises `SettingsError`, which names the file and never its content.
    """
    try:
        token, others_can_read = read_secret_file(path, f"token file {path}", TOKEN_FORM)
    except SecretError as error:
        raise SettingsError(str(error)) from None
    if others_can_read:
        warn(f"token file {path} is readable by other users of this machine; run chmod 600 {path}")
    return HiddenToken(token)


def _profile_token(profile: Profile, warn: Callable[[str], None]) -> HiddenToken | None:
    if profile.token_file is not None:
        return read_token(config_path().parent / profile.token_file.expanduser(), warn)
    if profile.token_env is not None:
        place = f"{config_path()}: environment variable {profile.token_env} (token_env)"
        try:
            return HiddenToken(read_secret_variable(profile.token_env, place, TOKEN_FORM))
        except SecretError as error:
            raise SettingsError(str(error)) from None
    return None


def _environment_token(environment: _Environment) -> HiddenToken | None:
    if environment.token is None:
        return None
    try:
        return HiddenToken(
            parse_secret(environment.token.get_secret_value(), "environment variable STREAMTOP_TOKEN", TOKEN_FORM)
        )
    except SecretError as error:
        raise SettingsError(str(error)) from None


_VARIABLES = frozenset(
    f"streamtop_{name}" for name in ("url", "token", "display_stage", "ca_file", "client_cert", "client_key", "proxy")
)


def _same_service(one: str, other: str) -> bool:
    return _origin(urlsplit(one)) == _origin(urlsplit(other))


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _environment(variables: Mapping[str, str] | None = None) -> _Environment:
    """Return the settings of the environment. Names of variables may have any case; raises `SettingsError`."""
    found = {
        name.lower(): value
        for name, value in (os.environ if variables is None else variables).items()
        if value and name.lower() in _VARIABLES
    }
    if not all(_is_text(value) for value in found.values()):
        raise SettingsError("environment: STREAMTOP_URL and STREAMTOP_TOKEN must be UTF-8 text")
    token, stage = found.get("streamtop_token"), found.get("streamtop_display_stage")
    return _Environment(
        url=found.get("streamtop_url"),
        token=None if token is None else HiddenToken(token),
        display_stage=None if stage is None else _is_on("STREAMTOP_DISPLAY_STAGE", stage),
        route=_Route(
            ca_file=_path(found.get("streamtop_ca_file")),
            client_cert=_path(found.get("streamtop_client_cert")),
            client_key=_path(found.get("streamtop_client_key")),
            proxy=found.get("streamtop_proxy"),
        ),
    )


def _is_on(variable: str, text: str) -> bool:
    word = text.strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off"):
        return False
    raise SettingsError(f"environment variable {variable}: {text!r} is not on or off")


def _is_text(value: str) -> bool:
    """Return whether a variable is valid UTF-8: bytes that are not arrive as surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def describe_unknown_profile(name: str, config: Config, *, named_by_flag: bool) -> str:
    """Return what is wrong with the name of a profile, and which profiles there are."""
    from tui.model.suggestions import did_you_mean

    known = ", ".join(config.profiles) or "none"
    named = "no profile" if named_by_flag else "default_profile: no profile"
    close = did_you_mean(name, config.profiles)
    text = f"{config_path()}: {named} is named {name!r}{close or ';'} known: {known}"
    return text if config.profiles else f"{text}; add one as a table [profiles.NAME] with a url"
