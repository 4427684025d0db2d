"""`streamtop reconcile`: compares the service's daily statistics with an outside account."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import CLIENT_EXIT_CODES, ExitCode
from streamusage.core.windows import Days
from tui.commands.daily.window import DAY, checked
from tui.commands.errors import CommandError
from tui.commands.flags import tz_option
from tui.commands.listing import ListedRows, ListingOptions, listing_options, show
from tui.commands.manual.names import complete_servers
from tui.commands.reconcile.files import FileNotes, FileSettings, read_account
from tui.commands.reconcile.keeping import ComparisonOutcome, keep_outcome, parse_address
from tui.commands.reconcile.options import (
    parse_columns,
    parse_overhead,
    parse_percent,
    parse_sampling,
    parse_shift,
    parse_zone,
)
from tui.commands.reconcile.service_side import ServiceChoice, read_saved, request_audience, request_figures
from tui.commands.reconcile.stream_side import read_saved_streams, request_stream_figures
from tui.commands.reconcile.tables import comparison_view
from tui.commands.shell import connection_options, counted, print_message
from tui.config.settings import ConnectionSettings
from tui.model.formats import FORMAT_OF_UNIT
from tui.reconcile.account import OutsideAccount
from tui.reconcile.causes import CauseSettings, OverheadRange
from tui.reconcile.compared_rows import ComparedRow
from tui.reconcile.comparison import ComparisonSettings, compare
from tui.reconcile.entries import Grouping, Measure
from tui.reconcile.errors import AccountError
from tui.reconcile.readers.detect import AUTOMATIC, ReaderSettings
from tui.reconcile.service_figures import ServiceSide
from tui.reconcile.suspicions import Suspicion, suspect

FIGURES = {
    "bytes-out": Measure.BYTES_OUT,
    "bytes-in": Measure.BYTES_IN,
    "view-time": Measure.VIEW_TIME,
    "connections": Measure.CONNECTIONS,
}


@click.command(
    cls=HelpfulCommand,
    short_help="Compare the figures with a log, a CDN's log or an invoice.",
    exit_codes={
        **CLIENT_EXIT_CODES,
        ExitCode.SUCCESS: "every row is within the tolerance",
        ExitCode.FAILURE: "more than the tolerance of a row is unexplained, or one side has no figure of it",
        ExitCode.USAGE: "wrong usage, or a file that cannot be used; nothing was compared",
    },
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE...")
@click.option("--from", "first", type=DAY, metavar="YYYY-MM-DD", help="First day. [default: the account's]")
@click.option("--to", "last", type=DAY, metavar="YYYY-MM-DD", help="Last day, included. [default: the account's]")
@click.option(
    "--server",
    "servers",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_servers,
    help="Only this server; may be repeated.",
)
@click.option(
    "--by",
    "grouping",
    type=click.Choice([grouping.value for grouping in Grouping]),
    default=Grouping.TOTAL.value,
    show_default=True,
    help="One row for each day, or for each day and server, stream, scope or customer.",
)
@click.option(
    "--figure", type=click.Choice(list(FIGURES)), default="bytes-out", show_default=True, help="What is compared."
)
@click.option(
    "--log-format",
    default=AUTOMATIC,
    metavar="FORMAT",
    help="Form of the files: a name, or nginx's log_format. [default: found by their lines]",
)
@click.option(
    "--column", "columns", multiple=True, callback=parse_columns, metavar="FIELD=NAME", help="A column of a CSV."
)
@click.option("--unit", metavar="UNIT", help="Unit of a CSV's figures, if the column does not name it: GB, GiB, hours.")
@click.option("--layout", default="auto", show_default=True, metavar="NAME", help="How paths name streams.")
@click.option("--pattern", metavar="REGEX", help="An own pattern for paths, with the group name.")
@click.option("--log-zone", callback=parse_zone, metavar="ZONE", help="Time zone of times that have none.")
@click.option("--log-shift", callback=parse_shift, metavar="TIME", help="Add to all times of the logs, such as -1h.")
@click.option("--sampling", callback=parse_sampling, metavar="1/N", help="The logs have one of N lines.")
@click.option(
    "--overhead",
    callback=parse_overhead,
    metavar="RANGE",
    help="What the account counts beside the service's bytes: 2% or 0%..3%.",
)
@click.option(
    "--tolerance", callback=parse_percent, default="1%", show_default=True, metavar="SHARE", help="Exit 1 above it."
)
@click.option(
    "--max-unreadable",
    callback=parse_percent,
    default="1%",
    show_default=True,
    metavar="SHARE",
    help="Refuse a file with more lines that cannot be read.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A saved answer in place of the service: the output of streamtop daily --format json.",
)
@click.option(
    "--gaps",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --against: the output of streamtop gaps --format json.",
)
@click.option("--no-keep", is_flag=True, help="Do not keep the result for the console.")
@click.option(
    "--keep-for",
    callback=parse_address,
    metavar="URL",
    help="With --against: keep the result for the console of this service.",
)
@listing_options(lambda: comparison_view(Measure.BYTES_OUT, Grouping.TOTAL, "UTC", ()), watch=False)
@tz_option
@connection_options
def reconcile(
    connection: ConnectionSettings,
    files: tuple[Path, ...],
    first: datetime | None,
    last: datetime | None,
    servers: tuple[str, ...],
    grouping: str,
    figure: str,
    log_format: str,
    columns: Mapping[str, str],
    unit: str | None,
    layout: str,
    pattern: str | None,
    log_zone: ZoneInfo | None,
    log_shift: int,
    sampling: int,
    overhead: OverheadRange | None,
    tolerance: Fraction,
    max_unreadable: Fraction,
    against: Path | None,
    gaps: Path | None,
    no_keep: bool,
    keep_for: str | None,
    listing: ListingOptions,
) -> None:
    """Compare the daily statistics with an outside account: access logs, logs of a CDN, or an invoice as CSV.

    For each day: both figures, the difference (account minus service), what known causes explain of it, and what
    remains. RESULT marks what nothing explains. Files may be compressed; their form is found by their lines.

    Known causes are measured in the files and in the service's coverage. A cause that only the differences suggest,
    such as a wrong zone or a sample, is printed with the option that confirms it, and explains nothing until then.

    The same files and the same figures give the same output. docs/reconciliation.md describes forms and causes.

    The result is kept for the days view of the console, unless it is compared with a saved answer.

    \b
    Examples:
      streamtop reconcile access.log.1.gz access.log --server edge-1 --tz Europe/Berlin
      streamtop reconcile E2ABC.*.gz --from 2026-11-01 --to 2026-11-30
      streamtop reconcile invoice.csv --unit GB --overhead 0%..3%
      streamtop daily --from 2026-11-01 --to 2026-11-30 --format json > daily.json
      streamtop reconcile access.log --against daily.json --format json
    """
    if gaps is not None and against is None:
        raise click.UsageError("--gaps needs --against: with a service, its gaps are requested")
    if keep_for is not None and against is None:
        raise click.UsageError("--keep-for needs --against: with a service, the result is kept for its address")
    if keep_for is not None and no_keep:
        raise click.UsageError("give either --keep-for or --no-keep")
    measure, by = FIGURES[figure], Grouping(grouping)
    account = OutsideAccount(measure, by, connection.tz)
    reader = ReaderSettings(measure, log_format, columns, unit, layout, pattern, by.is_of_streams)
    try:
        notes = read_account(files, account, FileSettings(reader, log_zone, log_shift, max_unreadable))
        account.refuse_without_groups()
    except AccountError as error:
        raise CommandError(f"{error}; nothing was compared", ExitCode.USAGE) from None
    days = _days_of(account, first, last)
    choice = ServiceChoice(days, servers, by)
    service = _service_side(connection, choice, against, gaps)
    settings = ComparisonSettings(days, connection.tz, tolerance, CauseSettings(sampling, overhead))
    rows = compare(account, service, settings)
    is_open = account.has_lines and against is None and not all(row.is_within for row in rows)
    audience = request_audience(connection, choice) if is_open else None
    suspicions = suspect(account, rows, connection.tz, sampling, audience)
    view = comparison_view(measure, by, connection.tz.key, suspicions)
    show(lambda: ListedRows(rows=rows, view=view, messages=list(_notes(notes, rows, suspicions, measure))), listing)
    address = keep_for if against is not None else connection.url
    if address is not None and not no_keep:
        outcome = ComparisonOutcome(measure, choice, connection.tz, tolerance, notes, rows, suspicions)
        keep_outcome(outcome, address, connection if against is None else None)
    _fail_above_tolerance(rows, service.name, connection.tz.key, tolerance)


def _service_side(
    connection: ConnectionSettings, choice: ServiceChoice, against: Path | None, gaps: Path | None
) -> ServiceSide:
    if against is None:
        request = request_stream_figures if choice.grouping.is_of_streams else request_figures
        return request(connection, choice)
    read = read_saved_streams if choice.grouping.is_of_streams else read_saved
    return read(against, gaps, connection, choice)


def _days_of(account: OutsideAccount, first: datetime | None, last: datetime | None) -> Days:
    """Return the given days; by default from the first to the last day of the account."""
    days = sorted(day for day, _ in account.by_day())
    first_day: date = days[0] if first is None else first.date()
    last_day: date = days[-1] if last is None else last.date()
    return checked(first_day, last_day)


def _notes(
    notes: Sequence[FileNotes], rows: Sequence[ComparedRow], suspicions: Sequence[Suspicion], measure: Measure
) -> Iterator[str]:
    text = FORMAT_OF_UNIT[measure.unit]
    for found in notes:
        yield found.describe()
    for suspicion in suspicions:
        amount = sum(abs(value) for value in suspicion.amounts.values())
        yield f"suspected: {suspicion.cause}, {text(amount)} in all rows: {suspicion.text}"
    provisional = sum(row.service is not None and not row.is_final for row in rows)
    if provisional:
        yield f"{counted(provisional, 'row')} of days that are provisional at the service"


def _fail_above_tolerance(rows: Sequence[ComparedRow], name: str, tz: str, tolerance: Fraction) -> None:
    share = f"{float(tolerance * 100):g} %"
    outside = [row for row in rows if not row.is_within]
    summary = f"{counted(len(rows), 'row')} of {name}, {tz}"
    if not rows:
        raise CommandError(f"{summary}: neither side has figures of these days", ExitCode.FAILURE)
    if outside:
        missing = sum(row.difference is None for row in outside)
        one_sided = f", {missing} of them with figures on one side only" if missing else ""
        raise CommandError(f"{summary}: {len(outside)} with more than {share} unexplained{one_sided}", ExitCode.FAILURE)
    print_message(f"{summary}: all within {share}")
