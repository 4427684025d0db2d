"""`streamtop daily adjustments` and `voids`: changes of closed days, and closings that no longer count."""

from datetime import datetime

import click

from streamusage.api.daily import Adjustments
from streamusage.client.usage_client import UsageClient
from streamusage.command_help import HelpfulCommand
from tui.commands.daily.tables import ledger_view, void_view
from tui.commands.daily.window import DAY, days_or_a_week, server_option
from tui.commands.flags import tz_option
from tui.commands.shell import connection_options, counted, format_option, print_message, run_requests
from tui.config.settings import ConnectionSettings
from tui.output import Format, print_rows


@click.command(cls=HelpfulCommand, short_help="List the changes of closed days.")
@click.option("--from", "first", type=DAY, metavar="YYYY-MM-DD", help="First day. [default: a week with --to]")
@click.option("--to", "last", type=DAY, metavar="YYYY-MM-DD", help="Last day, included. [default: today]")
@server_option
@format_option()
@tz_option
@connection_options
def adjustments(
    connection: ConnectionSettings,
    first: datetime | None,
    last: datetime | None,
    server: str | None,
    output_format: Format,
) -> None:
    """List the ledger: changes of closed days after their closing, by day and entry.

    The figures of an entry are differences. In JSON, `figures` are the day's totals including the entry.
    """

    async def read(client: UsageClient) -> Adjustments:
        days = await days_or_a_week(client, connection, first, last)
        return await client.adjustments(*days, connection.tz.key, server=server)

    found = run_requests(connection, read)
    entries = found.adjustments
    print_rows(entries, ledger_view(entries, connection.tz), output_format)
    void = f"; {counted(len(found.voids), 'closing')} void, see streamtop daily voids" if found.voids else ""
    print_message(f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}, {connection.tz.key}{void}")


@click.command(cls=HelpfulCommand, short_help="List the closings that no longer count.")
@click.option("--from", "first", type=DAY, metavar="YYYY-MM-DD", help="First day. [default: a week with --to]")
@click.option("--to", "last", type=DAY, metavar="YYYY-MM-DD", help="Last day, included. [default: today]")
@server_option
@format_option()
@tz_option
@connection_options
def voids(
    connection: ConnectionSettings,
    first: datetime | None,
    last: datetime | None,
    server: str | None,
    output_format: Format,
) -> None:
    """List the void entries: closings that no longer count, because a wrong clock closed the day, and their figures.

    A void entry is made by `streamtop servers repair`. The closing is kept as it was, and the day closes anew, at
    another revision. The days may lie in the future: give --to.
    """

    async def read(client: UsageClient) -> Adjustments:
        days = await days_or_a_week(client, connection, first, last)
        return await client.adjustments(*days, connection.tz.key, server=server)

    found = run_requests(connection, read).voids or []
    print_rows(found, void_view(connection.tz), output_format)
    print_message(f"{counted(len(found), 'void closing')}, {connection.tz.key}")
