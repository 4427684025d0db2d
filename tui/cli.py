"""The command `streamtop`: the console and the other commands, each imported when it is called.

Help and version import neither Textual nor SQLAlchemy nor an HTTP client.
"""

import importlib
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from streamusage import __version__
from streamusage.command_help import HelpfulGroup
from streamusage.command_options import Duration
from streamusage.core.exit_codes import CLIENT_EXIT_CODES, ExitCode, exit_codes
from tui import gc_tuning
from tui.commands.errors import CommandError
from tui.commands.flags import appearance_flags, connection_flags, tz_option
from tui.standard_streams import ClosedOutputError, OutputError, discard_output, guard_standard_streams

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "demo": ("tui.demo.command:demo", "Try it: a small estate of simulated servers, with an outage."),
    "serve": ("streamusage.service.cli:serve", "Run the usage service."),
    "store": (
        "streamusage.service.store_commands:store",
        "Back up, check and restore the service's store; accept its clock.",
    ),
    "token": ("streamusage.service.token_command:token", "Make tokens for the usage service."),
    "agent": ("streamusage.agent.cli:agent", "Run the statistics agent beside a media server."),
    "ls": ("tui.commands.ls:ls", "List the sessions."),
    "rm": ("tui.commands.rm:rm", "Delete usage records."),
    "import": ("tui.commands.import_records:import_records", "Import usage records into our service."),
    "journal": ("tui.commands.journal:journal", "List the records deleted from this machine; restore them."),
    "replay": (
        "tui.commands.replay.command:replay",
        "Play a recording of the console; write it as a page for a browser.",
    ),
    "config": ("tui.commands.config:config", "Print the settings in effect, each with its source."),
    "gaps": ("tui.commands.gaps:gaps", "List the gaps: backfilled, missing, lost."),
    "disagreements": (
        "tui.commands.evidence.disagreements:disagreements",
        "List figures that were counted in two ways and differ.",
    ),
    "alerts": ("tui.commands.alerts.command:alerts", "List the alerts of the service; silence, test."),
    "daily": ("tui.commands.daily.command:daily", "Daily statistics and their coverage."),
    "reconcile": (
        "tui.commands.reconcile.command:reconcile",
        "Compare the figures with a log, a CDN's log or an invoice.",
    ),
    "export": ("tui.commands.export:export", "Write days, sessions and samples as Parquet files."),
    "servers": ("tui.commands.servers:servers", "List the media servers; remove or repair one."),
    "orphans": ("tui.commands.ledgers:orphans", "List reports about deleted records."),
    "audit": ("tui.commands.ledgers:audit", "List the deletes: who, what, when."),
    "completion": ("tui.commands.manual.completion:completion", "Print the completion of bash, zsh or fish."),
    "man": ("tui.commands.manual.command:man", "Print a man page, or write all of them."),
    "key": ("tui.commands.evidence.keys:key", "Make, show and rotate keys that sign statements."),
    "files": (
        "tui.commands.installation.files:files",
        "List the files of the installation: units, dashboards, manual pages.",
    ),
    "docs": ("tui.commands.handbook.command:docs", "Show the documentation, without a network."),
}
"""Location and purpose of each command, by name."""

COMPLETE_VARIABLE = "_STREAMTOP_COMPLETE"
"""The variable of `tui.commands.manual.completion`, whose import is not needed for a command."""

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
            gc_tuning.collect_less_often(gc_tuning.YOUNGEST_OF_A_COMMAND)
        command = getattr(importlib.import_module(module), name)
        gc_tuning.resume_collections()
        if not isinstance(command, click.Command):
            raise TypeError(f"{location} is not a command")
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return options, or the commands that continue a word, without an import of them."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        from click.shell_completion import CompletionItem

        return [
            CompletionItem(name, help=purpose) for name, (_, purpose) in COMMANDS.items() if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands into the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, purpose) for name, (_, purpose) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    epilog="Every command has its own --help; streamtop docs shows the documentation.",
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
@click.option(
    "--summary",
    type=Duration(default_unit="s", longest="24h"),
    metavar="TIME",
    help="With --plain: a summary after so much time without another sentence; 0 for none. [default: 1m]",
)
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
    gc_tuning.resume_collections()
    ctx.exit(start.console(**flags))


def main() -> None:
    """Run the command line and exit. A closed pipe and ctrl+c end it quietly."""
    guard_standard_streams()
    if COMPLETE_VARIABLE in os.environ:
        _complete()
    try:
        exit_code = streamtop.main(prog_name="streamtop", standalone_mode=False)
        sys.stdout.flush()
    except CommandError as failure:
        _print_error(str(failure))
        exit_code = failure.exit_code
    except click.ClickException as error:
        describe = importlib.import_module("tui.commands.errors.usage").describe_usage_error
        _print_error(describe(error))
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


def _complete() -> NoReturn:
    """Print what continues the command line of a shell. No error is shown while somebody types."""
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # until the process ends, below
    with suppress(Exception, SystemExit):
        streamtop.main(prog_name="streamtop", complete_var=COMPLETE_VARIABLE)
    with suppress(Exception):
        sys.stdout.flush()
    os._exit(0)  # without waiting for a request that has not ended


def _print_error(text: str) -> None:
    """Print an error in the form of all commands: `streamtop: WHAT HAPPENED`, without control characters."""
    sanitize = importlib.import_module("tui.model.text").sanitize
    click.echo("\n".join(map(sanitize, f"streamtop: {text}".split("\n"))), err=True)
