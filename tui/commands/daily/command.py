"""`streamtop daily`: daily statistics with their coverage."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

import click

from streamusage.api.daily import STREAM_GROUPS, Daily, DailyStatistics, DailySums, SumGroup, SummedStatistics
from streamusage.api.extension import ServerStatus
from streamusage.client.usage_client import UsageClient
from streamusage.command_help import HelpfulGroup
from streamusage.core.days import day_interval
from streamusage.core.windows import Days
from tui.commands.daily.adjustments import adjustments, voids
from tui.commands.daily.close import close
from tui.commands.daily.final_days import refuse_unless_final
from tui.commands.daily.tables import daily_view, sums_view
from tui.commands.daily.window import DAY, days_or_a_week, server_option
from tui.commands.errors.usage import unknown_server
from tui.commands.evidence.corrections import approve, correct, corrections, reverse
from tui.commands.evidence.export import export
from tui.commands.evidence.verify import verify
from tui.commands.flags import tz_option
from tui.commands.listing import ListedRows, ListingOptions, listing_options, show
from tui.commands.shell import connection_options, counted, run_requests
from tui.config.settings import ConnectionSettings
from tui.model.accounting_start import accounting_start


class _Read(NamedTuple):
    days: Days
    daily: Daily | None
    sums: DailySums | None
    servers: Sequence[ServerStatus]
    """Those of `--server`, else all."""
    names: list[str]
    """Names of all servers that the answer is about."""


@click.group(
    cls=HelpfulGroup,
    invoke_without_command=True,
    commands={
        "close": close,
        "adjustments": adjustments,
        "voids": voids,
        "corrections": corrections,
        "correct": correct,
        "approve": approve,
        "reverse": reverse,
        "export": export,
        "verify": verify,
    },
)
@click.option("--from", "first", type=DAY, metavar="YYYY-MM-DD", help="First day. [default: a week with --to]")
@click.option("--to", "last", type=DAY, metavar="YYYY-MM-DD", help="Last day, included. [default: today]")
@server_option
@click.option("--by", type=click.Choice(["day", "month"]), help="Sum up: one row per day or month.")
@click.option(
    "--group",
    type=click.Choice(get_args(SumGroup)),
    help="Sum up: one row per server, role, stream, scope or customer, or a single one.",
)
@click.option(
    "--customer",
    metavar="NAME",
    help="Only the streams of this customer of the service's rules (docs/customers.md). The default group is customer.",
)
@click.option("--final-only", is_flag=True, help="Refuse if a day is not final, with the reason.")
@listing_options(lambda: daily_view(()))
@tz_option
@connection_options
def daily(
    connection: ConnectionSettings,
    first: datetime | None,
    last: datetime | None,
    server: str | None,
    by: Literal["day", "month"] | None,
    group: SumGroup | None,
    customer: str | None,
    final_only: bool,
    listing: ListingOptions,
) -> None:
    """List the daily statistics of each server: connections, traffic, peak bandwidth and view time.

    A connection counts in the day in which it starts; view time is split at midnight. Days are those of the time zone.
    ACCOUNTED is the live or backfilled share of the day; a day below 100 % is not complete. In the day in which a
    server began, it is the share of the time since then, which is named. 95TH is the 95th percentile of five-minute
    averages, SAMPLES the number of averages used.

    A day is provisional while figures are owed, final once it is closed, and adjusted if figures arrived later: then
    the closed figures are listed with the changes beside them. WAITS FOR names the servers that owe figures.

    \b
    Examples:
      streamtop daily
      streamtop daily --from 2026-11-01 --to 2026-11-30 --tz Europe/Berlin
      streamtop daily --from 2026-11-01 --to 2026-11-30 --by month --group all
      streamtop daily --from 2026-11-01 --to 2026-11-30 --by month --group customer
      streamtop daily --from 2026-11-01 --to 2026-11-30 --group stream --customer Acme
      streamtop daily --from 2026-11-01 --to 2026-11-30 --final-only --format csv > nov.csv
    """
    if customer is not None:
        group = group or "customer"
        if group not in STREAM_GROUPS:
            raise click.UsageError(
                f"--customer is possible with --group {', '.join(STREAM_GROUPS)}: servers are shared"
            )
    is_of_servers = group not in STREAM_GROUPS

    async def read(client: UsageClient) -> _Read:
        days = await days_or_a_week(client, connection, first, last)
        tz = connection.tz.key
        sums = None
        if by is not None or group is not None:
            sums = await client.daily_sums(
                *days, tz, by=by or "day", group=group or "server", server=server, customer=customer
            )
        each = await client.daily(*days, tz, server=server) if sums is None or final_only else None
        # The coverage of streams is that of servers which carried them, so that their beginning does not matter.
        known = (await client.servers()).servers if is_of_servers else []
        servers = [status for status in known if server in (None, status.server)]
        return _Read(days, each, sums, servers, [status.server for status in known])

    def find() -> ListedRows[Any]:
        days, each, sums, known, names = run_requests(connection, read)
        if final_only and each is not None:
            refuse_unless_final(each, days, connection)
        if sums is not None:
            return ListedRows(
                rows=sums.sums,
                view=sums_view(sums.sums, group or "server", _start_of_sum(known, group)),
                messages=[
                    f"{counted(len(sums.sums), 'sum')}, {days.first} to {days.last}, {connection.tz.key}",
                    *(unknown_server(server, names) if is_of_servers else []),
                ],
            )
        assert each is not None, "without sums, the days are read"
        servers = counted(len({day.server for day in each.days}), "server")
        return ListedRows(
            rows=each.days,
            view=daily_view(each.days, _start_of_day(known)),
            messages=[
                f"{counted(len(each.days), 'day')} of {servers}, {connection.tz.key}{_notes(each)}",
                *unknown_server(server, names),
            ],
        )

    show(find, listing)


def _start_of_day(servers: Sequence[ServerStatus]) -> Callable[[DailyStatistics], int | None]:
    def start(row: DailyStatistics) -> int | None:
        interval = day_interval(date.fromisoformat(row.day), ZoneInfo(row.tz))
        return accounting_start([server for server in servers if server.server == row.server], *interval)

    return start


def _start_of_sum(servers: Sequence[ServerStatus], group: str | None) -> Callable[[SummedStatistics], int | None]:
    def start(row: SummedStatistics) -> int | None:
        if group in STREAM_GROUPS:
            return None
        tz = ZoneInfo(row.tz)
        from_ms = day_interval(date.fromisoformat(row.first_day), tz).from_ms
        to_ms = day_interval(date.fromisoformat(row.last_day), tz).to_ms
        concerned = [
            server
            for server in servers
            if group == "all" or row.group == (server.role if group == "role" else server.server)
        ]
        return accounting_start(concerned, from_ms, to_ms)

    return start


def _notes(daily: Daily) -> str:
    notes = [
        f"; {counted(len(days), 'day')} {words}"
        for days, words in (
            (_in_state(daily, "provisional"), "provisional"),
            (_in_state(daily, "adjusted"), "adjusted after closing"),
            ([day.day for day in daily.days if day.voids], "with a void closing, see streamtop daily voids"),
            (
                [day.day for day in daily.days if day.disagreements],
                "with figures that disagree, see streamtop disagreements",
            ),
        )
        if days
    ]
    return "".join(notes)


def _in_state(daily: Daily, state: str) -> Sequence[str]:
    return [day.day for day in daily.days if day.state == state]
