"""The command `streamtop`: the console and the other commands, each imported when it is called.

Help and version import neither Textual nor SQLAlchemy nor an HTTP client.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

import click

from streamusage import __version__
from streamusage.command_help import HelpfulGroup
from streamusage.core.exit_codes import CLIENT_EXIT_CODES, ExitCode, exit_codes
from tui.app import gc_tuning
from tui.commands.errors import CommandError
from tui.commands.flags import appearance_flags, connection_flags, tz_option
from tui.standard_streams import ClosedOutputError, OutputError, discard_output, guard_standard_streams

COMMANDS = {
    "demo": ("tui.demo.command:demo", "Try it: a small estate of simulated servers, with an outage."),
    "serve": ("streamusage.service.cli:serve", "Run the usage service."),
    "store": (
        "streamusage.service.store_commands:store",
        "Back up, check and restore the service's store; accept its clock.",
    ),
    "agent": ("streamusage.agent.cli:agent", "Run the statistics agent beside a media server."),
    "ls": ("tui.commands.ls:ls", "List the sessions."),
    "rm": ("tui.commands.rm:rm", "Delete usage records."),
    "import": ("tui.commands.import_records:import_records", "Import usage records into our service."),
    "journal": ("tui.commands.journal:journal", "List the records deleted from this machine; restore them."),
    "replay": ("tui.commands.replay:replay", "Play a recording of the console."),
    "config": ("tui.commands.config:config", "List every setting, its value, and its source."),
    "gaps": ("tui.commands.gaps:gaps", "List the gaps: backfilled, missing, lost."),
    "disagreements": (
        "tui.commands.evidence.disagreements:disagreements",
        "List figures that were counted in two ways and differ.",
    ),
    "daily": ("tui.commands.daily.command:daily", "Daily statistics and their coverage."),
    "reconcile": (
        "tui.commands.reconcile.command:reconcile",
        "Compare the figures with a log, a CDN's log or an invoice.",
    ),
    "export": ("tui.commands.export:export", "Write days, sessions and samples as Parquet files."),
    "servers": ("tui.commands.servers:servers", "List the media servers; remove or repair one."),
    "orphans": ("tui.commands.ledgers:orphans", "List reports about deleted records."),
    "audit": ("tui.commands.ledgers:audit", "List the deletes: who, what, when."),
    "key": ("tui.commands.evidence.keys:key", "Make, show and rotate keys that sign statements."),
}
"""Location and purpose of each command, by name."""

ALIASES = {"server": "tui.commands.servers:server"}
"""Location of each command that keeps an old spelling working. The help does not list it."""


class LazyGroup(HelpfulGroup):
    """A group whose commands are imported when they are called; the help lists them without an import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; `None` if there is none of that name."""
        location = COMMANDS[cmd_name][0] if cmd_name in COMMANDS else ALIASES.get(cmd_name)
        if location is None:
            return None
        module, _, name = location.partition(":")
        if module.startswith("tui."):
            gc_tuning.collect_less_often()
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{location} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands into the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, purpose) for name, (_, purpose) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every command has its own --help.",
    exit_codes={
        **CLIENT_EXIT_CODES,
        **exit_codes(ExitCode.HANGUP, ExitCode.INTERRUPTED, ExitCode.CLOSED_PIPE, ExitCode.TERMINATED),
    },
)
@connection_flags
@tz_option
@click.option("--read-only", is_flag=True, help="Disable everything that deletes.")
@appearance_flags
@click.option(
    "--record", metavar="FILE", type=click.Path(path_type=Path), help="Record the polls to a file, for replay."
)
@click.option("--plain", is_flag=True, help="Print sentences instead of a screen: for screen readers and logs.")
@click.option("--filter", "filter_text", metavar="FILTER", help="With --plain: which sessions to report.")
@click.version_option(__version__, message=f"%(prog)s %(version)s, Python {sys.version.split()[0]}")
@click.pass_context
def streamtop(ctx: click.Context, /, **flags: Any) -> None:
    """Top for live streams: who publishes, who watches, what was used, and which figures can be trusted.

    Without a command: the console.

    \b
    Examples:
      streamtop demo                        try it, nothing needed
      streamtop                             watch the service on this machine
      streamtop --profile prod --read-only  watch a service of config.toml
      streamtop --plain                     what changes, as lines
      streamtop ls live/ --format json      the same figures for a script
    """
    gc_tuning.collect_less_often()
    start = importlib.import_module("tui.commands.console")
    ctx.exit(start.console(**flags))


def main() -> None:
    """Run the command line and exit. A closed pipe and ctrl+c end it quietly."""
    guard_standard_streams()
    try:
        exit_code = streamtop.main(prog_name="streamtop", standalone_mode=False)
        sys.stdout.flush()
    except CommandError as failure:
        sanitize = importlib.import_module("tui.model.text").sanitize
        click.echo("\n".join(map(sanitize, f"streamtop: {failure}".split("\n"))), err=True)
        exit_code = failure.exit_code
    except click.ClickException as error:
        error.show()
        exit_code = error.exit_code
    except click.Abort:
        exit_code = ExitCode.INTERRUPTED
    except (BrokenPipeError, ClosedOutputError):
        discard_output()
        exit_code = ExitCode.CLOSED_PIPE
    except OutputError as error:
        discard_output()
        click.echo(
            f"streamtop: standard output cannot be written: {error.strerror}; what was printed is incomplete", err=True
        )
        exit_code = ExitCode.FAILURE
    sys.exit(exit_code if isinstance(exit_code, int) else 0)
