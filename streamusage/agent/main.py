"""`streamtop agent`: the statistics agent as a command."""

import asyncio
import logging
import sys
from pathlib import Path

import click

WRONG_USE = 2
CANNOT_RUN = 3
REFUSED = 4


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
    """Counts what media servers do, and keeps counting while the service is away.

    Runs until it is told to stop (SIGTERM or ctrl+c); then it takes a last reading and hands over what it can. What it
    cannot hand over stays in the journal for the next start. Of several servers each is watched whatever happens to the
    others. Exit codes: 2 wrong configuration, 3 the journal cannot
    be used, 4 another agent reports for this server.
    """
    from streamusage.agent.config import ConfigError, load_units
    from streamusage.agent.journal import JournalError
    from streamusage.agent.run import Fenced
    from streamusage.agent.watch import watch_all

    _log_to_stderr(verbose)
    try:
        asyncio.run(watch_all(load_units(config_file)))
    except ConfigError as error:
        _stop(WRONG_USE, str(error))
    except JournalError as error:
        _stop(CANNOT_RUN, str(error))
    except Fenced as error:
        _stop(REFUSED, str(error))


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
