"""`streamtop import`: puts usage records into our own service. Nothing is sent where any of them is bad."""

import re
import sys
from collections.abc import Iterator
from typing import BinaryIO

import click
import msgspec

from streamusage.api.extension import ImportResult
from streamusage.client.errors import UsageApiError
from streamusage.client.record_decoding import UnreadableError, decode_record
from streamusage.client.schema_drift import missing_fields
from streamusage.client.usage_client import UsageClient
from streamusage.core.usage import EmptyNameError, PartialUsageRecord, UsageRecord, stream_path
from tui.commands.errors import USAGE, CommandError
from tui.commands.shell import connection_options, counted, refuse_if_read_only, say, talk
from tui.config.settings import ConnectionSettings
from tui.model.text import safe

RECORDS_A_REQUEST = 2000
MOST_FAULTS_TOLD = 10
LARGEST_FIGURE = 2**53

_IN_ITS_LIST = re.compile(r" - at `\$(\[0\])?`$|(?<=`\$)\[0\]")
"""Where a fault lies in a list of one, which says nothing."""


@click.command("import")
@click.argument("file", type=click.File("rb"))
@connection_options
def import_records(connection: ConnectionSettings, file: BinaryIO) -> None:
    """Puts the usage records of FILE into our own service; - reads standard input.

    FILE holds a JSON list of documented records, as ls --format json prints them, or one record a line, as --format
    ndjson and the journal of deleted records have them. Bad records are named by their position, and then nothing is
    sent.

    A record that the service has already is kept as it is; one that was deleted comes back.

    \b
    Examples:
      streamtop import records.json
      streamtop ls --profile a --format ndjson | streamtop import --profile b -
    """
    refuse_if_read_only(connection, "nothing was imported")
    records = parsed(file.read(), file.name)
    result = talk(connection, lambda client: _send(client, records))
    click.echo(f"{result.imported:,} imported, {result.kept:,} kept as they were")


def parsed(content: bytes, name: str) -> list[UsageRecord]:
    """The records of a file. Raises `CommandError`, which names the bad ones by position."""
    records, faults = [], []
    for position, text in _one_by_one(content.removeprefix(b"\xef\xbb\xbf"), name):
        try:
            records.append(_checked(decode_record(text)))
        except (UnreadableError, EmptyNameError) as error:
            faults.append(f"{position}: {safe(_IN_ITS_LIST.sub('', str(error)))}")
    if faults:
        more = len(faults) - MOST_FAULTS_TOLD
        told = "\n  ".join(faults[:MOST_FAULTS_TOLD] + ([f"and {more:,} more"] if more > 0 else []))
        raise CommandError(f"{name}: {counted(len(faults), 'bad record')}, nothing was imported\n  {told}", USAGE)
    return records


def _one_by_one(content: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    """Where a record stands, in words, and its JSON."""
    if content.lstrip()[:1] == b"[":
        try:
            listed = msgspec.json.decode(content, type=list[msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CommandError(f"{name}: broken JSON, nothing was imported: {error}", USAGE) from None
        for at, raw in enumerate(listed, start=1):
            yield f"record {at}", bytes(raw)
        return
    for at, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            yield f"line {at}", line


def _checked(record: PartialUsageRecord) -> UsageRecord:
    if not isinstance(record, UsageRecord):
        raise UnreadableError(f"the record lacks {', '.join(missing_fields(record))}")
    stream_path(record.stream)
    for name in record.__struct_fields__:
        figure = getattr(record, name)
        if isinstance(figure, int) and not 0 <= figure <= LARGEST_FIGURE:
            raise UnreadableError(f"{name} is {figure}, which no count and no time is")
    if record.start_time == 0:
        raise UnreadableError("start_time is 0: a session is known by when it started")
    return record


async def _send(client: UsageClient, records: list[UsageRecord]) -> ImportResult:
    imported = kept = 0
    with click.progressbar(
        range(0, len(records), RECORDS_A_REQUEST),
        label="importing",
        file=sys.stderr,
        hidden=len(records) <= RECORDS_A_REQUEST or not sys.stderr.isatty(),
    ) as starts:
        for start in starts:
            try:
                result = await client.import_records(records[start : start + RECORDS_A_REQUEST])
            except UsageApiError:
                if start:
                    say(f"{start:,} of {counted(len(records), 'record')} were sent; importing again keeps those. Then:")
                raise
            imported, kept = imported + result.imported, kept + result.kept
    return ImportResult(imported=imported, kept=kept)
