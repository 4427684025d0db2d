"""The content of `config.toml`: every setting with its type, its default and its meaning, declared once.

`plain_config` reads the usual values without importing a validator. `validation` builds its models from these
declarations, for everything else.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from streamusage.client.api_version import ApiVersion
from streamusage.core.days import zone
from streamusage.core.durations import parse_duration_ms
from tui.config.theme_names import ThemeName

DEFAULT_URL = "http://127.0.0.1:5080"
DEFAULT_POLL_INTERVAL_S = 2.0
DEFAULT_LARGEST_ANSWER_MB = 256
MOST_LARGEST_ANSWER_MB = 65_536


class CheckedBy:
    """Marks a setting whose value a function checks or converts; it raises `ValueError`. Pydantic knows the method."""

    def __init__(self, check: Callable[[Any], object], *, converts: bool = False) -> None:
        self.check = check
        self.converts = converts
        """Whether the function receives the value of the file, of any type, before its type is checked."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Return pydantic's schema of the setting."""
        from pydantic_core import core_schema

        make = (
            core_schema.no_info_before_validator_function
            if self.converts
            else core_schema.no_info_after_validator_function
        )
        return make(self.check, handler(source))


def _seconds_between(shortest: str, longest: str) -> CheckedBy:
    """Return the check that reads `2`, `"2s"`, `"500ms"` or `"1m30s"` as seconds; other types are left to pydantic."""

    def seconds_of(value: object) -> object:
        if not isinstance(value, str | int | float):
            return value
        text = value if isinstance(value, str) else str(int(value) if isinstance(value, bool) else value)
        return parse_duration_ms(text, default_unit="s", shortest=shortest, longest=longest) / 1000

    return CheckedBy(seconds_of, converts=True)


def _megabytes(value: int) -> int:
    if not 1 <= value <= MOST_LARGEST_ANSWER_MB:
        raise ValueError(f"must be 1 to {MOST_LARGEST_ANSWER_MB} (MiB)")
    return value


def _known_zone(value: str) -> str:
    return zone(value).key


def _not_empty(value: str) -> str:
    if not value:
        raise ValueError("String should have at least 1 character")
    return value


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


class Alerts(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts about open gaps: the table `[profiles.NAME.alerts]` of `config.toml`."""

    after: Annotated[float, _seconds_between("1s", "24h")] = 60.0
    """Missing time of a server before the alert: seconds, or text such as "5m"."""
    bell: bool = False
    """Rings the terminal's bell."""
    notify: Literal["none", "osc777", "osc9"] = "none"
    """The terminal's own notification: OSC 777 (foot, kitty, WezTerm, VTE) or OSC 9 (iTerm2, Windows Terminal)."""
    command: tuple[Annotated[str, CheckedBy(_not_empty)], ...] = ()
    """A program and its arguments, run when an alert is raised and when it is cleared; STREAMTOP_ALERT,
    STREAMTOP_ALERT_SERVER, STREAMTOP_ALERT_OWED_MS and STREAMTOP_ALERT_TEXT in its environment describe it."""


NO_ALERTS = Alerts()


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One service: the table `[profiles.NAME]` of `config.toml`."""

    url: Annotated[str, CheckedBy(checked_url)] = DEFAULT_URL
    """URL of the service: scheme, host, port."""
    token_file: Path | None = None
    """The file with the token; a relative path is relative to the folder of `config.toml`."""
    token_env: str | None = None
    """The environment variable with the token."""
    ca_file: Path | None = None
    """Certificates of a private authority, to trust for this service; relative to the folder of `config.toml`."""
    client_cert: Path | None = None
    """Certificate for a service that requires one, in PEM; relative to the folder of `config.toml`."""
    client_key: Path | None = None
    """The key of `client_cert`, without a password, if it is in another file."""
    proxy: Annotated[str, CheckedBy(checked_url)] | None = None
    """HTTP proxy for this service, without a login; by default HTTPS_PROXY and related variables."""
    api_version: ApiVersion = "4.0"
    """Version of the documented API."""
    read_only: bool = False
    """Deletes and imports are refused."""
    poll_interval: Annotated[float, _seconds_between("100ms", "1h")] = DEFAULT_POLL_INTERVAL_S
    """Poll interval of the console: seconds, or text such as "2s"."""
    largest_answer_mb: Annotated[int, CheckedBy(_megabytes)] = DEFAULT_LARGEST_ANSWER_MB
    """Largest reply that is kept whole, in MiB; a list of records may be larger, one of its records may not."""
    tz: Annotated[str, CheckedBy(_known_zone)] = "UTC"
    """The time zone of times and accounting days."""
    alerts: Alerts = NO_ALERTS
    """Alerts about open gaps."""
    theme: ThemeName = "dark"
    """Theme of the console, to distinguish services at a glance."""
    display_stage: bool = True
    """Sends only the cells of the screen that changed to the terminal."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `config.toml`."""

    default_profile: str | None = None
    """The profile used if none is named."""
    profiles: Mapping[str, Profile] = {}
    keys: Mapping[str, str] = {}
    """Keys of the console by action, with commas between: `streamtop config --keys` lists the actions."""
