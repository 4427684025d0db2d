"""The sections of the configuration that describe a media server, one model a kind. `kind` tells which."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h)")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def parse_duration_ms(text: object) -> int:
    """`500ms`, `10s`, `1.5m`, `1h` in milliseconds. Raises `ValueError` for anything else."""
    match = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError('a duration is written as "500ms", "10s", "1m" or "1h"')
    return round(float(match[1]) * _UNIT_MS[match[2]])


def plain_http_url(url: str) -> str:
    """Checks a URL that may carry a user and a password. Raises `ValueError`."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise ValueError("this is not a URL") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("a URL begins with http:// or https:// and names a host")
    return url


def without_secrets(said: str) -> Any:
    """A check that a URL has no user, password or query; `said` tells the operator where they go instead."""

    def check(url: str) -> str:
        parsed = httpx.URL(plain_http_url(url))
        if parsed.userinfo or parsed.query or parsed.fragment:
            raise ValueError(said)
        return url.rstrip("/")

    return AfterValidator(check)


def between(shortest: str, longest: str) -> Any:
    """A check that a duration lies within bounds."""
    low, high = parse_duration_ms(shortest), parse_duration_ms(longest)

    def check(value_ms: int) -> int:
        if not low <= value_ms <= high:
            raise ValueError(f"it must be from {shortest} to {longest}")
        return value_ms

    return AfterValidator(check)


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError('an address to listen on is written as "127.0.0.1:9090"')
    return text


HttpUrl = Annotated[str, AfterValidator(plain_http_url)]
"""May carry a user and a password, which are never shown."""
ServerUrl = Annotated[
    str, without_secrets("it has no user, password or query here; secrets go into a variable or a file of their own")
]
UserPath = Annotated[Path, AfterValidator(Path.expanduser)]
ListenAddress = Annotated[str, AfterValidator(_address)]
PathName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,128}$")]
"""A name that goes into the path of a request as it is."""
Variable = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A table of the configuration. An unknown key in it is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Polled(Section):
    """What every source has."""

    poll_interval_ms: Annotated[
        int, BeforeValidator(parse_duration_ms), between("100ms", "1m"), Field(alias="poll_interval")
    ] = 1000
    timeout_ms: Annotated[int, BeforeValidator(parse_duration_ms), between("100ms", "1m"), Field(alias="timeout")] = (
        5000
    )


class WithPassword(Polled):
    """A server that asks for a user and a password."""

    user: str = "admin"
    password_env: Variable | None = None
    password_file: UserPath | None = None

    @model_validator(mode="after")
    def _one_password(self) -> "WithPassword":
        if (self.password_env is None) == (self.password_file is None):
            raise ValueError("give exactly one of password_env (a variable's name) and password_file (a file's path)")
        return self


class WithToken(Polled):
    """A server that asks for a token."""

    api_token_env: Variable | None = None
    api_token_file: UserPath | None = None

    @model_validator(mode="after")
    def _one_token(self) -> "WithToken":
        if (self.api_token_env is None) == (self.api_token_file is None):
            raise ValueError("give exactly one of api_token_env (a variable's name) and api_token_file (a file's path)")
        return self


class NginxRtmpConfig(Polled):
    """nginx with the RTMP module."""

    kind: Literal["nginx-rtmp"]
    stat_url: HttpUrl
    access_log: UserPath | None = None
    """Makes the ends of sessions exact."""
    notify_listen: ListenAddress | None = None
    """Takes nginx's callbacks instead, where the log is on another machine."""
    spool: UserPath | None = None
    """Where callbacks are kept; beside the journal where it is not given."""

    @model_validator(mode="after")
    def _log_or_callbacks(self) -> "NginxRtmpConfig":
        if self.access_log is not None and self.notify_listen is not None:
            raise ValueError("access_log and notify_listen both tell how sessions end: give one of them")
        return self


class IcecastConfig(WithPassword):
    """Icecast 2.4."""

    kind: Literal["icecast"]
    url: ServerUrl
    access_log: UserPath | None = None


class NodeMediaServerConfig(WithPassword):
    """Node-Media-Server 4."""

    kind: Literal["node-media-server"]
    url: ServerUrl
    notify_listen: ListenAddress | None = None
    spool: UserPath | None = None


class WowzaConfig(WithPassword):
    """Wowza Streaming Engine."""

    kind: Literal["wowza"]
    url: ServerUrl
    connection_counts_url: ServerUrl | None = None
    vhost: PathName = "_defaultVHost_"
    applications: Annotated[tuple[PathName, ...], Field(min_length=1)]


class MaybePassword(Polled):
    """A server that may ask for a user and a password."""

    user: str | None = None
    password_env: Variable | None = None
    password_file: UserPath | None = None

    @model_validator(mode="after")
    def _password_of_a_user(self) -> "MaybePassword":
        given = [each for each in (self.password_env, self.password_file) if each is not None]
        if len(given) != (0 if self.user is None else 1):
            raise ValueError("with `user` give one of password_env and password_file, without it neither")
        return self


class MediaMtxConfig(MaybePassword):
    """MediaMTX."""

    kind: Literal["mediamtx"]
    url: ServerUrl


class SrsConfig(MaybePassword):
    """SRS."""

    kind: Literal["srs"]
    url: ServerUrl


class Red5ProConfig(WithToken):
    """A Red5 Pro server."""

    kind: Literal["red5pro"]
    url: ServerUrl
    applications: Annotated[tuple[PathName, ...], Field(min_length=1)] = ("live",)


class StreamManagerConfig(WithToken):
    """The live list of a Red5 Pro Stream Manager 2."""

    kind: Literal["stream-manager-2"]
    url: ServerUrl
    node_groups: Annotated[tuple[PathName, ...], Field(min_length=1)]


class HlsConfig(Polled):
    """Viewers of HLS by the access log of the HTTP server that serves them."""

    kind: Literal["hls"]
    access_log: UserPath
    idle_after_ms: Annotated[
        int, BeforeValidator(parse_duration_ms), between("2s", "10m"), Field(alias="idle_after")
    ] = 30_000
    """A viewer who asks for nothing for so long has left."""


SourceConfig = Annotated[
    NginxRtmpConfig
    | IcecastConfig
    | NodeMediaServerConfig
    | WowzaConfig
    | MediaMtxConfig
    | SrsConfig
    | Red5ProConfig
    | StreamManagerConfig
    | HlsConfig,
    Field(discriminator="kind"),
]
"""One model a kind of media server; `kind` tells which."""

KINDS = (
    "nginx-rtmp",
    "icecast",
    "node-media-server",
    "wowza",
    "mediamtx",
    "srs",
    "red5pro",
    "stream-manager-2",
    "hls",
)
