"""`streamtop export`: closed days, sessions and samples as Parquet files, for analysis in other programs."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple, TypeVar

import click

from streamusage.api.daily import DailyStatistics, SumGroup, SummedStatistics
from streamusage.client.changes import read_changes
from streamusage.client.errors import RefusedError
from streamusage.client.usage_client import UsageClient
from streamusage.command_help import HelpfulCommand
from streamusage.core.coverage import SLOT_MS, Interval
from streamusage.core.days import day_interval, days_between
from streamusage.core.exit_codes import ExitCode
from streamusage.core.usage import StreamId
from streamusage.core.windows import Days
from tui.commands.daily.final_days import refuse_unless_final
from tui.commands.daily.window import DAY, checked
from tui.commands.errors import CommandError
from tui.commands.flags import tz_option
from tui.commands.shell import connection_options, counted, print_message, run_requests
from tui.config.settings import ConnectionSettings
from tui.output.parquet import DayFile, DifferentFileError, LibraryMissingError, ParquetTable, check_library, day_file
from tui.output.parquet_tables import CUSTOMERS, DAYS, SAMPLES, SESSIONS, STREAMS, Sample

Row = TypeVar("Row")

_GROUPS: dict[SumGroup, ParquetTable[SummedStatistics]] = {"stream": STREAMS, "customer": CUSTOMERS}
_TABLES = (DAYS.name, *(table.name for table in _GROUPS.values()), SESSIONS.name, SAMPLES.name)
_PROGRESS_FROM_STREAMS = 20


class _Target(NamedTuple):
    directory: Path
    replaces: bool

    @contextmanager
    def file(self, table: ParquetTable[Row], day: date) -> Iterator[DayFile[Row]]:
        """Yield the file of a day. Raises `CommandError`."""
        try:
            with day_file(self.directory, table, day, replace=self.replaces) as file:
                yield file
        except DifferentFileError as error:
            raise CommandError(
                f"{error} was written before with other rows, and was kept: records may have been discarded or "
                "deleted since, or days adjusted; --replace replaces it",
                ExitCode.FAILURE,
            ) from None
        except OSError as error:
            raise CommandError(
                f"cannot write {error.filename or self.directory}: {error.strerror}; "
                "files that were written before are complete",
                ExitCode.FAILURE,
            ) from None


@click.command(cls=HelpfulCommand, short_help="Write days, sessions and samples as Parquet files.")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), metavar="DIRECTORY")
@click.option("--from", "first", type=DAY, required=True, metavar="YYYY-MM-DD", help="First day.")
@click.option("--to", "last", type=DAY, required=True, metavar="YYYY-MM-DD", help="Last day, included.")
@click.option("--format", "file_format", type=click.Choice(["parquet"]), default="parquet", help="Kind of files.")
@click.option("--only", "tables", type=click.Choice(_TABLES), multiple=True, help="Only this table; may be repeated.")
@click.option("--replace", is_flag=True, help="Replace files that were written before with other rows.")
@tz_option
@connection_options
def export(
    connection: ConnectionSettings,
    directory: Path,
    first: datetime,
    last: datetime,
    file_format: str,
    tables: tuple[str, ...],
    replace: bool,
) -> None:
    """Write closed days, sessions and samples to DIRECTORY, for analysis in other programs.

    Each table has a file for each day, DIRECTORY/TABLE/day=YYYY-MM-DD/TABLE.parquet: days has the daily statistics of
    each server, streams and customers those of each stream and customer over all servers, sessions those that ended on
    that day, samples the subscribers of their streams minute by minute. Every day must be final; else nothing is
    written. The same figures give the same bytes. A file that was written before with other rows is kept, and named.

    \b
    Examples:
      streamtop export usage/ --from 2026-11-01 --to 2026-11-30 --tz Europe/Berlin
      duckdb -c "SELECT day, sum(bytes_out) FROM 'usage/days/*/*.parquet' GROUP BY day"
    """
    days = checked(first.date(), last.date())
    try:
        check_library()
    except LibraryMissingError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    chosen = tables or _TABLES
    target = _Target(directory, replace)

    async def run(client: UsageClient) -> None:
        daily = await client.daily(*days, connection.tz.key)
        refuse_unless_final(daily, days, connection, printed="exported")
        if DAYS.name in chosen:
            _write_days(target, days, daily.days)
        for group, table in _GROUPS.items():
            if table.name in chosen:
                await _write_groups(client, connection, target, days, group, must_exist=table.name in tables)
        if SESSIONS.name in chosen or SAMPLES.name in chosen:
            await _write_sessions(client, connection, target, days, chosen)

    run_requests(connection, run)


def _write_days(target: _Target, days: Days, found: Sequence[DailyStatistics]) -> None:
    rows = 0
    for day in days_between(*days):
        with target.file(DAYS, day) as file:
            of_day = (row for row in found if row.day == day.isoformat())
            file.add(sorted(of_day, key=attrgetter("server")))
            rows += file.rows
    print_message(f"{counted(rows, 'day')} of servers in {target.directory / DAYS.name}")


async def _write_groups(
    client: UsageClient, connection: ConnectionSettings, target: _Target, days: Days, group: SumGroup, must_exist: bool
) -> None:
    """Write the days of streams or customers. An earlier service has none: that is an error only if they must exist."""
    table, rows = _GROUPS[group], 0
    for day in days_between(*days):
        try:
            found = await client.daily_sums(day, day, connection.tz.key, by="day", group=group)
        except RefusedError:
            if must_exist:
                raise
            print_message(f"no {table.name}: this service has no daily statistics by {group}")
            return
        with target.file(table, day) as file:
            file.add(found.sums)
            rows += file.rows
    print_message(f"{counted(rows, 'day')} of {table.name} in {target.directory / table.name}")


async def _write_sessions(
    client: UsageClient, connection: ConnectionSettings, target: _Target, days: Days, chosen: Sequence[str]
) -> None:
    listed = (await read_changes(client, None, lambda record: record)).changed
    ended = sorted((record for record in listed if not record.live), key=attrgetter("scope", "name", "start_time"))
    sessions = samples = 0
    for day in days_between(*days):
        window = day_interval(day, connection.tz)
        of_day = [record for record in ended if window.from_ms <= record.end_time < window.to_ms]
        if SESSIONS.name in chosen:
            with target.file(SESSIONS, day) as file:
                file.add(of_day)
            sessions += len(of_day)
        if SAMPLES.name in chosen:
            samples += await _write_samples(client, target, day, window, sorted({record.stream for record in of_day}))
    if SESSIONS.name in chosen:
        print_message(f"{counted(sessions, 'session')} in {target.directory / SESSIONS.name}")
    if SAMPLES.name in chosen:
        print_message(f"{counted(samples, 'sample')} in {target.directory / SAMPLES.name}")


async def _write_samples(
    client: UsageClient, target: _Target, day: date, window: Interval, streams: Sequence[StreamId]
) -> int:
    """Write the minutes of a day in which a server with the stream was in service. Return how many there are."""
    with (
        target.file(SAMPLES, day) as file,
        click.progressbar(
            streams, label=f"{day}: samples of {counted(len(streams), 'stream')}", file=sys.stderr,
            hidden=len(streams) < _PROGRESS_FROM_STREAMS or not sys.stderr.isatty(),
        ) as waiting,
    ):  # fmt: skip
        for stream in waiting:
            history = await client.history(stream, window.from_ms, window.to_ms, SLOT_MS)
            file.add(Sample(stream, point) for point in history.points if point.state is not None)
        return file.rows
