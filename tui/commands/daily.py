"""`streamtop daily`: daily statistics, with the coverage that they rest on."""

from datetime import date, datetime, timedelta

import click

from streamusage.answers import Daily
from streamusage.client import UsageClient
from streamusage.days import day_of
from tui.commands.shell import connection_options, counted, format_option, say, talk, tz_option
from tui.commands.views import daily_view
from tui.output import Format, print_rows
from tui.settings import Connection

DAY = click.DateTime(["%Y-%m-%d"])
MOST_DAYS = 366
DAYS_BY_DEFAULT = 7


@click.command()
@click.option("--from", "first", type=DAY, metavar="YYYY-MM-DD", help="First day. [default: a week with --to]")
@click.option("--to", "last", type=DAY, metavar="YYYY-MM-DD", help="Last day, included. [default: today]")
@click.option("--server", metavar="NAME", help="Only this server.")
@format_option()
@tz_option
@connection_options
def daily(
    connection: Connection, first: datetime | None, last: datetime | None, server: str | None, output_format: Format
) -> None:
    """Lists the daily statistics of each server: connections, traffic, peak bandwidth and view time.

    A connection counts in the day in which it starts; view time is split at midnight. Days are those of the time zone.
    ACCOUNTED is the share of the day that was seen live or backfilled; a day below 100 % is not complete.

    \b
    Examples:
      streamtop daily
      streamtop daily --from 2026-11-01 --to 2026-11-30 --tz Europe/Berlin
      streamtop daily --from 2026-11-01 --to 2026-11-30 --format csv > nov.csv
    """

    async def read(client: UsageClient) -> Daily:
        last_day = last.date() if last is not None else await _today(client, connection)
        first_day = first.date() if first is not None else _days_before(last_day, DAYS_BY_DEFAULT - 1)
        if first_day > last_day:
            raise click.UsageError(f"--from {first_day} is after --to {last_day}")
        if (last_day - first_day).days >= MOST_DAYS:
            raise click.UsageError(f"{first_day} to {last_day} is more than {MOST_DAYS} days; ask for less at once")
        return await client.daily(first_day, last_day, connection.tz.key, server=server)

    days = talk(connection, read).days
    print_rows(days, daily_view(days), output_format)
    say(f"{counted(len(days), 'day')} of {counted(len({day.server for day in days}), 'server')}, {connection.tz.key}")


async def _today(client: UsageClient, connection: Connection) -> date:
    return day_of((await client.servers()).now, connection.tz)


def _days_before(day: date, days: int) -> date:
    return day - timedelta(days=min(days, (day - date.min).days))
