"""`streamtop daily adjustments` and `voids`: changes of closed days, and closings that no longer count."""

from datetime import datetime

import click

from streamusage.api.daily import Adjustments, LedgerEntry, VoidEntry
from streamusage.client.usage_client import UsageClient
from streamusage.command_help import HelpfulCommand
from tui.commands.daily.tables import ledger_view, void_view
from tui.commands.daily.window import DAY, days_or_a_week, server_option
from tui.commands.flags import tz_option
from tui.commands.listing import ListedRows, ListingOptions, listing_options, show
from tui.commands.shell import connection_options, counted, run_requests
from tui.config.settings import ConnectionSettings
from tui.output import UTC


@click.command(cls=HelpfulCommand, short_help="List the changes of closed days.")
@click.option("--from", "first", type=DAY, metavar="YYYY-MM-DD", help="First day. [default: a week with --to]")
@click.option("--to", "last", type=DAY, metavar="YYYY-MM-DD", help="Last day, included. [default: today]")
@server_option
@listing_options(lambda: ledger_view((), UTC))
@tz_option
@connection_options
def adjustments(
    connection: ConnectionSettings,
    first: datetime | None,
    last: datetime | None,
    server: str | None,
    listing: ListingOptions,
) -> None:
    """List the ledger: changes of closed days after their closing, by day and entry.

    The figures of an entry are differences. In JSON, `figures` are the day's totals including the entry.
    """

    async def read(client: UsageClient) -> Adjustments:
        days = await days_or_a_week(client, connection, first, last)
        return await client.adjustments(*days, connection.tz.key, server=server)

    def find() -> ListedRows[LedgerEntry]:
        found = run_requests(connection, read)
        entries = found.adjustments
        void = f"; {counted(len(found.voids), 'closing')} void, see streamtop daily voids" if found.voids else ""
        summary = f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}, {connection.tz.key}{void}"
        return ListedRows(rows=entries, view=ledger_view(entries, connection.tz), messages=[summary])

    show(find, listing)


@click.command(cls=HelpfulCommand, short_help="List the closings that no longer count.")
@click.option("--from", "first", type=DAY, metavar="YYYY-MM-DD", help="First day. [default: a week with --to]")
@click.option("--to", "last", type=DAY, metavar="YYYY-MM-DD", help="Last day, included. [default: today]")
@server_option
@listing_options(lambda: void_view(UTC))
@tz_option
@connection_options
def voids(
    connection: ConnectionSettings,
    first: datetime | None,
    last: datetime | None,
    server: str | None,
    listing: ListingOptions,
) -> None:
    """List the void entries: closings that no longer count, because a wrong clock closed the day, and their figures.

    A void entry is made by `streamtop servers repair`. The closing is kept as it was, and the day closes anew, at
    another revision. The days may lie in the future: give --to.
    """

    async def read(client: UsageClient) -> Adjustments:
        days = await days_or_a_week(client, connection, first, last)
        return await client.adjustments(*days, connection.tz.key, server=server)

    def find() -> ListedRows[VoidEntry]:
        found = run_requests(connection, read).voids or []
        summary = f"{counted(len(found), 'void closing')}, {connection.tz.key}"
        return ListedRows(rows=found, view=void_view(connection.tz), messages=[summary])

    show(find, listing)
