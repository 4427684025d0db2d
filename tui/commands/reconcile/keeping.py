"""Keeps the result of a comparison for the console, in a file of the user."""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

import click

from streamusage import __version__
from streamusage.client.errors import RequestError
from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from tui.commands.errors import CommandError
from tui.commands.reconcile.files import FileNotes
from tui.commands.reconcile.service_side import ServiceChoice
from tui.commands.shell import counted, print_message, run_requests
from tui.config.paths import reconciled_folder
from tui.config.profiles import checked_url
from tui.config.reconciled_files import ReconciledFileError, keep_comparison
from tui.config.settings import ConnectionSettings
from tui.reconcile.compared_rows import ComparedRow
from tui.reconcile.entries import Measure
from tui.reconcile.kept import MILLION, KeptComparison, keep_files, keep_row, storable
from tui.reconcile.suspicions import Suspicion


class ComparisonOutcome(NamedTuple):
    """What a comparison found, and of what."""

    measure: Measure
    choice: ServiceChoice
    tz: ZoneInfo
    tolerance: Fraction
    files: Sequence[FileNotes]
    rows: Sequence[ComparedRow]
    suspicions: Sequence[Suspicion]


def parse_address(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    """Return the address of a service, as `--url` has it."""
    try:
        return None if text is None else checked_url(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def keep_outcome(outcome: ComparisonOutcome, address: str, connection: ConnectionSettings | None) -> None:
    """Keep the result of the service at an address, and print where. `connection` is None without a request to it.

    A result that cannot be kept is named; the comparison itself stands.
    """
    if not outcome.rows:
        return
    files, more_files = keep_files([(found.name, found.form, found.lines, found.digest) for found in outcome.files])
    comparison = KeptComparison(
        compared_at=SystemClock().now_ms(),
        program=__version__,
        tz=outcome.tz.key,
        figure=outcome.measure,
        by=outcome.choice.grouping,
        servers=sorted(set(outcome.choice.servers)),
        tolerance_ppm=round(outcome.tolerance * MILLION),
        files=files,
        more_files=more_files,
        suspected=[storable(f"{found.cause}: {found.text}") for found in outcome.suspicions],
        rows=[keep_row(row, outcome.tolerance) for row in outcome.rows],
    )
    service = "" if connection is None else _request_name(connection)
    try:
        path = keep_comparison(reconciled_folder(), service, address, comparison)
    except ReconciledFileError as error:
        print_message(f"not kept for the console: {error}")
    else:
        print_message(f"{counted(len(comparison.rows), 'row')} kept for the console in {path}")


def _request_name(connection: ConnectionSettings) -> str:
    """Return the name of the service in its chain; empty if it has none, or does not return it."""

    async def read(client: UsageClient) -> str:
        try:
            return (await client.evidence.chain(0, 0, limit=1)).service
        except RequestError:
            return ""

    try:
        return run_requests(connection, read)
    except CommandError:
        return ""
