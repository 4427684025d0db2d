"""`streamtop gaps`: time that was not reported live, and its coverage."""

from collections.abc import Sequence
from typing import NamedTuple

import click

from streamusage.api.extension import Coverage, ServerStatus
from streamusage.client.usage_client import UsageClient
from streamusage.command_help import HelpfulCommand
from streamusage.command_options import Duration
from streamusage.core.coverage import WORST_FIRST, Provenance
from streamusage.core.exit_codes import CLIENT_EXIT_CODES, ExitCode
from streamusage.core.instants import AtNow
from tui.commands.errors import CommandError
from tui.commands.errors.usage import unknown_server
from tui.commands.flags import tz_option
from tui.commands.instants import instant, window_between
from tui.commands.listing import ListedRows, ListingOptions, listing_options, show
from tui.commands.manual.names import complete_servers
from tui.commands.servers import repair_hint
from tui.commands.shell import connection_options, counted, run_requests
from tui.commands.tables import Gap, gap_view, gaps_of
from tui.config.settings import ConnectionSettings
from tui.model import formats
from tui.model.formats import time_text
from tui.output import UTC


class _Read(NamedTuple):
    coverage: Coverage
    ailing: list[ServerStatus]
    """Servers with figures that a wrong clock filed: they may hide gaps."""
    servers: list[str]
    """Names of all servers."""


def _states(_context: click.Context, _parameter: click.Parameter, text: str | None) -> frozenset[Provenance]:
    if text is None:
        return frozenset()
    known = {state.value: state for state in WORST_FIRST if state is not Provenance.LIVE}
    names = [name.strip() for name in text.split(",")]
    if not set(names) <= known.keys():
        raise click.BadParameter(f"{text!r} is not a list of gap states; states are {', '.join(known)}")
    return frozenset(known[name] for name in names)


@click.command(
    cls=HelpfulCommand,
    exit_codes={
        **CLIENT_EXIT_CODES,
        ExitCode.SUCCESS: "success; with --fail-on: there is no such gap",
        ExitCode.FAILURE: "with --fail-on: there is such a gap, or a server needs a repair that may hide one",
    },
)
@click.option("--from", "from_", type=instant, default="24h", metavar="WHEN", help="Start. [default: 24h, before now]")
@click.option("--to", type=instant, default="0s", metavar="WHEN", help="End, not included. [default: now]")
@click.option("--server", metavar="NAME", shell_complete=complete_servers, help="Only this server.")
@click.option("--with-live", is_flag=True, help="Include live time.")
@click.option(
    "--fail-on",
    callback=_states,
    metavar="STATES",
    help="For monitoring: exit 1 if a gap is in one of these states, such as missing,lost.",
)
@click.option(
    "--max-age",
    type=Duration(),
    metavar="TIME",
    help="With --fail-on: only gaps that began longer ago than this, such as 10m. [default: any]",
)
@listing_options(lambda: gap_view((), UTC))
@tz_option
@connection_options
def gaps(
    connection: ConnectionSettings,
    from_: AtNow,
    to: AtNow,
    server: str | None,
    with_live: bool,
    fail_on: frozenset[Provenance],
    max_age: int | None,
    listing: ListingOptions,
) -> None:
    """List the gaps: the time of each server that was not reported live, and its state.

    \b
    backfilled  reported later, after an outage; the recovered figures are listed
    partial     partly covered
    missing     not reported yet
    lost        declared unrecoverable by the agent, with the reason
    held        received but quarantined for an operator

    Time whose figures a wrong clock filed in the future is missing until `streamtop servers repair` moves them back.

    WHEN is a duration before now (90m, 1h30m, 7d), a time such as 12:40 or 2026-11-21T12:00, or UTC milliseconds. Now
    is the service's time. docs/values.md describes both.

    \b
    Examples:
      streamtop gaps
      streamtop gaps --from 7d --server edge-3
      streamtop gaps --from 2026-11-01 --to 2026-12-01 --format csv > nov.csv
      streamtop gaps --fail-on missing,lost --max-age 10m
    """
    if max_age is not None and not fail_on:
        raise click.UsageError("--max-age needs --fail-on, which names the states")

    async def read(client: UsageClient) -> _Read:
        estate = await client.servers()
        window = window_between(from_, to, estate.now, estate.now, connection.tz)
        ailing = [item for item in estate.servers if item.repair and server in (None, item.server)]
        names = [item.server for item in estate.servers]
        return _Read(await client.coverage(*window, server=server), ailing, names)

    def find() -> ListedRows[Gap]:
        coverage, ailing, servers = run_requests(connection, read)
        found = gaps_of(coverage.servers, with_live=with_live)
        window = f"{time_text(coverage.from_ms, connection.tz)} to {time_text(coverage.to_ms, connection.tz)}"
        spans = counted(len(found), "span" if with_live else "gap")
        summary = f"{spans} of {counted(len(coverage.servers), 'server')}, {window} ({connection.tz.key})"
        return ListedRows(
            rows=found,
            view=gap_view(found, connection.tz),
            messages=[summary, *unknown_server(server, servers), *map(repair_hint, ailing)],
            failure=_failure(found, fail_on, ailing, coverage.now, max_age or 0, connection) if fail_on else None,
        )

    show(find, listing)


def _failure(
    found: Sequence[Gap],
    states: frozenset[Provenance],
    ailing: Sequence[ServerStatus],
    now_ms: int,
    max_age_ms: int,
    connection: ConnectionSettings,
) -> CommandError | None:
    alarming = [gap for gap in found if gap.state in states and now_ms - gap.from_ms > max_age_ms]
    if alarming:
        oldest = min(alarming, key=lambda gap: gap.from_ms)
        return CommandError(
            f"{connection.host}: {counted(len(alarming), 'gap')} found; the oldest: {oldest.server}, "
            f"{oldest.state} since {time_text(oldest.from_ms, connection.tz)} ({connection.tz.key}), "
            f"{formats.duration(now_ms - oldest.from_ms)} ago",
            ExitCode.FAILURE,
        )
    if ailing:
        return CommandError(
            f"{connection.host}: {counted(len(ailing), 'server')} with figures of a wrong clock, which may hide gaps",
            ExitCode.FAILURE,
        )
    return None
