"""`streamtop daily corrections`, `correct`, `approve` and `reverse`: what changed in closed days, and its approval."""

from datetime import datetime
from operator import attrgetter
from zoneinfo import ZoneInfo

import click

from streamusage.api.evidence import Correction, Corrections
from streamusage.client.usage_client import UsageClient
from streamusage.command_help import HelpfulCommand
from streamusage.core.figures import SUM_NAMES, SUMS
from tui.commands.daily.window import DAY, days_or_a_week, server_option
from tui.commands.flags import tz_option
from tui.commands.listing import ListedRows, ListingOptions, listing_options, show
from tui.commands.manual.names import complete_servers
from tui.commands.shell import (
    connection_options,
    counted,
    print_message,
    refuse_if_read_only,
    run_requests,
)
from tui.config.settings import ConnectionSettings
from tui.model import formats
from tui.output import UTC, ListColumn, View, attributes


@click.command(cls=HelpfulCommand, short_help="List corrections of closed days.")
@click.option("--from", "first", type=DAY, metavar="YYYY-MM-DD", help="First day. [default: a week with --to]")
@click.option("--to", "last", type=DAY, metavar="YYYY-MM-DD", help="Last day, included. [default: today]")
@server_option
@listing_options(lambda: correction_view(UTC))
@tz_option
@connection_options
def corrections(
    connection: ConnectionSettings,
    first: datetime | None,
    last: datetime | None,
    server: str | None,
    listing: ListingOptions,
) -> None:
    """List the corrections of closed days: what is proposed and waits for approval, and what is approved.

    What arrives after a day was closed never changes its closed figures. The service proposes it as a correction; once
    it is approved, it is in the statement of the period of its approval. Closed, approved and pending figures together
    are what the servers reported.

    \b
    Examples:
      streamtop daily corrections --from 2026-11-01 --to 2026-11-30
      streamtop daily approve 12
      streamtop daily reverse 12 --reason "approved for the wrong server"
    """

    async def read(client: UsageClient) -> Corrections:
        days = await days_or_a_week(client, connection, first, last)
        return await client.evidence.corrections(*days, connection.tz.key, server=server)

    def find() -> ListedRows[Correction]:
        found = run_requests(connection, read).corrections
        waiting = sum(row.state == "proposed" for row in found)
        summary = f"{counted(len(found), 'correction')}, {waiting} to approve, {connection.tz.key}"
        return ListedRows(rows=found, view=correction_view(connection.tz), messages=[summary])

    show(find, listing)


@click.command(cls=HelpfulCommand, short_help="Propose a correction of a closed day.")
@click.option("--day", required=True, type=DAY, metavar="YYYY-MM-DD", help="The closed day.")
@click.option("--server", required=True, metavar="NAME", shell_complete=complete_servers, help="The server.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is in the statement.")
@tz_option
@connection_options
def correct(connection: ConnectionSettings, day: datetime, server: str, reason: str) -> None:
    """Propose what is pending in a closed day, and not proposed yet, as a correction.

    The service proposes by itself what arrives late; this is for an amount that became pending again by a reversal.
    Another admin's token must approve it (serve --correction-approval).

    \b
    Examples:
      streamtop daily correct --day 2026-11-20 --server edge-3 --reason "counted for edge-3 after all"
    """
    refuse_if_read_only(connection, "nothing was proposed")
    done = run_requests(
        connection, lambda client: client.evidence.propose(day.date(), connection.tz.key, server, reason)
    )
    print_message(_sentence(done.correction))


@click.command(cls=HelpfulCommand, short_help="Approve a correction.")
@click.argument("number", type=click.IntRange(min=1), metavar="NUMBER")
@connection_options
def approve(connection: ConnectionSettings, number: int) -> None:
    """Approve a proposed correction, so that it is billed in the statement of the present period.

    An approval is not changed any more: streamtop daily reverse takes it back with a correction of the opposite amount.
    It needs an admin token other than the one that proposed, and is written to the audit log.

    \b
    Examples:
      streamtop daily approve 12
    """
    refuse_if_read_only(connection, "nothing was approved")
    print_message(_sentence(run_requests(connection, lambda client: client.evidence.approve(number)).correction))


@click.command(cls=HelpfulCommand, short_help="Take an approved correction back.")
@click.argument("number", type=click.IntRange(min=1), metavar="NUMBER")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is in the statement.")
@connection_options
def reverse(connection: ConnectionSettings, number: int, reason: str) -> None:
    """Propose a correction of the opposite amount. Once it is approved, the amount is pending again.

    \b
    Examples:
      streamtop daily reverse 12 --reason "approved for the wrong server"
    """
    refuse_if_read_only(connection, "nothing was reversed")
    print_message(
        _sentence(run_requests(connection, lambda client: client.evidence.reverse(number, reason)).correction)
    )


def _sentence(done: Correction) -> str:
    amounts = [
        f"{figure.heading.lower()} {formats.signed(number, formats.FORMAT_OF_UNIT[figure.unit])}"
        for figure in SUMS
        if (number := getattr(done.difference, figure.name))
    ]
    waits = "" if done.state == "approved" else "; it waits for the approval of another admin's token"
    return f"correction {done.id} of {done.day} of {done.server} is {done.state}: {', '.join(amounts)}{waits}"


def correction_view(tz: ZoneInfo) -> View[Correction]:
    """Return the view of corrections."""
    return View(
        tz=tz,
        columns=[
            ListColumn("id", attrgetter("id"), "NUMBER", figure=True),
            *attributes("day", "server", "tz", "revision"),
            ListColumn("state", attrgetter("state"), "STATE", _state),
            *(
                ListColumn[Correction](
                    figure.name,
                    attrgetter(f"difference.{figure.name}"),
                    figure.heading,
                    lambda row, figure=figure: formats.signed(  # type: ignore[misc]
                        getattr(row.difference, figure.name), formats.FORMAT_OF_UNIT[figure.unit]
                    ),
                    figure=True,
                )
                for figure in SUMS
            ),
            *attributes("reason", shrinks=True),
            ListColumn("proposed_at", attrgetter("proposed_at"), "PROPOSED", is_time=True),
            ListColumn("proposed_by", attrgetter("proposed_by"), "BY"),
            *attributes("approved_at", is_time=True),
            *attributes("approved_by", "reverses", "reversed_by"),
        ],
        table=("id", "day", "server", "state", *SUM_NAMES, "proposed_at", "proposed_by", "approved_by", "reason"),
        csv=(
            *("id", "day", "server", "tz", "revision", "state", *SUM_NAMES, "reason"),
            *("proposed_at", "proposed_by", "approved_at", "approved_by", "reverses", "reversed_by"),
        ),
        narrow=("view_time_ms", "connections", "bytes_in", "proposed_at", "approved_by", "proposed_by", "bytes_out"),
    )


def _state(row: Correction) -> str:
    return row.state if row.reversed_by is None else f"reversed by {row.reversed_by}"
