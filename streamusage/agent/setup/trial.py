"""Tries a configuration that is not written yet: each media server is read once."""

import asyncio
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from streamusage.agent.config.files import AgentConfig, ConfigError, load_agent_configs
from streamusage.agent.setup.plan import Plan, PlannedSource, format_config
from streamusage.agent.sources import SOURCE_MODELS, SourceKindError, create_source
from streamusage.agent.status_output import CHECK_ERRORS, check_source
from streamusage.core.clock import SystemClock
from streamusage.core.open_files import OWNER_ONLY


class Tried(NamedTuple):
    """What a media server answered."""

    server: str
    is_readable: bool
    text: str


def try_plan(plan: Plan, name: str) -> list[Tried]:
    """Return what each media server of a plan answers. `name` is that of the configuration, for errors.

    Raises `ConfigError` if the configuration would be invalid.
    """
    with tempfile.TemporaryDirectory(prefix="streamtop-") as folder:
        path = Path(folder) / "agent.toml"
        write_secrets(plan.sources, path.parent)
        path.write_text(format_config(plan, path.parent))
        try:
            units = load_agent_configs(path, SOURCE_MODELS)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(path), name)) from None
        return asyncio.run(_try_all(units, Path(folder)))


def write_secrets(sources: Iterable[PlannedSource], folder: Path) -> list[Path]:
    """Write the secrets of sources to files that only their owner can read. Return the files. Raises `OSError`."""
    written = []
    for source in sources:
        for key, secret in source.secrets.items():
            path = folder / source.secret_file(key)
            path.unlink(missing_ok=True)  # so that the mode is that of a new file
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w", encoding="utf-8") as file:
                file.write(secret + "\n")
            written.append(path)
    return written


async def _try_all(units: Iterable[AgentConfig], folder: Path) -> list[Tried]:
    return [await _try(unit, folder) for unit in units]


async def _try(unit: AgentConfig, folder: Path) -> Tried:
    try:
        source = create_source(unit.source, SystemClock(), folder / "spool")
        try:
            return Tried(unit.server, True, await check_source(unit, source))
        finally:
            await source.close()
    except (*CHECK_ERRORS, SourceKindError) as error:
        return Tried(unit.server, False, str(error))
