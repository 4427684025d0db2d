"""`streamtop agent`: the statistics agent as a command, with `status` and `check`."""

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from streamusage.command_options import HostPort

if TYPE_CHECKING:
    from streamusage.agent.config.files import AgentConfig
    from streamusage.agent.log_output import LogFormat

WRONG_USE = 2
CANNOT_RUN = 3
REFUSED = 4
NOT_FOUND = 5

CONFIG = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The agent's TOML file: server, [service], [source] and [journal]. docs/agent.md shows one in full.",
)


@click.group(invoke_without_command=True)
@CONFIG
@click.option("--metrics", type=HostPort(), help="Answer GET /metrics in Prometheus' format there.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "kv", "json"]),
    default="text",
    show_default=True,
    help="One line an event on stderr: as words, key=value or JSON.",
)
@click.option("--verbose", "-v", is_flag=True, help="Say more on stderr.")
@click.pass_context
def agent(
    ctx: click.Context,
    config_file: Path | None,
    metrics: tuple[str, int] | None,
    log_format: "LogFormat",
    verbose: bool,
) -> None:
    """Counts what media servers do, and keeps counting while the service is away.

    Runs until it is told to stop (SIGTERM or ctrl+c); then it takes a last reading and hands over what it can. What it
    cannot hand over stays in the journal for the next start. Of several servers each is watched whatever happens to the
    others. Exit codes: 2 wrong configuration, 3 the journal cannot be used, 4 another agent reports for this server.

    \b
    Examples:
      streamtop agent --config agent.toml           count, until told to stop
      streamtop agent check --config agent.toml     try source, journal and service
      streamtop agent status --config agent.toml    what it is at, and what it owes
    """
    if ctx.invoked_subcommand is not None:
        return
    if config_file is None:
        raise click.UsageError("give the agent's configuration: --config FILE")
    from streamusage.agent.config.files import ConfigError, load_agent_configs
    from streamusage.agent.journal.sqlite import JournalError
    from streamusage.agent.log_output import log_to_stderr
    from streamusage.agent.runner import FencedError
    from streamusage.agent.supervisor import watch_all
    from streamusage.agent.sync.link import LinkError

    log_to_stderr(log_format, verbose)
    try:
        asyncio.run(watch_all(load_agent_configs(config_file), metrics))
    except (ConfigError, LinkError) as error:
        _stop(WRONG_USE, str(error))
    except (JournalError, OSError) as error:
        _stop(CANNOT_RUN, str(error))
    except FencedError as error:
        _stop(REFUSED, str(error))


@agent.command()
@CONFIG
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def status(config_file: Path | None, form: str) -> None:
    """What the agents of this machine are at: state, what they owe, journal, last error, clock.

    Without --config it looks at the journals in the user's data directory. Exit codes: 0 all run and owe nothing for
    long, 1 one does not run or is not online, 5 there is no agent to tell of.
    """
    from streamusage.agent.status_output import status_json, status_lines, told

    if config_file is None:
        from platformdirs import user_data_path

        journals = sorted((user_data_path("streamtop") / "agent").glob("*.journal.db"))
    else:
        journals = [unit.journal_path for unit in _units(config_file)]
    now_ms = time.time_ns() // 1_000_000
    statuses = told(journals)
    if form == "json":
        click.echo(status_json(statuses))
    else:
        for each, running in statuses:
            click.echo("\n".join(status_lines(each, running, now_ms)))
    if not statuses:
        _stop(NOT_FOUND, "no agent left a status here; is it running, and is this its configuration (--config)?")
    sys.exit(0 if all(running and each.phase == "online" for each, running in statuses) else 1)


@agent.command()
@CONFIG
def check(config_file: Path | None) -> None:
    """Tries the media server, the journal and the service of a configuration, and says what works.

    Counts nothing and changes nothing. Exit codes: 0 all works, 1 something does not, 2 wrong configuration.
    """
    if config_file is None:
        raise click.UsageError("give the agent's configuration: --config FILE")
    ok = [asyncio.run(_check(unit)) for unit in _units(config_file)]
    sys.exit(0 if all(ok) else 1)


async def _check(unit: "AgentConfig") -> bool:
    from streamusage.agent.sources import create_source
    from streamusage.agent.status_output import CHECK_ERRORS, check_journal, check_service, check_source, describe
    from streamusage.agent.supervisor import link_of
    from streamusage.core.clock import SystemClock

    click.echo(describe(unit))
    clock = SystemClock()
    source = create_source(unit.source, clock, unit.spool_path)
    link = link_of(unit, clock)

    async def journal() -> str:
        return check_journal(unit.journal_path)

    works = True
    checks = (("media server", check_source(unit, source)), ("journal", journal()), ("service", check_service(link)))
    for name, checked in checks:
        try:
            click.echo(f"  ok      {name}: {await checked}")
        except CHECK_ERRORS as error:
            works = False
            click.echo(f"  FAILED  {name}: {error}")
    await source.close()
    await link.close()
    return works


def _units(config_file: Path) -> "tuple[AgentConfig, ...]":
    from streamusage.agent.config.files import ConfigError, load_agent_configs

    try:
        return load_agent_configs(config_file)
    except ConfigError as error:
        _stop(WRONG_USE, str(error))


def _stop(code: int, text: str) -> NoReturn:
    click.echo(f"streamtop agent: {text}", err=True)
    sys.exit(code)
