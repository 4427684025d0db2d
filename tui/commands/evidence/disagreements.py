"""`streamtop disagreements`: hours whose figures were counted in two ways and differ."""

from collections.abc import Sequence
from operator import attrgetter
from zoneinfo import ZoneInfo

import click

from streamusage.api.disagreements import SIDES, Disagreement, Disagreements
from streamusage.client.usage_client import UsageClient
from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import CLIENT_EXIT_CODES, ExitCode
from streamusage.core.instants import AtNow
from streamusage.core.usage import StreamId
from tui.commands.errors import CommandError
from tui.commands.errors.usage import unknown_server
from tui.commands.flags import tz_option
from tui.commands.instants import instant, window_between
from tui.commands.listing import ListedRows, ListingOptions, listing_options, show
from tui.commands.manual.names import complete_servers
from tui.commands.shell import connection_options, counted, run_requests
from tui.commands.streams import format_stream_name
from tui.config.settings import ConnectionSettings
from tui.model import formats
from tui.model.daily.disagreements import format_compared
from tui.model.formats import time_text
from tui.output import UTC, ListColumn, View, attributes


@click.command(
    cls=HelpfulCommand,
    exit_codes={
        **CLIENT_EXIT_CODES,
        ExitCode.SUCCESS: "success; with --fail: there is no disagreement",
        ExitCode.FAILURE: "with --fail: there is a disagreement",
    },
)
@click.option("--from", "from_", type=instant, default="24h", metavar="WHEN", help="Start. [default: 24h, before now]")
@click.option("--to", type=instant, default="0s", metavar="WHEN", help="End, not included. [default: now]")
@click.option(
    "--server", metavar="NAME", shell_complete=complete_servers, help="Only those with figures of this server."
)
@click.option("--fail", is_flag=True, help="For monitoring: exit 1 if there is a disagreement.")
@listing_options(lambda: disagreement_view(UTC))
@tz_option
@connection_options
def disagreements(
    connection: ConnectionSettings, from_: AtNow, to: AtNow, server: str | None, fail: bool, listing: ListingOptions
) -> None:
    """List the hours in which figures that must agree do not: at least one of the two is wrong.

    \b
    sessions-slots  view time by the subscribers of sessions, and by the slots
    origin-edges    what an origin sent of a stream, and what its edges received
    counters-log    viewers who left by the server's counters, and by its log

    The service compares an hour once all of it is accounted for, and again after each late report. It tolerates
    differences of `streamtop serve --cross-check`. docs/daily.md lists what it cannot compare.

    WHEN is a duration before now (90m, 1h30m, 7d), a time such as 12:40 or 2026-11-21T12:00, or UTC milliseconds:
    docs/values.md.

    \b
    Examples:
      streamtop disagreements
      streamtop disagreements --from 7d --server edge-3
      streamtop disagreements --from 2h --fail
    """

    async def read(client: UsageClient) -> tuple[Disagreements, list[str]]:
        estate = await client.servers()
        window = window_between(from_, to, estate.now, estate.now, connection.tz)
        names = [item.server for item in estate.servers]
        return await client.evidence.disagreements(*window, server=server), names

    def find() -> ListedRows[Disagreement]:
        answer, servers = run_requests(connection, read)
        found = answer.disagreements
        return ListedRows(
            rows=found,
            view=disagreement_view(connection.tz),
            messages=[
                counted(len(found), "disagreement") + _not_compared(answer, connection),
                *unknown_server(server, servers),
            ],
            failure=_failure(found, connection) if found and fail else None,
        )

    show(find, listing)


def _failure(found: Sequence[Disagreement], connection: ConnectionSettings) -> CommandError:
    newest = found[-1]
    return CommandError(
        f"{connection.host}: {counted(len(found), 'disagreement')} found; the newest, of the hour "
        f"{time_text(newest.hour, connection.tz)} ({connection.tz.key}): {newest.describe()}",
        ExitCode.FAILURE,
    )


def _not_compared(answer: Disagreements, connection: ConnectionSettings) -> str:
    if not answer.threshold_percent:
        return "; this service compares nothing (serve --cross-check 0)"
    if answer.waiting_from is None:
        return f" above {answer.threshold_percent:g} %"
    return (
        f" above {answer.threshold_percent:g} %; hours from {time_text(answer.waiting_from, connection.tz)} "
        f"({connection.tz.key}) on wait for figures, or for their comparison"
    )


def disagreement_view(tz: ZoneInfo) -> View[Disagreement]:
    """Return the view of disagreements."""
    return View(
        tz=tz,
        columns=[
            *attributes("hour", is_time=True),
            *attributes("kind", "server"),
            ListColumn(
                "stream",
                lambda row: format_stream_name(StreamId(row.scope, row.name)) if row.name else "",
                "STREAM",
                shrinks=True,
            ),
            *attributes("scope", "name", shrinks=True),
            *attributes("figure"),
            ListColumn("compared", lambda row: ", ".join(SIDES[row.kind]), "COMPARED", shrinks=True),
            ListColumn("first", attrgetter("first"), "FIRST", lambda row: format_compared(row, row.first), figure=True),
            ListColumn(
                "second", attrgetter("second"), "SECOND", lambda row: format_compared(row, row.second), figure=True
            ),
            ListColumn("difference", lambda row: abs(row.first - row.second), "DIFFERENCE", _share, figure=True),
            ListColumn(
                "edges", lambda row: " ".join(row.edges), "EDGES", lambda row: ", ".join(row.edges), shrinks=True
            ),
            *attributes("found_at", is_time=True),
        ],
        table=("hour", "server", "stream", "compared", "first", "second", "difference", "edges"),
        csv=("hour", "kind", "server", "scope", "name", "figure", "first", "second", "edges", "found_at"),
        narrow=("edges",),
    )


def _share(row: Disagreement) -> str:
    larger = max(row.first, row.second)
    return formats.percent(abs(row.first - row.second), larger)
