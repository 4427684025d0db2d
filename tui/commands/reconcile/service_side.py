"""The service's figures for a comparison: requested from the service, or from its saved answers."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from streamusage.api.daily import DailyStatistics
from streamusage.api.extension import CoverageSpan, History
from streamusage.client.errors import RefusedError
from streamusage.client.usage_client import UsageClient
from streamusage.core.days import day_interval
from streamusage.core.exit_codes import ExitCode
from streamusage.core.text import quote_input
from streamusage.core.usage import StreamId
from streamusage.core.windows import Days
from tui.commands.errors import CommandError
from tui.commands.reconcile.saved_answers import decode_saved, read_spans, refuse_other_zones
from tui.commands.shell import run_requests
from tui.config.settings import ConnectionSettings
from tui.reconcile.entries import Grouping
from tui.reconcile.hour_profiles import QUARTER_MS
from tui.reconcile.service_figures import ServiceSide, figures_of_servers, spans_of_servers

DAY_MS = 86_400_000
AUDIENCE_DAYS = 7
AUDIENCE_STREAMS = 20


class ServiceChoice(NamedTuple):
    """Which figures are compared."""

    days: Days
    servers: tuple[str, ...]
    """Names of servers; empty for all."""
    grouping: Grouping

    @property
    def name(self) -> str:
        """Name the servers for messages."""
        return ", ".join(self.servers) or "all servers"


class _Answers(NamedTuple):
    days: Sequence[DailyStatistics]
    spans: dict[str, Sequence[CoverageSpan]]


def request_figures(connection: ConnectionSettings, choice: ServiceChoice) -> ServiceSide:
    """Return the figures of the service. Raises `CommandError` if it has none of these servers."""
    first, last = choice.days
    from_ms, to_ms = day_interval(first, connection.tz).from_ms, day_interval(last, connection.tz).to_ms
    only = choice.servers[0] if len(choice.servers) == 1 else None

    async def read(client: UsageClient) -> _Answers:
        daily = await client.daily(first, last, connection.tz.key, server=only)
        coverage = await client.coverage(from_ms, to_ms, server=only)
        return _Answers(daily.days, spans_of_servers(coverage.servers))

    answers = run_requests(connection, read)
    return _side(answers.days, answers.spans, choice, connection.host)


def request_audience(connection: ConnectionSettings, choice: ServiceChoice) -> dict[int, int]:
    """Return the subscribers by quarter of an hour of the streams that the servers carried longest, in the first week.

    A quarter of which the figure of a stream is unknown is left out. Empty for a token that may not read them.
    """
    from_ms = day_interval(choice.days.first, connection.tz).from_ms
    to_ms = min(day_interval(choice.days.last, connection.tz).to_ms, from_ms + AUDIENCE_DAYS * DAY_MS)

    async def read(client: UsageClient) -> list[History]:
        try:
            placements = await client.carriers(from_ms, to_ms)
        except RefusedError:
            return []
        lengths: Counter[StreamId] = Counter()
        for placed in placements.carriers:
            if not choice.servers or placed.server in choice.servers:
                end_ms = to_ms if placed.to_ms is None else min(placed.to_ms, to_ms)
                lengths[placed.stream] += max(0, end_ms - max(placed.from_ms, from_ms))
        streams = sorted(lengths, key=lambda stream: (-lengths[stream], stream))[:AUDIENCE_STREAMS]
        return [await client.history(stream, from_ms, to_ms, QUARTER_MS) for stream in streams]

    return sum_audience(run_requests(connection, read))


def sum_audience(histories: Sequence[History]) -> dict[int, int]:
    """Return the subscribers of several streams together; without the times at which one of them is unknown."""
    sums: Counter[int] = Counter()
    unknown: set[int] = set()
    for history in histories:
        for point in history.points:
            if point.active is None and point.state is not None:
                unknown.add(point.at)
            sums[point.at] += point.active or 0
    return {at: count for at, count in sorted(sums.items()) if at not in unknown}


def read_saved(daily: Path, gaps: Path | None, connection: ConnectionSettings, choice: ServiceChoice) -> ServiceSide:
    """Return the figures of saved answers: what `daily --format json` and `gaps --format json` printed.

    Raises `CommandError` for a file that has something else, or days of another time zone.
    """
    days = decode_saved(daily, list[DailyStatistics], "streamtop daily --format json")
    refuse_other_zones(daily, {day.tz for day in days}, connection)
    return _side(days, read_spans(gaps), choice, str(daily))


def _side(
    days: Sequence[DailyStatistics],
    spans: dict[str, Sequence[CoverageSpan]] | None,
    choice: ServiceChoice,
    place: str,
) -> ServiceSide:
    known = sorted({day.server for day in days})
    refuse_missing_servers(choice, known, place)
    chosen = [day for day in days if not choice.servers or day.server in choice.servers]
    return ServiceSide(figures_of_servers(chosen, choice.grouping), spans, choice.name)


def refuse_missing_servers(choice: ServiceChoice, known: Sequence[str], place: str) -> None:
    """Raise `CommandError` for a chosen server without figures. `place` names the service or the file."""
    missing = [name for name in choice.servers if name not in known]
    if missing:
        others = f"it has {', '.join(map(quote_input, known))}" if known else "it has none of any server"
        raise CommandError(
            f"{place}: no figures of the server {quote_input(missing[0])} in {choice.days.first} to "
            f"{choice.days.last}; {others}",
            ExitCode.NOT_FOUND,
        )
