"""The agent's configuration file (TOML) as checked models. `load_units` is the way in.

One agent watches one media server, described by `server` and `[source]`, or several: then each `[[source]]` names its
`server`. An unknown key is an error, so that a misspelt one is not taken for a default. Errors name the file, the line
where it can be told, and the key, and never repeat the value of a token.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from streamusage.agent.config.sources import (
    KINDS,
    Section,
    SourceConfig,
    UserPath,
    Variable,
    between,
    parse_duration_ms,
    without_secrets,
)
from streamusage.agent.config.toml_lines import TomlLines
from streamusage.api.report import Role


class ConfigError(Exception):
    """The configuration cannot be used. The text is a line for each fault, with file, line and key."""


ServiceUrl = Annotated[
    str,
    without_secrets("the service's URL has no user, password or query; the token goes into token_env or token_file"),
]
ProxyUrl = Annotated[
    str, without_secrets("the proxy's URL has no user, password or query; with a login it goes into HTTPS_PROXY")
]


class ServiceConfig(Section):
    """Where the usage service is, and how often it hears of this server."""

    url: ServiceUrl
    token_env: Variable | None = None
    token_file: UserPath | None = None
    ca_file: UserPath | None = None
    """Certificates to trust beside the usual ones, for a private authority."""
    proxy: ProxyUrl | None = None
    """The HTTP proxy on the way to the service; without it the environment's `HTTPS_PROXY` and the like."""
    sync_interval_ms: Annotated[
        int, BeforeValidator(parse_duration_ms), between("100ms", "24h"), Field(alias="sync_interval")
    ] = 10_000
    timeout_ms: Annotated[int, BeforeValidator(parse_duration_ms), between("100ms", "10m"), Field(alias="timeout")] = (
        30_000
    )

    @model_validator(mode="after")
    def _one_token(self) -> "ServiceConfig":
        if (self.token_env is None) == (self.token_file is None):
            raise ValueError("give exactly one of token_env (a variable's name) and token_file (a file's path)")
        return self


class JournalConfig(Section):
    """Where the agent keeps what the service has not acknowledged."""

    path: UserPath | None = None


class AgentConfig(Section):
    """The watch over one media server: what one journal holds and one token reports."""

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

    @property
    def spool_path(self) -> Path:
        """Where callbacks of the media server are kept until they are counted."""
        given = getattr(self.source, "spool", None)
        return given if isinstance(given, Path) else self.journal_path.with_suffix(".hooks")


def load_units(path: Path) -> tuple[AgentConfig, ...]:
    """Reads and checks the file: one configuration for each media server. Raises `ConfigError`."""
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
    lines = TomlLines(text)
    if isinstance(table.get("source"), list):
        return _several(path, table, lines)
    try:
        return (AgentConfig.model_validate(table),)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(path, lines, _keys(fault), fault) for fault in error.errors())) from None


_OF_A_SOURCE = {
    "server": ("server",),
    "role": ("role",),
    "journal": ("journal", "path"),
    "token_env": ("service", "token_env"),
    "token_file": ("service", "token_file"),
}
"""Keys that stand in `[[source]]` and belong to the watch over its server, not to the server itself."""


def _several(path: Path, table: dict[str, Any], lines: TomlLines) -> tuple[AgentConfig, ...]:
    faults = [
        f"{_where(path, lines.of((key,)))}: {key}: with several [[source]] tables it stands in each of them"
        for key in ("server", "role", "journal")
        if key in table
    ]
    faults += [
        f"{_where(path, lines.of((key,)))}: {key}: there is no such key"
        for key in table.keys() - {"server", "role", "journal", "service", "source"}
    ]
    units = []
    for index, source in enumerate(table["source"]):
        at = ("source", str(index))
        try:
            units.append(AgentConfig.model_validate(_unit_of(table, source)))
        except ValidationError as error:
            for fault in error.errors():
                said = _explain(path, lines, _keys_of_several(_keys(fault), at, source), fault)
                if said not in faults:
                    faults.append(said)
    faults += _shared(path, lines, units)
    if faults:
        raise ConfigError("\n".join(faults))
    return tuple(units)


def _unit_of(table: dict[str, Any], source: Any) -> dict[str, Any]:
    """What one `[[source]]` says, in the form of a file with one source."""
    service = table.get("service")
    unit: dict[str, Any] = {} if service is None else {"service": service}
    if not isinstance(source, dict):
        return {**unit, "source": source}
    unit["source"] = {key: value for key, value in source.items() if key not in _OF_A_SOURCE}
    tokens = {key: source[key] for key in ("token_env", "token_file") if key in source}
    if tokens and isinstance(service, dict):
        rest = {key: value for key, value in service.items() if key not in ("token_env", "token_file")}
        unit["service"] = {**rest, **tokens}
    unit |= {key: source[key] for key in ("server", "role") if key in source}
    if "journal" in source:
        unit["journal"] = {"path": source["journal"]}
    return unit


def _keys_of_several(keys: tuple[str, ...], at: tuple[str, ...], source: Any) -> tuple[str, ...]:
    """Where a key of a unit stands in a file with several sources."""
    for name, place in _OF_A_SOURCE.items():
        if keys == place and (keys[0] != "service" or (isinstance(source, dict) and name in source)):
            return (*at, name)
    return (*at, *keys[1:]) if keys[:1] == ("source",) else keys


def _shared(path: Path, lines: TomlLines, units: list[AgentConfig]) -> list[str]:
    """Faults of units that must not share what they share."""
    faults = []
    for what, key, values in (
        ("server", "server", [unit.server for unit in units]),
        ("journal", "journal", [str(unit.journal_path) for unit in units]),
    ):
        for index, value in enumerate(values):
            if value in values[:index]:
                where = _where(path, lines.of(("source", str(index), key)))
                faults.append(f"{where}: source.{key}: each source needs a {what} of its own")
    return faults


_SAID = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such key",
    "union_tag_invalid": f"this kind is not known; known are: {', '.join(KINDS)}",
    "union_tag_not_found": 'it needs `kind`, such as kind = "nginx-rtmp"',
}


def _keys(fault: Any) -> tuple[str, ...]:
    """The keys that lead to a fault."""
    keys = tuple(str(part) for part in fault["loc"] if part not in KINDS)
    return (*keys, "kind") if fault["type"] in {"union_tag_invalid", "union_tag_not_found"} else keys


def _explain(path: Path, lines: TomlLines, keys: tuple[str, ...], fault: Any) -> str:
    said = _SAID.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
    named = ".".join(key for key in keys if not key.isdecimal())
    return f"{_where(path, lines.of(keys))}: {named or 'the file'}: {said}"


def _where(path: Path, line: int | None) -> str:
    return f"{path}:{line}" if line else f"{path}"
