"""`streamtop agent`: the statistics agent as a command."""

import asyncio
import logging
import random
import signal
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from streamusage.agent.config import AgentConfig

WRONG_USE = 2
CANNOT_RUN = 3
REFUSED = 4

LOG = logging.getLogger("streamusage.agent")


@click.command()
@click.option(
    "--config",
    "config_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The agent's TOML file: server, [service], [source] and [journal]. docs/agent.md shows one in full.",
)
@click.option("--verbose", "-v", is_flag=True, help="Say more on stderr.")
def agent(config_file: Path, verbose: bool) -> None:
    """Counts what a media server does, and keeps counting while the service is away.

    Runs until it is told to stop (SIGTERM or ctrl+c); then it takes a last reading and hands over what it can. What it
    cannot hand over stays in the journal for the next start. Exit codes: 2 wrong configuration, 3 the journal cannot
    be used, 4 another agent reports for this server.
    """
    from streamusage.agent.config import ConfigError, load_config
    from streamusage.agent.journal import JournalError
    from streamusage.agent.run import Fenced

    _log_to_stderr(verbose)
    try:
        config = load_config(config_file)
        asyncio.run(_run(config))
    except ConfigError as error:
        _stop(WRONG_USE, str(error))
    except JournalError as error:
        _stop(CANNOT_RUN, str(error))
    except Fenced as error:
        _stop(REFUSED, str(error))


async def _run(config: "AgentConfig") -> None:
    from streamusage.agent.ledger import Ledger
    from streamusage.agent.link import ServiceLink, token_from_env, token_from_file
    from streamusage.agent.run import Agent
    from streamusage.agent.salvage import open_journal
    from streamusage.agent.sources import source_of
    from streamusage.agent.syncup import SyncUp
    from streamusage.clock import SteadyClock, SystemClock

    clock = SteadyClock(SystemClock())
    service = config.service
    journal = open_journal(config.journal_path)
    token = token_from_file(service.token_file) if service.token_file else token_from_env(service.token_env or "")
    source = source_of(config.source, clock)
    link = ServiceLink(service.url, config.server, token, timeout_seconds=service.timeout_ms / 1000, clock=clock)
    running = Agent(
        server=config.server,
        source=source,
        ledger=Ledger(journal, uuid.uuid4().hex, config.server, config.role, service.sync_interval_ms),
        link=link,
        sync_up=SyncUp(config.server, service.sync_interval_ms, clock.elapsed_ms(), random.Random()),
        poll_interval_ms=config.source.poll_interval_ms,
        clock=clock,
    )
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, running.stop)
    LOG.info("watching %s for %s, journal %s", config.server, service.url, config.journal_path)
    try:
        await running.run()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        await source.close()
        await link.close()
        journal.close()


def _log_to_stderr(verbose: bool) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)


def _stop(code: int, text: str) -> None:
    click.echo(f"streamtop agent: {text}", err=True)
    sys.exit(code)
