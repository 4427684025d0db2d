"""Command `streamtop agent`: runs the statistics agent; `status` and `check` inspect it."""

import asyncio
import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from streamusage.agent.setup.init_command import init
from streamusage.command_help import HelpfulGroup
from streamusage.command_options import LOG_FORMAT, HostPort
from streamusage.core.addresses import Address
from streamusage.core.exit_codes import ExitCode

if TYPE_CHECKING:
    from streamusage.agent.config.files import AgentConfig
    from streamusage.core.log_output import LogFormat

CONFIG = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The agent's TOML file: server, [service], [source] and [journal]. docs/agent.md shows one in full.",
)


@click.group(
    cls=HelpfulGroup,
    invoke_without_command=True,
    inherit=True,
    extras=("agent",),
    exit_codes={
        ExitCode.SUCCESS: "stopped by SIGTERM or ctrl+c",
        ExitCode.USAGE: "wrong configuration",
        ExitCode.UNAVAILABLE: "unusable journal",
        ExitCode.REFUSED: "another agent reports for this server",
    },
)
@CONFIG
@click.option(
    "--metrics",
    type=HostPort(),
    help="Serve GET /metrics for Prometheus at this address (docs/values.md).",
)
@LOG_FORMAT
@click.option("--verbose", "-v", is_flag=True, help="Log debug messages too.")
def agent(
    config_file: Path | None,
    metrics: Address | None,
    log_format: "LogFormat",
    verbose: bool,
) -> None:
    """Count what media servers do, and keep counting while the service is unreachable.

    Runs until SIGTERM or ctrl+c; then it takes a last reading and sends what it can. What it cannot send stays in the
    journal for the next start. Several servers are watched independently of each other.

    \b
    Examples:
      streamtop agent init                          find the media server, write agent.toml
      streamtop agent --config agent.toml           count until stopped
      streamtop agent check --config agent.toml     test source, journal and service
      streamtop agent status --config agent.toml    state, and figures not yet acknowledged
    """
    if config_file is None:
        raise click.UsageError("missing --config FILE, the agent's configuration")
    from streamusage.agent.config.files import ConfigError, load_agent_configs
    from streamusage.agent.journal.sqlite import JournalError
    from streamusage.agent.runner import FencedError
    from streamusage.agent.sources import SOURCE_MODELS, SourceKindError
    from streamusage.agent.supervisor import run_agents
    from streamusage.client.errors import RequestError
    from streamusage.core.log_output import log_to_stderr

    log_to_stderr(log_format, logging.DEBUG if verbose else logging.INFO)
    try:
        asyncio.run(run_agents(load_agent_configs(config_file, SOURCE_MODELS), metrics))
    except (ConfigError, RequestError, SourceKindError) as error:
        _stop(ExitCode.USAGE, str(error))
    except (JournalError, OSError) as error:
        _stop(ExitCode.UNAVAILABLE, str(error))
    except FencedError as error:
        _stop(ExitCode.REFUSED, str(error))


@agent.command(
    short_help="Show state and owed figures of the agents here.",
    exit_codes={
        ExitCode.SUCCESS: "all agents run and are online",
        ExitCode.FAILURE: "an agent does not run, is not online, cannot write its journal, or never had a reading",
        ExitCode.USAGE: "wrong configuration",
        ExitCode.NOT_FOUND: "no agent was found",
    },
)
@CONFIG
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def status(config_file: Path | None, form: str) -> None:
    """Show the state of the agents on this machine: phase, owed figures, journal, last error, clock.

    Without --config it searches the user's data directory for journals.
    """
    from streamusage.agent.status_output import format_json, format_status, load_statuses

    if config_file is None:
        from platformdirs import user_data_path

        journals = sorted((user_data_path("streamtop") / "agent").glob("*.journal.db"))
    else:
        journals = [unit.journal_path for unit in _units(config_file)]
    now_ms = time.time_ns() // 1_000_000
    statuses = load_statuses(journals)
    if form == "json":
        click.echo(format_json(statuses))
    else:
        for found in statuses:
            click.echo("\n".join(format_status(found, now_ms)))
    if not statuses:
        _stop(
            ExitCode.NOT_FOUND, "no agent status found; is the agent running, and is this its configuration (--config)?"
        )
    sys.exit(ExitCode.SUCCESS if all(found.is_healthy for found in statuses) else ExitCode.FAILURE)


@agent.command(
    short_help="Test media server, journal and service.",
    exit_codes={
        ExitCode.SUCCESS: "all work; with --log: lines of the log can be read",
        ExitCode.FAILURE: "one of them fails; with --log: no line can be read",
        ExitCode.USAGE: "wrong configuration",
    },
)
@CONFIG
@click.option(
    "--log",
    "log_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Print how this access log of a web server is understood, also compressed; with --config by its rules.",
)
def check(config_file: Path | None, log_file: Path | None) -> None:
    """Test the media server, the journal and the service of a configuration.

    With --log it reads a web server's access log instead and prints its form, the streams and viewers in it, and what
    does not count as watching and why. Counts nothing and changes nothing.
    """
    if log_file is not None:
        sys.exit(_check_log(log_file, () if config_file is None else _units(config_file)))
    if config_file is None:
        raise click.UsageError("missing --config FILE, the agent's configuration")
    results = [asyncio.run(_check(unit)) for unit in _units(config_file)]
    sys.exit(ExitCode.SUCCESS if all(results) else ExitCode.FAILURE)


def _check_log(path: Path, units: "tuple[AgentConfig, ...]") -> ExitCode:
    from streamusage.access_logs.log_file import LogFileError
    from streamusage.agent.sources.hls.check_log import check_log

    try:
        lines, is_readable = check_log(path, [unit.source for unit in units])
    except LogFileError as error:
        _stop(ExitCode.FAILURE, str(error))
    click.echo("\n".join(lines))
    return ExitCode.SUCCESS if is_readable else ExitCode.FAILURE


async def _check(unit: "AgentConfig") -> bool:
    from streamusage.agent.sources import SourceKindError, create_source
    from streamusage.agent.status_output import CHECK_ERRORS, check_journal, check_service, check_source, describe_unit
    from streamusage.agent.supervisor import build_link
    from streamusage.core.clock import SystemClock
    from streamusage.core.open_files import describe_readable, others_can_read
    from streamusage.core.secrets import find_readable_secrets

    click.echo(describe_unit(unit))
    clock = SystemClock()
    try:
        source = create_source(unit.source, clock, unit.spool_path)
    except SourceKindError as error:
        _stop(ExitCode.USAGE, str(error))
    link = build_link(unit, clock)

    async def check_own_journal() -> str:
        return check_journal(unit.journal_path)

    all_work = True
    checks = (
        ("media server", check_source(unit, source)),
        ("journal", check_own_journal()),
        ("service", check_service(link)),
    )
    for warning in find_readable_secrets(unit.secret_files):
        click.echo(f"  WARNING {warning}")
    for path in (unit.journal_path, unit.spool_path):
        if others_can_read(path):
            click.echo(f"  WARNING {describe_readable(path, 'figures of viewers')}")
    for name, check in checks:
        try:
            click.echo(f"  ok      {name}: {await check}")
        except CHECK_ERRORS as error:
            all_work = False
            click.echo(f"  FAILED  {name}: {error}")
    await source.close()
    await link.close()
    return all_work


def _units(config_file: Path) -> "tuple[AgentConfig, ...]":
    from streamusage.agent.config.files import ConfigError, load_agent_configs
    from streamusage.agent.sources import SOURCE_MODELS

    try:
        return load_agent_configs(config_file, SOURCE_MODELS)
    except ConfigError as error:
        _stop(ExitCode.USAGE, str(error))


def _stop(code: ExitCode, text: str) -> NoReturn:
    from streamusage.core.service_manager import ServiceManager

    ServiceManager.from_environment().set_status(text)
    click.echo(f"streamtop: {text}", err=True)
    sys.exit(code)


agent.add_command(init)
