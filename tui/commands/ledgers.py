"""`streamtop orphans` and `streamtop audit`: figures reported after a delete, and the audit log."""

import click

from streamusage.api.extension import Audit, AuditEntry, Orphan, Orphans
from streamusage.client.usage_client import UsageClient
from streamusage.command_help import HelpfulCommand
from streamusage.core.instants import AtNow
from tui.commands.estate_tables import audit_view, orphan_view
from tui.commands.flags import tz_option
from tui.commands.instants import instant, window_between
from tui.commands.listing import ListedRows, ListingOptions, listing_options, show
from tui.commands.shell import connection_options, counted, run_requests
from tui.config.settings import ConnectionSettings
from tui.output import UTC

_from = click.option(
    "--from", "from_", type=instant, default="7d", metavar="WHEN", help="Start. [default: 7d, before now]"
)
_to = click.option("--to", type=instant, default="0s", metavar="WHEN", help="End, not included. [default: now]")


@click.command(cls=HelpfulCommand)
@_from
@_to
@listing_options(lambda: orphan_view(UTC))
@tz_option
@connection_options
def orphans(connection: ConnectionSettings, from_: AtNow, to: AtNow, listing: ListingOptions) -> None:
    """List what servers reported for a record after it was deleted or discarded, by the last report.

    A deleted record stays deleted. Late figures are counted in the daily statistics, and the session's figures are
    listed here.

    WHEN is a duration before now (90m, 1h30m, 7d), a time such as 12:40 or 2026-11-21T12:00, or UTC milliseconds:
    docs/values.md.
    """

    async def read(client: UsageClient) -> Orphans:
        return await client.orphans(*await _window(client, connection, from_, to))

    def find() -> ListedRows[Orphan]:
        answer = run_requests(connection, read)
        summary = counted(len(answer.orphans), "orphan") + _rest(answer.more)
        return ListedRows(rows=answer.orphans, view=orphan_view(connection.tz), messages=[summary])

    show(find, listing)


@click.command(cls=HelpfulCommand)
@_from
@_to
@listing_options(lambda: audit_view(UTC))
@tz_option
@connection_options
def audit(connection: ConnectionSettings, from_: AtNow, to: AtNow, listing: ListingOptions) -> None:
    """Print the audit log, newest first: who deleted, imported or removed what, when, and how many records.

    WHO is the name of a token; `retention` is the service itself. Needs an admin token.

    WHEN is a duration before now (90m, 1h30m, 7d), a time such as 12:40 or 2026-11-21T12:00, or UTC milliseconds:
    docs/values.md.
    """

    async def read(client: UsageClient) -> Audit:
        return await client.audit(*await _window(client, connection, from_, to))

    def find() -> ListedRows[AuditEntry]:
        answer = run_requests(connection, read)
        summary = f"{len(answer.entries):,} {'entry' if len(answer.entries) == 1 else 'entries'}{_rest(answer.more)}"
        return ListedRows(rows=answer.entries, view=audit_view(connection.tz), messages=[summary])

    show(find, listing)


async def _window(client: UsageClient, connection: ConnectionSettings, from_: AtNow, to: AtNow) -> tuple[int, int]:
    now_ms = (await client.servers()).now
    # An entry of this very millisecond is inside the window, whose end is not.
    return window_between(from_, to, now_ms, now_ms + 1, connection.tz)


def _rest(more: bool) -> str:
    return "; older entries exist: give an earlier --to" if more else ""
