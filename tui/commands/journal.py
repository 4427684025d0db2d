"""`streamtop journal`: the records that were deleted from this machine, to read, to export, and to put back."""

from datetime import UTC, datetime
from pathlib import Path

import click

from streamusage.core.usage import UsageRecord
from tui.commands.errors import NOT_FOUND, THIS_MACHINE, CommandError
from tui.commands.flags import tz_option
from tui.commands.shell import connection_options, counted, format_option, read_filter, refuse_if_read_only, say, talk
from tui.commands.streams import written
from tui.commands.tables import RECORD_FIELDS, documented, time_text
from tui.config.settings import ConnectionSettings
from tui.deletion import journal as deletion_journal
from tui.deletion.journal import DeletedRecord
from tui.model import formats
from tui.model.sessions.store import from_record
from tui.output import CsvField, Format, TableColumn, View, print_rows


@click.command()
@click.argument("words", metavar="[FILTER]...", nargs=-1)
@click.option("--file", type=click.Path(path_type=Path), help="Another journal than this user's own.")
@click.option("--restore", is_flag=True, help="Put the records back into the service that --url or the profile names.")
@format_option()
@tz_option
@connection_options
def journal(
    connection: ConnectionSettings, words: tuple[str, ...], file: Path | None, restore: bool, output_format: Format
) -> None:
    """Lists the usage records that were deleted by the console or by rm on this machine, the newest delete last.

    FILTER picks them as ls does. Every record was written here in full before its delete was sent; whether that came
    about is for the service to say. With --restore they go back into our own service: records that are there already
    are kept as they are. A plain Stream Manager takes none.

    \b
    Examples:
      streamtop journal
      streamtop journal keynote --format json > deleted.json
      streamtop journal keynote --restore
    """
    path = file or deletion_journal.journal_path()
    shown = read_filter(words)
    try:
        records, unreadable = deletion_journal.read_journal(path)
    except OSError as error:
        raise CommandError(f"the journal {path} cannot be read: {error.strerror}", THIS_MACHINE) from None
    if unreadable:
        say(f"{counted(unreadable, 'line')} of {path} cannot be read and is left out")
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    found = [record for record in records if shown.matches(from_record(record), now_ms)]
    if not restore:
        print_rows(found, _view(connection), output_format)
        say(f"{counted(len(found), 'deleted record')} in {path}")
        return
    if not found:
        raise CommandError(f"no record of {path} matches; nothing was restored", NOT_FOUND)
    refuse_if_read_only(connection, "nothing was restored")
    newest: dict[object, UsageRecord] = {record.key: documented(record) for record in found}
    told = talk(connection, lambda client: client.import_records(newest.values()))
    kept = f"; {told.kept:,} were there already" if told.kept else ""
    say(f"restored {counted(told.imported, 'record')} at {connection.host}{kept}")


def _view(connection: ConnectionSettings) -> View[DeletedRecord]:
    tz = connection.tz
    return View(
        columns=[
            TableColumn("STREAM", lambda record: written(record.stream)),
            TableColumn(f"STARTED ({tz.key})", lambda record: time_text(record.start_time, tz)),
            TableColumn("DURATION", lambda record: formats.duration(record.duration), figure=True),
            TableColumn("PEAK", lambda record: formats.count(record.max_subscribers), figure=True),
            TableColumn("TOTAL", lambda record: formats.count(record.total_subscribers), figure=True),
            TableColumn(f"DELETED ({tz.key})", lambda record: time_text(record.deleted_at, tz)),
            TableColumn("SERVICE", lambda record: record.service),
        ],
        fields=[
            *RECORD_FIELDS,
            CsvField("deletedAt", lambda record: record.deleted_at),
            CsvField("service", lambda record: record.service),
        ],
    )
