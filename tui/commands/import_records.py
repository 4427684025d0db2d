"""`streamtop import`: imports usage records into our own service. If any record is invalid, nothing is sent."""

import asyncio
import re
import sys
from collections.abc import Iterator
from typing import BinaryIO

import click
import msgspec

from streamusage.api.extension import ImportResult
from streamusage.client.errors import UsageApiError
from streamusage.client.record_decoding import UnreadableError, decode_record
from streamusage.client.schema_drift import field_faults, missing_fields
from streamusage.client.usage_client import UsageClient
from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import ExitCode
from streamusage.core.usage import EmptyNameError, PartialUsageRecord, UsageRecord, stream_path
from tui.commands.errors import CommandError
from tui.commands.shell import connection_options, counted, print_message, refuse_if_read_only, run_requests
from tui.config.settings import ConnectionSettings
from tui.model.text import sanitize

RECORDS_A_REQUEST = 2000
MOST_FAULTS_TOLD = 10
LARGEST_FIGURE = 2**53

_IN_ITS_LIST = re.compile(r" - at `\$(\[0\])?`$|(?<=`\$)\[0\]")
"""The position of a fault in a list of one record, which is left out of the message."""


@click.command("import", cls=HelpfulCommand)
@click.argument("file", type=click.File("rb"))
@connection_options
def import_records(connection: ConnectionSettings, file: BinaryIO) -> None:
    """Import the usage records of FILE into our own service; - reads standard input.

    FILE contains a JSON list of documented records, as ls --format json prints them, or one record a line, as --format
    ndjson and the journal of deleted records have them. Invalid records are named by position, and nothing is sent.

    A record that the service already has is kept as it is; a deleted one is restored.

    \b
    Examples:
      streamtop import records.json
      streamtop ls --profile a --format ndjson | streamtop import --profile b -
    """
    refuse_if_read_only(connection, "nothing was imported")
    content, name = file.read(), file.name if isinstance(file.name, str) else "<stdin>"  # a closed one has a number
    if not content.strip():
        raise CommandError(f"{name} is empty, nothing was imported", ExitCode.USAGE)
    records = parsed(content, name)
    result = run_requests(connection, lambda client: _send(client, records))
    click.echo(f"{result.imported:,} imported, {result.kept:,} kept as they were")


def parsed(content: bytes, name: str) -> list[UsageRecord]:
    """Return the records of a file. Raises `CommandError`, which names invalid ones by position."""
    records, faults = [], []
    for position, text in _one_by_one(content.removeprefix(b"\xef\xbb\xbf"), name):
        try:
            records.append(_checked(decode_record(text)))
        except (UnreadableError, EmptyNameError) as error:
            faults.append(f"{position}: {sanitize(_IN_ITS_LIST.sub('', str(error)))}")
    if faults:
        more = len(faults) - MOST_FAULTS_TOLD
        told = "\n  ".join(faults[:MOST_FAULTS_TOLD] + ([f"and {more:,} more"] if more > 0 else []))
        raise CommandError(
            f"{name}: {counted(len(faults), 'invalid record')}, nothing was imported\n  {told}", ExitCode.USAGE
        )
    return records


def _one_by_one(content: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the position of each record, as text, and its JSON."""
    if content.lstrip()[:1] == b"[":
        try:
            listed = msgspec.json.decode(content, type=list[msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CommandError(f"{name}: broken JSON, nothing was imported: {error}", ExitCode.USAGE) from None
        for at, raw in enumerate(listed, start=1):
            yield f"record {at}", bytes(raw)
        return
    for at, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            yield f"line {at}", line


def _checked(record: PartialUsageRecord) -> UsageRecord:
    if not isinstance(record, UsageRecord):
        raise UnreadableError(_describe_faults(record))
    stream_path(record.stream)
    for name in record.__struct_fields__:
        figure = getattr(record, name)
        if isinstance(figure, int) and not 0 <= figure <= LARGEST_FIGURE:
            raise UnreadableError(f"{name} is {figure}, which is not a valid count or time")
    if record.start_time == 0:
        raise UnreadableError("start_time is 0: a session is identified by its start time")
    return record


def _describe_faults(record: PartialUsageRecord) -> str:
    faults = field_faults(record)
    lacking = sorted(set(missing_fields(record)) - {fault.field for fault in faults})
    parts = [f"the record lacks {', '.join(lacking)}"] if lacking else []
    return "; ".join(parts + [f"{fault.field} is {fault.problem}: {fault.value}" for fault in faults])


async def _send(client: UsageClient, records: list[UsageRecord]) -> ImportResult:
    imported = kept = 0
    with click.progressbar(
        range(0, len(records), RECORDS_A_REQUEST),
        label=f"importing {counted(len(records), 'record')}",
        file=sys.stderr,
        hidden=len(records) <= RECORDS_A_REQUEST or not sys.stderr.isatty(),
    ) as starts:
        for start in starts:
            try:
                result = await client.import_records(records[start : start + RECORDS_A_REQUEST])
            except (UsageApiError, asyncio.CancelledError) as error:
                what = "stopped" if isinstance(error, asyncio.CancelledError) else "failed"
                print_message(
                    f"{what} after {start:,} of {counted(len(records), 'record')}: {imported:,} imported, "
                    f"{kept:,} kept as they were; the next {min(RECORDS_A_REQUEST, len(records) - start):,} may be in. "
                    "Import the same file again: records that are in are kept"
                )
                raise
            imported, kept = imported + result.imported, kept + result.kept
    return ImportResult(imported=imported, kept=kept)
