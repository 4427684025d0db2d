"""`streamtop daily close`: an operator closes a day that servers still owe figures of."""

import sys
from datetime import datetime

import click

from tui.commands.daily.window import DAY
from tui.commands.errors import THIS_MACHINE, USAGE, CommandError
from tui.commands.flags import tz_option
from tui.commands.shell import ask, connection_options, counted, refuse_if_read_only, say, talk
from tui.config.settings import ConnectionSettings
from tui.model.daily.days import join_names


@click.command()
@click.option("--day", required=True, type=DAY, metavar="YYYY-MM-DD", help="The day.")
@click.option("--server", metavar="NAME", help="Only this server's; the others go on waiting for theirs.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@tz_option
@connection_options
def close(connection: ConnectionSettings, day: datetime, server: str | None, yes: bool) -> None:
    """Closes a day with the figures that are there, so that it is final although servers owe some of it.

    A day closes by itself once every server has reported past its end; this is for a server that will not come back in
    time. The figures that it is closed with never change again. What comes later is entered in the ledger and stands
    beside them (streamtop daily adjustments). It cannot be undone.

    Only days of the service's account zones can be closed, from some time after their end on (serve --account-zone and
    --close-grace). It needs an admin's token and is written to the audit log.

    \b
    Examples:
      streamtop daily close --day 2026-11-20 --server edge-3
      streamtop daily close --day 2026-11-20 --tz Europe/Berlin --yes
    """
    refuse_if_read_only(connection, "nothing was closed")
    what = f"{day.date()} of {connection.tz.key}" + (f" for {server}" if server else " for every server")
    if not yes:
        if not sys.stdin.isatty():
            raise CommandError(f"there is no terminal to ask at; give --yes to close {what}; nothing was closed", USAGE)
        if ask(f"Close {what} at {connection.host}, for good? [y/N]").lower() not in {"y", "yes"}:
            raise CommandError("nothing was closed", THIS_MACHINE)
    result = talk(connection, lambda client: client.close_day(day.date(), connection.tz.key, server=server))
    if not result.closed:
        say(f"{what} was closed already; its figures stay as they are")
        return
    owing = f"; {join_names(result.owing)} still owed figures of it" if result.owing else ""
    already = f"; {counted(result.already_closed, 'server')} closed before" if result.already_closed else ""
    say(f"closed {day.date()} of {connection.tz.key} for {counted(len(result.closed), 'server')}{already}{owing}")
