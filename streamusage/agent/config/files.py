"""The agent's configuration file (TOML) as checked models; `load_agent_configs` is the entry point.

One agent process watches one media server, described by `server` and `[source]`, or several: then each `[[source]]`
table names its `server`. An unknown key is an error, so that a misspelt key is not silently replaced by a default.
Error texts name the file, the line (where known), the key, the problem and the allowed values; they never contain a
secret.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import Field, PlainValidator, ValidationError, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from streamusage.agent.config.sources import (
    ConfigSection,
    SourceModels,
    SourceSection,
    UserPath,
    VariableName,
    duration_between,
    reject_url_secrets,
)
from streamusage.api.report import Role
from streamusage.core.toml.toml_lines import TomlLines


class ConfigError(Exception):
    """The configuration is invalid. The text has one line per problem, with file, line and key."""


ServiceUrl = Annotated[
    str,
    reject_url_secrets("a user, password or query is not allowed in this URL; set token_env or token_file instead"),
]
ProxyUrl = Annotated[
    str,
    reject_url_secrets(
        "a user, password or query is not allowed in this URL; for a proxy with a login, set HTTPS_PROXY instead"
    ),
]


class ServiceConfig(ConfigSection):
    """The usage service, and how often the agent reports to it."""

    url: ServiceUrl
    token_env: VariableName | None = None
    token_file: UserPath | None = None
    ca_file: UserPath | None = None
    """Certificates to trust in addition to the default ones, for a private authority."""
    proxy: ProxyUrl | None = None
    """HTTP proxy for requests to the service; default: the environment's `HTTPS_PROXY` and related variables."""
    sync_interval_ms: Annotated[int, duration_between("100ms", "24h"), Field(alias="sync_interval")] = 10_000
    timeout_ms: Annotated[int, duration_between("100ms", "10m"), Field(alias="timeout")] = 30_000

    @model_validator(mode="after")
    def _require_one_token(self) -> "ServiceConfig":
        if (self.token_env is None) == (self.token_file is None):
            raise ValueError("set exactly one of token_env (a variable's name) and token_file (a file's path)")
        return self


class JournalConfig(ConfigSection):
    """The file in which the agent keeps what the service has not acknowledged."""

    path: UserPath | None = None


_KIND_PROBLEM = "kind"
"""Type of the pydantic errors about the key `kind` of a source."""


def _validate_source(value: Any, info: ValidationInfo) -> SourceSection:
    """Return the source's table as the model of its kind. The validation's context is a `SourceModels`."""
    models = info.context
    if not isinstance(models, SourceModels):
        raise TypeError("an AgentConfig is validated with the context SourceModels")
    if not isinstance(value, dict):
        raise PydanticCustomError("dict_type", "Input should be a valid dictionary")
    problem = _find_kind_problem(value, models)
    model = None if problem else models.find_model(value["kind"])
    if model is None:
        raise PydanticCustomError(_KIND_PROBLEM, "{problem}", {"problem": problem})
    return model.model_validate(value, context=models)


def _find_kind_problem(source: dict[str, Any], models: SourceModels) -> str:
    """Return what is wrong with the kind of a source; empty where nothing is."""
    if "kind" not in source:
        return f"required key is missing; allowed: {', '.join(models.list_kinds())}"
    kind = source["kind"]
    try:
        known = isinstance(kind, str) and models.find_model(kind) is not None
    except models.kind_error as error:
        return str(error)
    return "" if known else f"unknown kind; allowed: {', '.join(models.list_kinds())}"


class AgentConfig(ConfigSection):
    """The configuration of one watched media server, with one journal and one token."""

    server: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
    role: Role = "standalone"
    service: ServiceConfig
    source: Annotated[SourceSection, PlainValidator(_validate_source)]
    journal: JournalConfig = JournalConfig()

    @property
    def reported_role(self) -> Role:
        """The configured role, or else that of the kind of the source."""
        return self.role if "role" in self.model_fields_set else self.source.default_role

    @property
    def journal_path(self) -> Path:
        """The configured journal file, or a file named after the server in the user's data directory."""
        default = platformdirs.user_data_path("streamtop") / "agent" / f"{self.server.replace(':', '_')}.journal.db"
        return self.journal.path or default

    @property
    def secret_files(self) -> list[Path]:
        """The configured files that contain a token or a password."""
        names = ("token_file", "password_file", "api_token_file")
        found = [getattr(section, name, None) for section in (self.service, self.source) for name in names]
        return [path for path in found if isinstance(path, Path)]

    @property
    def spool_path(self) -> Path:
        """The file of received callbacks: the configured one, or one beside the journal."""
        configured = getattr(self.source, "spool", None)
        return configured if isinstance(configured, Path) else self.journal_path.with_suffix(".hooks")


def load_agent_configs(path: Path, models: SourceModels) -> tuple[AgentConfig, ...]:
    """Return the checked configuration of each media server in the file. Raises `ConfigError`."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; docs/agent.md has an example") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot read the file: {error}") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    lines = TomlLines(text)
    if isinstance(document.get("source"), list):
        return _load_source_array(path, document, lines, models)
    try:
        return (AgentConfig.model_validate(document, context=models),)
    except ValidationError as error:
        source_model = _find_source_model(document.get("source"), models)
        problems = [
            _format_problem(path, lines, _problem_keys(problem), problem, _allowed_keys(problem, source_model))
            for problem in error.errors()
        ]
        raise ConfigError("\n".join(problems)) from None


_AGENT_KEYS_OF_SOURCE_TABLE = {
    "server": ("server",),
    "role": ("role",),
    "journal": ("journal", "path"),
    "token_env": ("service", "token_env"),
    "token_file": ("service", "token_file"),
}
"""Keys of a `[[source]]` table that configure its agent, not its media server, with their place in `AgentConfig`."""

_SHARED_KEYS = ("service", "source")
"""Top-level keys of a file with several `[[source]]` tables."""


def _load_source_array(
    path: Path, document: dict[str, Any], lines: TomlLines, models: SourceModels
) -> tuple[AgentConfig, ...]:
    """Return the configuration of each `[[source]]` table. Raises `ConfigError` with all problems of the file."""
    per_source_keys = ("server", "role", "journal")
    problems = [
        f"{_format_location(path, lines.find_line((key,)))}: {key}: not allowed here; "
        "a file with several [[source]] tables sets it in each of them"
        for key in per_source_keys
        if key in document
    ]
    problems += [
        f"{_format_location(path, lines.find_line((key,)))}: {key}: {_format_unknown_key(_SHARED_KEYS)}"
        for key in document.keys() - {*per_source_keys, *_SHARED_KEYS}
    ]
    configs = []
    for index, source in enumerate(document["source"]):
        table = ("source", str(index))
        try:
            configs.append(AgentConfig.model_validate(_agent_document(document, source), context=models))
        except ValidationError as error:
            source_model = _find_source_model(source, models)
            for problem in error.errors():
                keys = _keys_in_source_array(_problem_keys(problem), table, source)
                allowed = _allowed_keys(problem, source_model)
                if problem["loc"][:1] == ("source",):
                    allowed = (*_AGENT_KEYS_OF_SOURCE_TABLE, *allowed)
                text = _format_problem(path, lines, keys, problem, allowed)
                if text not in problems:
                    problems.append(text)
    problems += _find_duplicates(path, lines, configs)
    if problems:
        raise ConfigError("\n".join(problems))
    return tuple(configs)


def _agent_document(document: dict[str, Any], source: Any) -> dict[str, Any]:
    """Return one `[[source]]` table in the form of a file with a single `[source]`."""
    service = document.get("service")
    agent: dict[str, Any] = {} if service is None else {"service": service}
    if not isinstance(source, dict):
        return {**agent, "source": source}
    agent["source"] = {key: value for key, value in source.items() if key not in _AGENT_KEYS_OF_SOURCE_TABLE}
    tokens = {key: source[key] for key in ("token_env", "token_file") if key in source}
    if tokens and isinstance(service, dict):
        other_settings = {key: value for key, value in service.items() if key not in ("token_env", "token_file")}
        agent["service"] = {**other_settings, **tokens}
    agent |= {key: source[key] for key in ("server", "role") if key in source}
    if "journal" in source:
        agent["journal"] = {"path": source["journal"]}
    return agent


def _keys_in_source_array(keys: tuple[str, ...], table: tuple[str, ...], source: Any) -> tuple[str, ...]:
    """Return where keys of an `AgentConfig` are in a file with several `[[source]]` tables."""
    for name, place in _AGENT_KEYS_OF_SOURCE_TABLE.items():
        if keys == place and (keys[0] != "service" or (isinstance(source, dict) and name in source)):
            return (*table, name)
    return (*table, *keys[1:]) if keys[:1] == ("source",) else keys


def _find_duplicates(path: Path, lines: TomlLines, configs: list[AgentConfig]) -> list[str]:
    """Return a problem for each server name and journal file that two sources share."""
    problems = []
    for key, values in (
        ("server", [config.server for config in configs]),
        ("journal", [str(config.journal_path) for config in configs]),
    ):
        for index, value in enumerate(values):
            if value in values[:index]:
                location = _format_location(path, lines.find_line(("source", str(index), key)))
                problems.append(f"{location}: source.{key}: used by another source; each source needs its own {key}")
    return problems


_PROBLEM_TEXTS = {"missing": "required key is missing"}
"""Texts that replace pydantic's own, by the type of its error."""

_SECTIONS: dict[tuple[str, ...], type[ConfigSection]] = {
    (): AgentConfig,
    ("service",): ServiceConfig,
    ("journal",): JournalConfig,
}
"""The model of each section except the source's, by its place in a pydantic error."""


def _find_source_model(source: Any, models: SourceModels) -> type[SourceSection] | None:
    """Return the model of a source's table; None where its kind is missing, unknown or unusable."""
    if not isinstance(source, dict) or _find_kind_problem(source, models):
        return None
    return models.find_model(source["kind"])


def _problem_keys(problem: Any) -> tuple[str, ...]:
    """Return the keys that lead to the problem."""
    keys = tuple(str(part) for part in problem["loc"])
    return (*keys, "kind") if problem["type"] == _KIND_PROBLEM else keys


def _allowed_keys(problem: Any, source_model: type[SourceSection] | None) -> tuple[str, ...]:
    """Return the keys of the section in which the problem is; empty where the section is unknown."""
    place = tuple(str(part) for part in problem["loc"][:-1])
    section = source_model if place == ("source",) else _SECTIONS.get(place)
    return () if section is None else tuple(field.alias or name for name, field in section.model_fields.items())


def _format_problem(
    path: Path, lines: TomlLines, keys: tuple[str, ...], problem: Any, allowed_keys: tuple[str, ...]
) -> str:
    if problem["type"] == "extra_forbidden":
        text = _format_unknown_key(allowed_keys)
    else:
        text = _PROBLEM_TEXTS.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    dotted_key = ".".join(key for key in keys if not key.isdecimal())
    return f"{_format_location(path, lines.find_line(keys))}: {dotted_key or 'the file'}: {text}"


def _format_unknown_key(allowed_keys: tuple[str, ...]) -> str:
    return f"unknown key; allowed: {', '.join(allowed_keys)}"


def _format_location(path: Path, line: int | None) -> str:
    return f"{path}:{line}" if line else f"{path}"
