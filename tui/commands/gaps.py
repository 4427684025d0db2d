"""`streamtop gaps`: what was not seen live, and what came of it."""

import click

from streamusage.answers import Coverage
from streamusage.client import UsageClient
from tui.commands.instants import AtNow, instant
from tui.commands.shell import connection_options, counted, format_option, say, talk, tz_option
from tui.commands.views import gap_view, gaps_of, time_text
from tui.output import Format, print_rows
from tui.settings import Connection


@click.command()
@click.option("--from", "from_", type=instant, default="24h", metavar="WHEN", help="Start. [default: 24h, before now]")
@click.option("--to", type=instant, default="0s", metavar="WHEN", help="End, not included. [default: now]")
@click.option("--server", metavar="NAME", help="Only this server.")
@click.option("--with-live", is_flag=True, help="The time that was seen live too.")
@format_option()
@tz_option
@connection_options
def gaps(
    connection: Connection, from_: AtNow, to: AtNow, server: str | None, with_live: bool, output_format: Format
) -> None:
    """Lists the gaps: the time of each server that was not seen live, and how it is accounted for.

    \b
    backfilled  came later, after an outage; what it brought stands beside it
    partial     some of it is covered
    missing     nothing has come yet; the server still owes it
    lost        the agent declared that it can never come, and why
    held        came, but could not be accepted; an operator must look

    WHEN is so long before now (90m, 24h, 7d), a time such as 2026-11-21T12:00, or UTC milliseconds. Now is the
    service's.

    \b
    Examples:
      streamtop gaps
      streamtop gaps --from 7d --server edge-3
      streamtop gaps --from 2026-11-01 --to 2026-12-01 --format csv > nov.csv
    """

    async def read(client: UsageClient) -> Coverage:
        now_ms = (await client.servers()).now
        from_ms, to_ms = from_(now_ms, connection.tz), to(now_ms, connection.tz)
        if from_ms >= to_ms:
            raise click.UsageError("--from is not before --to")
        return await client.coverage(from_ms, to_ms, server=server)

    coverage = talk(connection, read)
    found = gaps_of(coverage.servers, with_live=with_live)
    print_rows(found, gap_view(found, connection.tz), output_format)
    window = f"{time_text(coverage.from_ms, connection.tz)} to {time_text(coverage.to_ms, connection.tz)}"
    spans = counted(len(found), "span" if with_live else "gap")
    say(f"{spans} of {counted(len(coverage.servers), 'server')}, {window} ({connection.tz.key})")
