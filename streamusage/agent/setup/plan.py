"""The configuration that is to be written, as values and as TOML. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streamusage.agent.setup.nginx_facts import AddedLines

Value = str | tuple[str, ...]


@dataclass(frozen=True)
class PlannedSource:
    """A media server and how it is read."""

    server: str
    """Its name at the service."""
    values: Mapping[str, Value]
    """The keys of its table, `kind` first."""
    token_file: Path
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Secrets by the key that names their file, which is created beside the configuration."""

    @property
    def kind(self) -> str:
        """The kind of the media server."""
        return str(self.values["kind"])

    def secret_file(self, key: str) -> str:
        """Return the name of the file of a secret."""
        return f"{self.server.replace(':', '_')}.{key.removesuffix('_file').replace('_', '-')}"


@dataclass(frozen=True)
class Plan:
    """What is written, and what the operator has to know."""

    service_url: str
    sources: Sequence[PlannedSource]
    role: str | None = None
    """The role of the first source; None for the default of its kind."""
    journal_folder: Path | None = None
    found: Sequence[str] = ()
    """What was found, in sentences."""
    additions: Sequence[AddedLines] = ()
    """What the configuration of the media server lacks."""


def format_config(plan: Plan, folder: Path) -> str:
    """Return the configuration as TOML, with the files of secrets in a folder. All texts are printable."""
    lines = ["# Written by `streamtop agent init`; docs/agent.md describes every key."]
    first, *others = plan.sources
    service = ["", "[service]", _pair("url", plan.service_url)]
    if not others:
        lines += [_pair("server", first.server), *([_pair("role", plan.role)] if plan.role else [])]
        lines += [*service, _pair("token_file", str(first.token_file)), "", "[source]", *_values(first, folder)]
        if plan.journal_folder is not None:
            lines += ["", "[journal]", _pair("path", str(journal_of(plan.journal_folder, first.server)))]
        return "\n".join([*lines, ""])
    lines += service
    for source in plan.sources:
        lines += ["", "[[source]]", _pair("server", source.server)]
        if plan.role and source is first:
            lines.append(_pair("role", plan.role))
        lines.append(_pair("token_file", str(source.token_file)))
        if plan.journal_folder is not None:
            lines.append(_pair("journal", str(journal_of(plan.journal_folder, source.server))))
        lines += _values(source, folder)
    return "\n".join([*lines, ""])


def journal_of(folder: Path, server: str) -> Path:
    """Return the journal of a server in a folder."""
    return folder / f"{server.replace(':', '_')}.journal.db"


def _values(source: PlannedSource, folder: Path) -> list[str]:
    secrets = [_pair(key, str(folder / source.secret_file(key))) for key in source.secrets]
    return [*(_pair(key, value) for key, value in source.values.items()), *secrets]


def _pair(key: str, value: Value) -> str:
    # A JSON string or list of printable characters is one of TOML.
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"
