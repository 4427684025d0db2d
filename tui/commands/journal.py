"""`streamtop journal`: lists, exports and restores the records deleted from this machine."""

import time
from operator import attrgetter
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from msgspec import structs

from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import ExitCode
from streamusage.core.usage import RECORD_FIELDS, UsageRecord
from tui.commands.errors import CommandError
from tui.commands.flags import tz_option
from tui.commands.listing import ListedRows, ListingOptions, listing_options, show
from tui.commands.shell import (
    connection_options,
    counted,
    print_message,
    read_filter,
    refuse_if_read_only,
    run_requests,
)
from tui.commands.tables import RECORD_COLUMNS, STREAM_COLUMN, documented
from tui.config.paths import journal_path
from tui.config.settings import ConnectionSettings
from tui.deletion import journal as deletion_journal
from tui.deletion.journal import DeletedRecord
from tui.model.sessions.store import Session, from_record
from tui.output import UTC, ListColumn, View, attributes

_UNKNOWN = dict.fromkeys(("state", "data"), "deleted records have neither state nor data; leave it out")
"""Fields of a filter that records of the journal do not have."""


@click.command(cls=HelpfulCommand)
@click.argument("words", metavar="[FILTER]...", nargs=-1)
@click.option("--file", type=click.Path(path_type=Path), help="Another journal file.")
@click.option("--restore", is_flag=True, help="Restore the records at the service of --url or the profile.")
@listing_options(lambda: journal_view(UTC))
@tz_option
@connection_options
def journal(
    connection: ConnectionSettings, words: tuple[str, ...], file: Path | None, restore: bool, listing: ListingOptions
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
    if restore and listing.given:
        raise click.UsageError(f"{listing.given[0]} is for the list; --restore restores every record of the filter")

    def find() -> ListedRows[DeletedRecord]:
        try:
            records, unreadable = deletion_journal.read_journal(path)
        except OSError as error:
            raise CommandError(f"the journal {path} cannot be read: {error.strerror}", ExitCode.FAILURE) from None
        now_ms = time.time_ns() // 1_000_000
        found = [record for record in records if shown.matches(_as_session(record), now_ms)]
        skipped = [f"{counted(unreadable, 'line')} of {path} cannot be read and was skipped"] if unreadable else []
        summary = f"{counted(len(found), 'deleted record')} in {path}"
        return ListedRows(rows=found, view=journal_view(connection.tz), messages=[*skipped, summary])

    if not restore:
        show(find, listing)
        return
    found = find().rows
    if not found:
        raise CommandError(f"no record of {path} matches; nothing was restored", ExitCode.NOT_FOUND)
    refuse_if_read_only(connection, "nothing was restored")
    newest: dict[object, UsageRecord] = {record.key: documented(record) for record in found}
    told = run_requests(connection, lambda client: client.import_records(newest.values()))
    kept = f"; {told.kept:,} were there already" if told.kept else ""
    print_message(f"restored {counted(told.imported, 'record')} at {connection.host}{kept}")


def _as_session(record: DeletedRecord) -> Session:
    return structs.replace(from_record(record), service=record.service)


def journal_view(tz: ZoneInfo) -> View[DeletedRecord]:
    """Return the view of deleted records."""
    return View(
        tz=tz,
        columns=[
            STREAM_COLUMN,
            *RECORD_COLUMNS,
            ListColumn("deletedAt", attrgetter("deleted_at"), "DELETED", is_time=True),
            *attributes("service"),
        ],
        table=("stream", "startTime", "duration", "maxSubscribers", "totalSubscribers", "deletedAt", "service"),
        csv=(*RECORD_FIELDS, "deletedAt", "service"),
        narrow=("maxSubscribers", "duration", "startTime"),
    )
