"""`streamtop journal`: lists, exports and restores the records deleted from this machine."""

from datetime import UTC, datetime
from pathlib import Path

import click
from msgspec import structs

from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import ExitCode
from streamusage.core.usage import UsageRecord
from tui.commands.errors import CommandError
from tui.commands.flags import tz_option
from tui.commands.shell import (
    connection_options,
    counted,
    format_option,
    print_message,
    read_filter,
    refuse_if_read_only,
    run_requests,
)
from tui.commands.streams import format_stream_name
from tui.commands.tables import RECORD_CSV_FIELDS, documented, time_text
from tui.config.paths import journal_path
from tui.config.settings import ConnectionSettings
from tui.deletion import journal as deletion_journal
from tui.deletion.journal import DeletedRecord
from tui.model import formats
from tui.model.sessions.store import Session, from_record
from tui.output import CsvField, Format, TableColumn, View, print_rows

_UNKNOWN = dict.fromkeys(("state", "data"), "deleted records have neither state nor data; leave it out")
"""Fields of a filter that records of the journal do not have."""


@click.command(cls=HelpfulCommand)
@click.argument("words", metavar="[FILTER]...", nargs=-1)
@click.option("--file", type=click.Path(path_type=Path), help="Another journal file.")
@click.option("--restore", is_flag=True, help="Restore the records at the service of --url or the profile.")
@format_option()
@tz_option
@connection_options
def journal(
    connection: ConnectionSettings, words: tuple[str, ...], file: Path | None, restore: bool, output_format: Format
) -> None:
    """List the usage records deleted by the console or by rm on this machine, the newest delete last.

    FILTER selects records as ls does; service=HOST:PORT selects those of a service. Every record was written here in
    full before its delete was sent; the journal does not know whether the service carried the delete out. --restore
    imports them into our own service, which keeps records that it already has. A plain Stream Manager accepts none.

    \b
    Examples:
      streamtop journal
      streamtop journal keynote --format json > deleted.json
      streamtop journal keynote --restore
    """
    path = file or journal_path()
    shown = read_filter(words, _UNKNOWN)
    try:
        records, unreadable = deletion_journal.read_journal(path)
    except OSError as error:
        raise CommandError(f"the journal {path} cannot be read: {error.strerror}", ExitCode.FAILURE) from None
    if unreadable:
        print_message(f"{counted(unreadable, 'line')} of {path} cannot be read and was skipped")
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    found = [record for record in records if shown.matches(_as_session(record), now_ms)]
    if not restore:
        print_rows(found, _view(connection), output_format)
        print_message(f"{counted(len(found), 'deleted record')} in {path}")
        return
    if not found:
        raise CommandError(f"no record of {path} matches; nothing was restored", ExitCode.NOT_FOUND)
    refuse_if_read_only(connection, "nothing was restored")
    newest: dict[object, UsageRecord] = {record.key: documented(record) for record in found}
    told = run_requests(connection, lambda client: client.import_records(newest.values()))
    kept = f"; {told.kept:,} were there already" if told.kept else ""
    print_message(f"restored {counted(told.imported, 'record')} at {connection.host}{kept}")


def _as_session(record: DeletedRecord) -> Session:
    return structs.replace(from_record(record), service=record.service)


def _view(connection: ConnectionSettings) -> View[DeletedRecord]:
    tz = connection.tz
    return View(
        columns=[
            TableColumn("STREAM", lambda record: format_stream_name(record.stream)),
            TableColumn(f"STARTED ({tz.key})", lambda record: time_text(record.start_time, tz)),
            TableColumn("DURATION", lambda record: formats.duration(record.duration), figure=True),
            TableColumn("PEAK", lambda record: formats.count(record.max_subscribers), figure=True),
            TableColumn("TOTAL", lambda record: formats.count(record.total_subscribers), figure=True),
            TableColumn(f"DELETED ({tz.key})", lambda record: time_text(record.deleted_at, tz)),
            TableColumn("SERVICE", lambda record: record.service),
        ],
        fields=[
            *RECORD_CSV_FIELDS,
            CsvField("deletedAt", lambda record: record.deleted_at, is_time=True),
            CsvField("service", lambda record: record.service),
        ],
    )
