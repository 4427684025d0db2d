"""The service's figures of streams, scopes or customers for a comparison: requested, or from saved answers."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from msgspec import UNSET

from streamusage.api.daily import SummedStatistics
from streamusage.api.extension import CoverageSpan
from streamusage.client.errors import RefusedError
from streamusage.client.usage_client import UsageClient
from streamusage.core.days import day_interval
from streamusage.core.exit_codes import ExitCode
from streamusage.core.figures import NO_CUSTOMER, NOT_BY_STREAM
from tui.commands.errors import CommandError
from tui.commands.reconcile.saved_answers import decode_saved, read_spans, refuse_other_zones
from tui.commands.reconcile.service_side import ServiceChoice, refuse_missing_servers
from tui.commands.shell import run_requests
from tui.config.settings import ConnectionSettings
from tui.reconcile.entries import Grouping
from tui.reconcile.service_figures import ServiceSide, figures_of_streams, spans_of_servers

_LENGTH_OF_DAY = len("2026-11-30")


def request_stream_figures(connection: ConnectionSettings, choice: ServiceChoice) -> ServiceSide:
    """Return the figures of the service. Raises `CommandError` if it has none of these servers.

    A token that may not read the coverage, such as a customer's, gets its length only.
    """
    first, last = choice.days
    from_ms, to_ms = day_interval(first, connection.tz).from_ms, day_interval(last, connection.tz).to_ms

    async def read(client: UsageClient) -> ServiceSide:
        sums: list[SummedStatistics] = []
        known = set(choice.servers)
        for server in choice.servers or (None,):
            found = await client.daily_sums(first, last, connection.tz.key, group=choice.grouping.value, server=server)  # type: ignore[arg-type]
            if server is not None and not found.sums:
                known.discard(server)
            sums += found.sums
        spans = None
        names: Sequence[str] = choice.servers
        try:
            coverage = await client.coverage(from_ms, to_ms)
        except RefusedError:
            pass
        else:
            spans = spans_of_servers(coverage.servers)
            names = choice.servers or [covered.server for covered in coverage.servers]
            known |= {covered.server for covered in coverage.servers} - set(choice.servers)
        refuse_missing_servers(choice, sorted(known), connection.host)
        return ServiceSide(figures_of_streams(sums, choice.grouping, names), spans, choice.name, is_of_streams=True)

    return run_requests(connection, read)


def read_saved_streams(
    daily: Path, gaps: Path | None, connection: ConnectionSettings, choice: ServiceChoice
) -> ServiceSide:
    """Return the figures of saved answers: what `daily --group stream --format json` and `gaps` printed.

    Raises `CommandError` for a file that has something else: sums of servers, of months, of another time zone.
    """
    by = choice.grouping.value
    command = f"streamtop daily --group {by} --format json"
    if choice.servers:
        raise CommandError(
            f"{daily} does not name servers, so --server has no effect; save it with --server, and leave it out here",
            ExitCode.USAGE,
        )
    sums = decode_saved(daily, list[SummedStatistics], command)
    refuse_other_zones(daily, {found.tz for found in sums}, connection)
    for found in sums:
        if not _is_day(found):
            raise CommandError(
                f"{daily} has sums of {found.period}, not of days; save it with --by day", ExitCode.USAGE
            )
        if not _may_be_of(found, choice.grouping):
            raise CommandError(
                f"{daily} is not what `{command}` prints: it has a row that is of no {by}", ExitCode.USAGE
            )
    keys = {(found.period, found.group, found.traffic is UNSET) for found in sums}
    if len(keys) < len(sums):
        raise CommandError(f"{daily} has several rows of one day and {by}", ExitCode.USAGE)
    spans: dict[str, Sequence[CoverageSpan]] | None = read_spans(gaps)
    rows = figures_of_streams(sums, choice.grouping, sorted(spans or ()))
    return ServiceSide(rows, spans, choice.name, is_of_streams=True)


def _is_day(found: SummedStatistics) -> bool:
    if len(found.period) != _LENGTH_OF_DAY:
        return False
    try:
        return bool(date.fromisoformat(found.period))
    except ValueError:
        return False


def _may_be_of(found: SummedStatistics, grouping: Grouping) -> bool:
    """Return whether a row can be of the grouping. Sums of servers have no word for the traffic of streams."""
    if found.traffic is UNSET:
        return found.group == NOT_BY_STREAM
    if grouping is Grouping.STREAM:
        return "/" in found.group
    return grouping is Grouping.CUSTOMER or found.group != NO_CUSTOMER
