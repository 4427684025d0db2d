"""The agent's configuration file (TOML) as a checked model. `load_config` is the only way in.

An unknown key is an error, so that a misspelt one is not taken for a default. Errors name the file, the line where it
can be told, and the key, and never repeat the value of a token.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import httpx
import platformdirs
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from streamusage.report import Role

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h)")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


class ConfigError(Exception):
    """The configuration cannot be used. The text is a line for each fault, with file, line and key."""


def parse_duration_ms(text: object) -> int:
    """`500ms`, `10s`, `1.5m`, `1h` in milliseconds. Raises `ValueError` for anything else."""
    match = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError('a duration is written as "500ms", "10s", "1m" or "1h"')
    return round(float(match[1]) * _UNIT_MS[match[2]])


def _plain_http_url(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise ValueError("this is not a URL") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("a URL begins with http:// or https:// and names a host")
    return url


def _service_url(url: str) -> str:
    parsed = httpx.URL(_plain_http_url(url))
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ValueError(
            "the service's URL has no user, password or query; the token goes into token_env or token_file"
        )
    return url.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_plain_http_url)]
ServiceUrl = Annotated[str, AfterValidator(_service_url)]
UserPath = Annotated[Path, AfterValidator(Path.expanduser)]


def _between(shortest: str, longest: str) -> Any:
    low, high = parse_duration_ms(shortest), parse_duration_ms(longest)

    def check(value_ms: int) -> int:
        if not low <= value_ms <= high:
            raise ValueError(f"it must be from {shortest} to {longest}")
        return value_ms

    return AfterValidator(check)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServiceConfig(_Section):
    """Where the usage service is, and how often it hears of this server."""

    url: ServiceUrl
    token_env: Annotated[str, Field(min_length=1)] | None = None
    token_file: UserPath | None = None
    sync_interval_ms: Annotated[
        int, BeforeValidator(parse_duration_ms), _between("100ms", "24h"), Field(alias="sync_interval")
    ] = 10_000
    timeout_ms: Annotated[int, BeforeValidator(parse_duration_ms), _between("100ms", "10m"), Field(alias="timeout")] = (
        30_000
    )

    @model_validator(mode="after")
    def _one_token(self) -> "ServiceConfig":
        if (self.token_env is None) == (self.token_file is None):
            raise ValueError("give exactly one of token_env (a variable's name) and token_file (a file's path)")
        return self


class NginxRtmpConfig(_Section):
    """nginx with the RTMP module."""

    kind: Literal["nginx-rtmp"]
    stat_url: HttpUrl
    access_log: UserPath | None = None
    """Makes the ends of sessions exact."""
    poll_interval_ms: Annotated[
        int, BeforeValidator(parse_duration_ms), _between("100ms", "1m"), Field(alias="poll_interval")
    ] = 1000
    timeout_ms: Annotated[int, BeforeValidator(parse_duration_ms), _between("100ms", "1m"), Field(alias="timeout")] = (
        5000
    )


SourceConfig = Annotated[NginxRtmpConfig, Field(discriminator="kind")]
"""One model a kind of media server; `kind` tells which."""


class JournalConfig(_Section):
    """Where the agent keeps what the service has not acknowledged."""

    path: UserPath | None = None


class AgentConfig(_Section):
    """One agent, which watches one media server."""

    server: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
    role: Role = "standalone"
    service: ServiceConfig
    source: SourceConfig
    journal: JournalConfig = JournalConfig()

    @property
    def journal_path(self) -> Path:
        """The journal's file: the given one, or one of this server in the user's data directory."""
        default = platformdirs.user_data_path("streamtop") / "agent" / f"{self.server.replace(':', '_')}.journal.db"
        return self.journal.path or default


def load_config(path: Path) -> AgentConfig:
    """Reads and checks the file. Raises `ConfigError`."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; write it as docs/agent.md shows") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: it cannot be read: {error}") from None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: this is not TOML: {error}") from None
    try:
        return AgentConfig.model_validate(table)
    except ValidationError as error:
        lines = _Lines(text)
        raise ConfigError("\n".join(_explain(path, lines, fault) for fault in error.errors())) from None


_SAID = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such key",
    "union_tag_invalid": "this kind is not known; known are: nginx-rtmp",
    "union_tag_not_found": 'it needs `kind`, such as kind = "nginx-rtmp"',
}


def _explain(path: Path, lines: "_Lines", fault: Any) -> str:
    keys = tuple(str(part) for part in fault["loc"] if part != "nginx-rtmp")
    if fault["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        keys = (*keys, "kind")
    said = _SAID.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
    line = lines.of(keys)
    where = f"{path}:{line}" if line else f"{path}"
    return f"{where}: {'.'.join(keys) or 'the file'}: {said}"


class _Place(NamedTuple):
    table: tuple[str, ...]
    key: str
    line: int


class _Lines:
    """Where keys stand in a TOML text that is known to be well-formed. Inline tables count as their key's line."""

    _TABLE = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
    _KEY = re.compile(r"\s*([A-Za-z0-9_.\-\"' ]+?)\s*=")

    def __init__(self, text: str) -> None:
        self._places: list[_Place] = []
        table: tuple[str, ...] = ()
        for number, line in enumerate(text.splitlines(), 1):
            if match := self._TABLE.match(line):
                table = _parts(match[1])
                self._places.append(_Place(table, "", number))
            elif match := self._KEY.match(line):
                *inner, key = _parts(match[1])
                self._places.append(_Place((*table, *inner), key, number))

    def of(self, keys: tuple[str, ...]) -> int | None:
        """The line of a key, or of the nearest table around it; `None` where neither is in the text."""
        for length in range(len(keys), 0, -1):
            wanted = keys[:length]
            for place in self._places:
                if (*place.table, place.key) == wanted or (place.table == wanted and not place.key):
                    return place.line
        return None


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
