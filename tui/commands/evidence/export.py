"""`streamtop daily export`: the signed statement for a bill, for programs and for people."""

import base64
import binascii
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import click

from streamusage.api.daily import Daily, LedgerEntry
from streamusage.api.evidence import SignedStatement
from streamusage.client.errors import RequestError
from streamusage.client.usage_client import UsageClient
from streamusage.command_help import HelpfulCommand
from streamusage.core.atomic_file import write_atomically
from streamusage.core.days import day_interval
from streamusage.core.exit_codes import ExitCode
from streamusage.core.windows import Days
from streamusage.evidence.statement import NotStatementError, Statement, parse
from tui.commands.daily.final_days import refuse, refuse_unless_final
from tui.commands.daily.window import DAY, checked, server_option
from tui.commands.errors import CommandError
from tui.commands.evidence.statement_forms import to_csv, to_html, to_parquet, to_text
from tui.commands.evidence.statement_rows import digest_of
from tui.commands.flags import tz_option
from tui.commands.shell import connection_options, counted, print_message, run_requests
from tui.config.settings import ConnectionSettings
from tui.model.daily.unsigned_statement import statement as unsigned_statement
from tui.model.daily.unsigned_statement import verified
from tui.output.parquet import LibraryMissingError, check_library


class Form(StrEnum):
    """The form in which a statement is written."""

    JSON = "json"
    CSV = "csv"
    TEXT = "text"
    HTML = "html"
    PARQUET = "parquet"
    V1 = "v1"


_FORMS: Mapping[Form, Callable[[bytes, Statement], bytes]] = {
    Form.JSON: lambda content, _: content,
    Form.CSV: to_csv,
    Form.TEXT: to_text,
    Form.HTML: to_html,
    Form.PARQUET: to_parquet,
}
_FORM_OF_ENDING = {".csv": Form.CSV, ".txt": Form.TEXT, ".html": Form.HTML, ".htm": Form.HTML, ".parquet": Form.PARQUET}


class _Read(NamedTuple):
    daily: Daily
    entries: list[LedgerEntry] | None
    signed: SignedStatement | None


@click.command(cls=HelpfulCommand, short_help="Sign off final days: a signed statement.")
@click.option("--from", "first", type=DAY, required=True, metavar="YYYY-MM-DD", help="First day.")
@click.option("--to", "last", type=DAY, required=True, metavar="YYYY-MM-DD", help="Last day, included.")
@server_option
@click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in Form]),
    help="json: the signed bytes; csv, text, html, parquet: the same figures with the SHA-256 of those bytes; v1: the "
    "unsigned statement of earlier versions. [default: by the file's ending, else json]",
)
@click.option("--with-adjustments", is_flag=True, help="With --format v1: list later changes in a separate section.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Output file.")
@tz_option
@connection_options
def export(
    connection: ConnectionSettings,
    first: datetime,
    last: datetime,
    server: str | None,
    form: str | None,
    with_adjustments: bool,
    output: Path | None,
) -> None:
    """Sign off days: a statement of closed figures and approved corrections, signed by the service.

    The statement goes to standard output, or to FILE; then its signature goes to FILE.sig. Every day must be final, in
    an account zone of the service; else nothing is written, and each day that is not final is named with the reason.
    The same command writes the same bytes at any later time, with the same key. A correction is in the statement of the
    period in which it was approved (streamtop daily corrections).

    \b
    Examples:
      streamtop daily export --from 2026-11-01 --to 2026-11-30 --tz Europe/Berlin -o november.json
      streamtop daily export --from 2026-11-01 --to 2026-11-30 --tz Europe/Berlin -o november.html
      streamtop daily verify november.json --key statement.pub
    """
    days, kind = checked(first.date(), last.date()), _form(form, output)
    if with_adjustments and kind is not Form.V1:
        raise click.UsageError(
            "--with-adjustments is for --format v1; a signed statement has the approved corrections, and what is "
            "pending is listed by: streamtop daily corrections"
        )
    if kind is Form.PARQUET:
        try:
            check_library()
        except LibraryMissingError as error:
            raise CommandError(str(error), ExitCode.USAGE) from None
    found = run_requests(connection, lambda client: _read(client, connection, days, server, kind, with_adjustments))
    if found.signed is None:
        _export_unsigned(found, days, server, connection, output)
        return
    content = found.signed.statement.encode()
    try:
        statement = parse(content)
        signature = None if found.signed.signature is None else base64.b64decode(found.signed.signature, validate=True)
    except (NotStatementError, binascii.Error) as error:
        raise CommandError(f"{connection.host}: the answer is no statement: {error}", ExitCode.UNAVAILABLE) from None
    _write(output, _FORMS[kind](content, statement))
    if output is not None and kind is Form.JSON and signature is not None:
        _write(output.with_name(f"{output.name}.sig"), signature)
    _report(connection, statement, content, output, kind)


def _form(given: str | None, output: Path | None) -> Form:
    if given is not None:
        return Form(given)
    return Form.JSON if output is None else _FORM_OF_ENDING.get(output.suffix.lower(), Form.JSON)


async def _read(
    client: UsageClient, connection: ConnectionSettings, days: Days, server: str | None, kind: Form,
    with_adjustments: bool,
) -> _Read:  # fmt: skip
    tz = connection.tz.key
    daily = await client.daily(*days, tz, server=server)
    _refuse(daily, days, server, connection)
    if kind is Form.V1:
        listed = await client.adjustments(*days, tz, server=server) if with_adjustments else None
        return _Read(daily, None if listed is None else listed.adjustments, None)
    try:
        return _Read(daily, None, await client.evidence.statement(*days, tz, server=server))
    except RequestError as error:
        if error.exit_code != ExitCode.NOT_FOUND:
            raise
        raise CommandError(
            f"{connection.host}: this service is of an earlier version and signs no statements; --format v1 writes an "
            "unsigned one",
            ExitCode.REFUSED,
        ) from None


def _refuse(daily: Daily, days: Days, server: str | None, connection: ConnectionSettings) -> None:
    """Raise `CommandError` if a day is not final."""
    tz = connection.tz.key
    if tz not in daily.account_zones:
        known = ", ".join(daily.account_zones) or "none"
        raise CommandError(
            f"{connection.host}: {tz} is not an account zone of this service ({known}), so its days are never closed "
            f"and cannot be signed off; start it with --account-zone {tz}",
            ExitCode.REFUSED,
        )
    refuse_unless_final(daily, days, connection, printed="signed off")
    # A server that is still unknown could report figures of a day that is not closed for the estate.
    if server is None and (daily.closed_to or 0) < day_interval(days.last, connection.tz).to_ms:
        refuse([f"{days.last}: days close in order, and an earlier one is still open"], connection, "signed off")


def _report(
    connection: ConnectionSettings, statement: Statement, content: bytes, output: Path | None, kind: Form
) -> None:
    rows = counted(len(statement.days), "day")
    if statement.corrections:
        rows += f" and {counted(len(statement.corrections), 'correction')}"
    print_message(f"signed off {rows} of {statement.account_zone}, sha256:{digest_of(content)}")
    if statement.key is None:
        print_message(
            f"the statement is not signed: {connection.host} has no key (streamtop key new, serve --statement-key)"
        )
    elif output is None and kind is Form.JSON:
        print_message("its signature was not written: give --output FILE, and it is in FILE.sig")
    elif kind is not Form.JSON:
        print_message("this form is not signed itself; the JSON with that SHA-256 is")
    else:
        print_message(f"signed by {statement.key.name}, in {output}.sig")


def _export_unsigned(
    found: _Read, days: Days, server: str | None, connection: ConnectionSettings, output: Path | None
) -> None:
    content = unsigned_statement(found.daily.days, *days, connection.tz, server, found.entries)
    _write(output, content)
    signed_off = verified(content)
    tz = connection.tz.key
    print_message(f"signed off {counted(signed_off['rests_on']['days'], 'day')} of {tz}, {signed_off['digest']}")


def _write(path: Path | None, content: bytes) -> None:
    if path is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        write_atomically(path, content, mode=0o644)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}; nothing was written", ExitCode.FAILURE) from None
