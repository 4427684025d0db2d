"""`streamtop rm`: deletes usage records, never more than were shown or named.

The records are frozen when they are read: later sessions are neither shown nor deleted, except by `--all`.
Every record is written to the local journal before its delete is sent.
"""

import asyncio
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from streamusage.client.errors import UnreachableError
from streamusage.client.schema_drift import count_faults
from streamusage.client.usage_client import UsageClient
from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import ExitCode
from streamusage.core.usage import EmptyNameError, PartialUsageRecord, SessionKey, StreamId, UsageRecord
from tui.commands.errors import CommandError
from tui.commands.errors.unknown_names import similar_streams
from tui.commands.ls import read_sessions, refuse_unknown_fields
from tui.commands.manual.names import complete_recorded_streams
from tui.commands.shell import (
    connection_options,
    counted,
    format_option,
    print_message,
    prompt_operator,
    read_filter,
    refuse_if_read_only,
    run_requests,
    to_command_error,
)
from tui.commands.streams import format_stream_name, parse_stream_name
from tui.commands.tables import session_view
from tui.config.paths import journal_path
from tui.config.settings import ConnectionSettings
from tui.deletion import journal as deletion_journal
from tui.deletion.execute import Outcome, delete_sessions, describe_outcome, describe_rest
from tui.model import formats
from tui.model.sessions.store import from_record
from tui.output import Format, Printing, print_rows
from tui.output.printer import Table

MOST_DELETED_ONE_BY_ONE = 1_000
"""With --all, more records are deleted by one request, whose answer does not name them."""
MOST_ROUNDS = 5
"""So many times --all reads the records again, to delete what began meanwhile."""
PROGRESS_FROM = 100
"""From so many records on, a terminal shows how far the deletes are."""
MOST_SHOWN = 20
"""Number of records listed before the question; the rest is counted."""


@click.command(cls=HelpfulCommand)
@click.argument("stream", metavar="[SCOPE/NAME]", required=False, shell_complete=complete_recorded_streams)
@click.option("--start-time", type=click.IntRange(min=1), metavar="MS", help="Only the session with this start time.")
@click.option("--all", "everything", is_flag=True, help="Every record of the service; excludes all other selections.")
@click.option(
    "--where",
    "filter_text",
    metavar="FILTER",
    help="The sessions that a filter selects, as with ls; excludes all other selections.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@format_option(default=None, help="Print the deleted records.")
@connection_options
def rm(
    connection: ConnectionSettings,
    stream: str | None,
    start_time: int | None,
    everything: bool,
    filter_text: str | None,
    yes: bool,
    output_format: Format | None,
) -> None:
    """Delete usage records: one session, all sessions of a stream, or everything.

    With --start-time, one session is deleted; without it, every session of the stream; --all deletes every record. The
    last two ask for confirmation; without a terminal they need --yes. Sessions that start during the question are not
    deleted, except with --all.

    The last slash of SCOPE/NAME separates the scope from the stream's name. A slash inside the name is written %2F, and
    %25 is a percent sign before 2F or 25: live/a%2Fb is the stream "a/b" of the scope "live".

    Daily statistics are never changed. The records are kept in a journal on this machine, which streamtop import can
    read. More than 1,000 of them --all deletes by one request: a session that begins within it is not kept.

    \b
    Examples:
      streamtop rm live/keynote --start-time 1525079744558
      streamtop rm live/keynote
      streamtop rm live/keynote --yes --format json > deleted.json
      streamtop rm --where 'state=ended age>7d'
      streamtop rm --all
    """
    refuse_if_read_only(connection, "nothing was deleted")
    if filter_text is not None:
        if stream is not None or start_time is not None or everything:
            raise click.UsageError("--where excludes SCOPE/NAME, --start-time and --all")
        removal = _remove_matching(connection, filter_text, yes=yes)
    elif everything:
        if stream is not None or start_time is not None:
            raise click.UsageError("--all deletes every record and excludes SCOPE/NAME and --start-time")
        removal = _remove_everything(connection, yes=yes)
    elif stream is None:
        raise click.UsageError("name a stream as SCOPE/NAME, or give --all to delete every record")
    else:
        removal = _remove_stream(connection, _named(stream), start_time, yes=yes)
    if output_format is not None:
        print_rows(removal.deleted, session_view(connection.tz), Printing(output_format))
    if removal.failure is not None:
        raise removal.failure


class Removal(NamedTuple):
    """The records that this run deleted, and why it ended early."""

    deleted: list[UsageRecord]
    failure: CommandError | None = None


def _named(text: str) -> StreamId:
    try:
        return parse_stream_name(text)
    except EmptyNameError as error:
        raise click.UsageError(str(error)) from None


def _remove_stream(connection: ConnectionSettings, stream: StreamId, start_time: int | None, *, yes: bool) -> Removal:
    if start_time is None and not yes:
        _need_terminal(f"to delete every session of {format_stream_name(stream)}")
    told = run_requests(connection, lambda client: client.usage_of(stream))
    # A service could return more than was requested: records of other streams are not touched.
    found = _whole([one for one in told if one.stream == stream and start_time in (None, one.start_time)])
    if not found:
        which = "session" if start_time is None else f"session that started at {start_time}"
        close = "" if told else run_requests(connection, lambda client: similar_streams(client, stream))
        raise CommandError(
            f"{connection.host}: {format_stream_name(stream)} has no {which}; nothing was deleted{close}",
            ExitCode.NOT_FOUND,
        )
    what = f"{counted(len(found), 'session')} of {format_stream_name(stream)}"
    if start_time is None and not yes:
        _show(connection, found)
        answer = prompt_operator(f"Delete {what} at {connection.host}? Daily statistics are kept. [y/N]")
        if answer.lower() not in {"y", "yes"}:
            raise CommandError("nothing was deleted", ExitCode.FAILURE)
    return _delete_each(connection, what, found)


def _remove_matching(connection: ConnectionSettings, text: str, *, yes: bool) -> Removal:
    shown = read_filter([text])
    if not shown:
        raise click.UsageError("--where has an empty filter, which selects everything; use --all for that")
    if not yes:
        _need_terminal("to delete what the filter selects")
    records = run_requests(connection, read_sessions)
    refuse_unknown_fields([text], records)
    now_ms = time.time_ns() // 1_000_000
    found = _whole([record for record in records if shown.matches(from_record(record), now_ms)])
    if not found:
        raise CommandError(f"{connection.host}: no session matches; nothing was deleted", ExitCode.NOT_FOUND)
    streams = counted(len({record.stream for record in found}), "stream")
    what = f"{counted(len(found), 'session')} of {streams}"
    if not yes:
        _show(connection, found)
        print_message(f"This deletes {what} at {connection.host}. Daily statistics are kept.")
        if prompt_operator(f"Type their number to confirm ({len(found)}):").replace(",", "") != str(len(found)):
            raise CommandError("that is not their number; nothing was deleted", ExitCode.FAILURE)
    return _delete_each(connection, what, found)


def _delete_each(connection: ConnectionSettings, what: str, found: list[UsageRecord]) -> Removal:
    """Delete sessions one by one, and report those that this run deleted: somebody else may have been faster."""
    outcome = run_requests(connection, lambda client: _delete_with_progress(client, what, found))
    keys = set(outcome.deleted)
    deleted = [record for record in found if record.key in keys]
    if outcome.failure is not None:
        if outcome.failed:
            print_message(f"of {counted(len(found), 'session')}: {describe_outcome(outcome)}")
            for key, reason in outcome.failed[:MOST_SHOWN]:
                name = format_stream_name(StreamId(key.scope, key.name))
                print_message(f"not deleted: {name}, started at {key.start_time}: {reason}")
            if len(outcome.failed) > MOST_SHOWN:
                print_message(f"… and {len(outcome.failed) - MOST_SHOWN:,} more")
            print_message("; ".join(describe_rest(outcome)))
            print_message(
                f"the records of all {len(found):,} are in {journal_path()}; look at what is left with streamtop ls, "
                "and run the same command again to delete it"
            )
        return Removal(deleted, to_command_error(outcome.failure, connection))
    gone = counted(len(outcome.gone_before), "session")
    if not deleted:
        text = f"{connection.host}: {gone} had been deleted by somebody else; this run deleted nothing"
        return Removal(deleted, CommandError(text, ExitCode.NOT_FOUND))
    if outcome.gone_before:
        what = counted(len(deleted), "session")
        print_message(f"{gone} had been deleted by somebody else")
    print_message(f"deleted {what} at {connection.host}; kept in {journal_path()}")
    return Removal(deleted)


async def _delete_with_progress(client: UsageClient, what: str, found: list[UsageRecord]) -> Outcome:
    done = 0
    with click.progressbar(
        length=len(found),
        label=f"deleting {counted(len(found), 'session')}",
        file=sys.stderr,
        hidden=len(found) < PROGRESS_FROM or not sys.stderr.isatty(),
        update_min_steps=max(1, len(found) // 100),
    ) as bar:

        def show_progress(number: int) -> None:
            nonlocal done
            bar.update(number - done)
            done = number

        try:
            return await delete_sessions(client, what, found, None, time.time_ns() // 1_000_000, show_progress)
        except asyncio.CancelledError:
            print_message(
                f"stopped after {done:,} of {counted(len(found), 'session')}; the next one may be deleted too. "
                f"All are kept in {journal_path()}. Run the same command again for the rest"
            )
            raise


async def _delete_at_once(client: UsageClient, records: int, journal: Path) -> None:
    """Delete every record by one request, and report if it has no answer."""
    try:
        await client.delete_all()
    except (UnreachableError, asyncio.CancelledError) as error:
        what = "stopped" if isinstance(error, asyncio.CancelledError) else "failed"
        print_message(
            f"{what} before the answer: the service may have deleted them; all {records:,} are kept in {journal}. "
            "Run the same command again for the rest"
        )
        raise


def _remove_everything(connection: ConnectionSettings, *, yes: bool) -> Removal:
    if not yes:
        _need_terminal("to delete every record")
    records = run_requests(connection, lambda client: client.usage())
    found = _whole(records)
    if len(found) < len(records):
        raise CommandError("the journal cannot keep every record in full; nothing was deleted", ExitCode.REFUSED)
    streams = counted(len({record.stream for record in found}), "stream")
    what = f"{counted(len(found), 'session')} of {streams}"
    if not yes:
        _show(connection, found)
        print_message(f"This deletes every usage record of {connection.host}: {what}. Daily statistics are kept.")
        if prompt_operator("Type the host to confirm:") != connection.host:
            raise CommandError(f"that is not {connection.host}; nothing was deleted", ExitCode.FAILURE)
    if not found:
        print_message(f"{connection.host} has no usage records; nothing was deleted")
        return Removal([])
    if len(found) <= MOST_DELETED_ONE_BY_ONE and all(_is_deletable(record) for record in found):
        removal = _delete_each(connection, what, found)
        if removal.failure is None or removal.failure.exit_code is ExitCode.NOT_FOUND:
            return _delete_begun_meanwhile(connection, removal, {record.key for record in found})
        return removal
    try:
        journal = deletion_journal.append_records(found, service=connection.host)
        try:
            begun = _begun_meanwhile(connection, {record.key for record in found})
        except CommandError as error:
            raise CommandError(f"nothing was deleted: {error}; run the same command again", error.exit_code) from None
        found += begun
        deletion_journal.append_records(begun, service=connection.host)
    except deletion_journal.DeletionJournalError as error:
        raise CommandError(str(error), ExitCode.FAILURE) from None
    run_requests(connection, lambda client: _delete_at_once(client, len(found), journal))
    what = counted(len(found), "session")
    print_message(f"deleted every usage record of {connection.host}: {what}; kept in {journal}")
    return Removal(found)


def _begun_meanwhile(connection: ConnectionSettings, known: set[SessionKey]) -> list[UsageRecord]:
    """Return the records of sessions that are not among `known`. Those that cannot be kept in full are counted."""
    begun = [record for record in run_requests(connection, lambda client: client.usage()) if record.key not in known]
    whole = [record for record in begun if isinstance(record, UsageRecord)]
    if len(whole) < len(begun):
        count = counted(len(begun) - len(whole), "session")
        text = f"{count} began meanwhile with a record that the journal cannot keep in full"
        raise CommandError(text, ExitCode.REFUSED)
    return whole


def _delete_begun_meanwhile(connection: ConnectionSettings, removal: Removal, known: set[SessionKey]) -> Removal:
    """Delete the sessions that began while those before were deleted, each of them kept first."""
    deleted, failure = removal
    for _ in range(MOST_ROUNDS):
        try:
            begun = [record for record in _begun_meanwhile(connection, known) if _is_deletable(record)]
        except CommandError as error:
            text = f"what began meanwhile was not deleted: {error}; run the same command again"
            return Removal(deleted, CommandError(text, error.exit_code))
        if not begun:
            break
        known |= {record.key for record in begun}
        later = _delete_each(connection, f"{counted(len(begun), 'session')} begun meanwhile", begun)
        deleted = deleted + later.deleted
        if later.failure is not None and later.failure.exit_code is not ExitCode.NOT_FOUND:
            return Removal(deleted, later.failure)
    return Removal(deleted, failure)


def _is_deletable(record: UsageRecord) -> bool:
    """Return whether a record's session can be deleted by itself."""
    return record.start_time > 0 and bool(record.name) and all(record.scope.split("/"))


def _whole(records: Sequence[PartialUsageRecord]) -> list[UsageRecord]:
    """Return the records that can be kept in full. The others are not deleted, which is reported."""
    whole = [record for record in records if isinstance(record, UsageRecord)]
    if drift := count_faults(records):
        unusable = [field for field, _ in drift.missing] + [f"a readable {fault.field}" for fault in drift.faulty]
        told = f"{counted(len(records) - len(whole), 'record')} without {', '.join(unusable)}"
        print_message(f"{told}: the journal could not keep them in full, so they were not deleted")
        if not whole:
            raise CommandError("nothing was deleted", ExitCode.REFUSED)
    return whole


def _need_terminal(purpose: str) -> None:
    if not sys.stdin.isatty():
        raise CommandError(f"there is no terminal to ask at; give --yes {purpose}; nothing was deleted", ExitCode.USAGE)


def _show(connection: ConnectionSettings, records: Sequence[UsageRecord]) -> None:
    newest = sorted(records, key=lambda record: -record.start_time)
    view, cells = session_view(connection.tz), shutil.get_terminal_size().columns
    shown = Table(newest[:MOST_SHOWN], view.table_columns(), view.tz, cells=cells, leave_out=view.narrow)
    for line in shown.lines():
        print_message(line.rstrip())
    if len(records) > MOST_SHOWN:
        print_message(f"… and {len(records) - MOST_SHOWN:,} more, back to {newest[-1].start_time}")
    watching = sum(record.active_subscribers for record in records)
    if watching:
        print_message(f"{formats.count(watching)} watching, by these records.")
