"""Sections of the agent's configuration that describe a media server: the bases and types of each kind's own model.

The model of a kind is in the module of its source, `streamusage/agent/sources/`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import httpx
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from streamusage.api.report import Role
from streamusage.client.http_options import HttpOptions
from streamusage.core.addresses import Address, parse_host_port
from streamusage.core.durations import parse_duration_ms


def check_http_url(url: str) -> str:
    """Return a valid HTTP URL, which may contain a user and a password. Raises `ValueError`."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise ValueError("not a URL; expected http://HOST or https://HOST") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("not an HTTP URL; expected http://HOST or https://HOST")
    return url


def reject_url_secrets(message: str) -> Any:
    """Return a validator that rejects a URL with a user, a password, a query or a fragment.

    `message` names where to configure the secret instead.
    """

    def check(url: str) -> str:
        parsed = httpx.URL(check_http_url(url))
        if parsed.userinfo or parsed.query or parsed.fragment:
            raise ValueError(message)
        return url.rstrip("/")

    return AfterValidator(check)


def duration_between(shortest: str, longest: str) -> Any:
    """Return a validator that reads a text such as `500ms` or `1h30m` as milliseconds within a closed range."""
    return BeforeValidator(lambda text: parse_duration_ms(str(text), shortest=shortest, longest=longest))


HttpUrl = Annotated[str, AfterValidator(check_http_url)]
"""May contain a user and a password, which no message contains."""
ServerUrl = Annotated[
    str,
    reject_url_secrets("a user, password or query is not allowed in this URL; put secrets into a variable or a file"),
]
UserPath = Annotated[Path, AfterValidator(Path.expanduser)]
ListenAddress = Annotated[Address, PlainValidator(lambda text: parse_host_port(str(text)))]
PathName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,128}$")]
"""A name that is inserted into a request path without quoting."""
VariableName = Annotated[str, Field(min_length=1)]
"""The name of an environment variable."""


MAX_RESPONSE_BYTES = 32 << 20
"""Enough for more than a hundred thousand clients; a longer response cannot be statistics."""


def media_server_options(seconds: float = 5.0, ca_file: Path | None = None) -> HttpOptions:
    """Return how to connect to a media server, which has to respond within that time.

    It is usually on the same machine, which a proxy from the environment does not serve.
    """
    return HttpOptions(
        connect_seconds=seconds,
        silence_seconds=seconds,
        answer_seconds=seconds,
        largest_answer_bytes=MAX_RESPONSE_BYTES,
        ca_file=ca_file,
        uses_environment=False,
        peer="the media server",
    )


class ConfigSection(BaseModel):
    """A table of the configuration. An unknown key in it is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceSection(ConfigSection):
    """Settings of every source; the base of each kind's configuration."""

    default_role: ClassVar[Role] = "standalone"
    """The server's role where the configuration names none."""

    kind: str
    """Name of a registered kind of media server."""
    poll_interval_ms: Annotated[int, duration_between("100ms", "1m"), Field(alias="poll_interval")] = 1000
    timeout_ms: Annotated[int, duration_between("100ms", "1m"), Field(alias="timeout")] = 5000
    ca_file: UserPath | None = None
    """Certificates of a private authority that signed the media server's."""

    @property
    def http_options(self) -> HttpOptions:
        """How to connect to the media server."""
        return media_server_options(self.timeout_ms / 1000, self.ca_file)


class PasswordSection(SourceSection):
    """A media server that requires a user and a password."""

    user: str = "admin"
    password_env: VariableName | None = None
    password_file: UserPath | None = None

    @model_validator(mode="after")
    def _require_one_password(self) -> "PasswordSection":
        if (self.password_env is None) == (self.password_file is None):
            raise ValueError("set exactly one of password_env (a variable's name) and password_file (a file's path)")
        return self


class OptionalPasswordSection(SourceSection):
    """A media server that may require a user and a password."""

    user: str | None = None
    password_env: VariableName | None = None
    password_file: UserPath | None = None

    @model_validator(mode="after")
    def _require_password_of_user(self) -> "OptionalPasswordSection":
        passwords = [value for value in (self.password_env, self.password_file) if value is not None]
        if len(passwords) != (0 if self.user is None else 1):
            raise ValueError("with `user` set exactly one of password_env and password_file, without `user` neither")
        return self


class TokenSection(SourceSection):
    """A media server that requires an access token."""

    api_token_env: VariableName | None = None
    api_token_file: UserPath | None = None

    @model_validator(mode="after")
    def _require_one_token(self) -> "TokenSection":
        if (self.api_token_env is None) == (self.api_token_file is None):
            raise ValueError("set exactly one of api_token_env (a variable's name) and api_token_file (a file's path)")
        return self


class SourceModels(NamedTuple):
    """Access to the registry of media servers, which this package does not import."""

    list_kinds: Callable[[], Sequence[str]]
    find_model: Callable[[str], type[SourceSection] | None]
    """Returns None for an unknown kind. May raise `kind_error`."""
    kind_error: type[Exception]
    """A kind is registered but unusable; the text names the reason."""
