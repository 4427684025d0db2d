"""`streamtop daily close`: closes a day for which servers still owe figures."""

import sys
from datetime import datetime

import click

from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import ExitCode
from tui.commands.daily.window import DAY
from tui.commands.errors import CommandError
from tui.commands.flags import tz_option
from tui.commands.manual.names import complete_servers
from tui.commands.shell import (
    connection_options,
    counted,
    print_message,
    prompt_operator,
    refuse_if_read_only,
    run_requests,
)
from tui.config.settings import ConnectionSettings
from tui.model.daily.days import join_names


@click.command(cls=HelpfulCommand, short_help="Close a day with its present figures.")
@click.option("--day", required=True, type=DAY, metavar="YYYY-MM-DD", help="The day.")
@click.option(
    "--server", metavar="NAME", shell_complete=complete_servers, help="Only this server's day; the others stay open."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@tz_option
@connection_options
def close(connection: ConnectionSettings, day: datetime, server: str | None, yes: bool) -> None:
    """Close a day with its present figures, so that it is final although servers still owe figures.

    A day closes by itself once every server has reported past its end; this command is for a server that will not
    return in time. The closed figures never change again. Later reports become entries of the ledger (streamtop daily
    adjustments). Closing cannot be undone.

    Only days of the service's account zones can be closed, some time after their end (serve --account-zone and
    --close-grace). The command needs an admin token and is written to the audit log.

    \b
    Examples:
      streamtop daily close --day 2026-11-20 --server edge-3
      streamtop daily close --day 2026-11-20 --tz Europe/Berlin --yes
    """
    refuse_if_read_only(connection, "nothing was closed")
    what = f"{day.date()} of {connection.tz.key}" + (f" for {server}" if server else " for every server")
    if not yes:
        if not sys.stdin.isatty():
            raise CommandError(
                f"there is no terminal to ask at; give --yes to close {what}; nothing was closed", ExitCode.USAGE
            )
        if prompt_operator(f"Close {what} at {connection.host}, for good? [y/N]").lower() not in {"y", "yes"}:
            raise CommandError("nothing was closed", ExitCode.FAILURE)
    result = run_requests(connection, lambda client: client.close_day(day.date(), connection.tz.key, server=server))
    if not result.closed:
        print_message(f"{what} was closed before; its figures are unchanged")
        return
    owing = f"; {join_names(result.owing)} still owed figures of it" if result.owing else ""
    already = f"; {counted(result.already_closed, 'server')} closed before" if result.already_closed else ""
    print_message(
        f"closed {day.date()} of {connection.tz.key} for {counted(len(result.closed), 'server')}{already}{owing}"
    )
