"""`streamtop ls`: lists the sessions of a service."""

import time
from collections.abc import Sequence

import click
import msgspec

from streamusage.api.extension import SessionRecord
from streamusage.client.changes import read_changes
from streamusage.client.errors import ExtensionMissingError
from streamusage.client.schema_drift import count_faults
from streamusage.client.usage_client import UsageClient
from streamusage.command_help import HelpfulCommand
from streamusage.core.usage import PartialUsageRecord
from tui.commands.flags import tz_option
from tui.commands.listing import ListedRows, ListingOptions, listing_options, show
from tui.commands.manual.names import complete_live_streams
from tui.commands.shell import connection_options, counted, read_filter, run_requests
from tui.commands.tables import session_view
from tui.config.settings import ConnectionSettings
from tui.model.sessions.filter import IN_PLAIN_LISTS
from tui.model.sessions.store import from_record
from tui.output import UTC


@click.command(cls=HelpfulCommand)
@click.argument("words", metavar="[FILTER]...", nargs=-1, shell_complete=complete_live_streams)
@listing_options(lambda: session_view(UTC))
@tz_option
@connection_options
def ls(connection: ConnectionSettings, words: tuple[str, ...], listing: ListingOptions) -> None:
    """List the sessions, live ones first, then by active subscribers.

    FILTER is the filter language of the console. Words select the sessions whose SCOPE/NAME contains all of them, in
    any case; scope=live/* and name=cam-? match the whole scope or name, ~REGEX a part of it. active, peak, lost, total
    (10k, 2M), age, duration, updated (90s, 2h, 7d) compare by = != < <= > >=; state=live and data=backfilled select by
    state and provenance; and, or, not and ( ) combine. Only our own service knows STATE and DATA.

    A slash inside a stream's name is shown as %2F: STREAM and START TIME are what rm takes.

    \b
    Examples:
      streamtop ls
      streamtop ls keynote state=live
      streamtop ls 'scope=live/*' 'active>=10 or lost>100'
      streamtop ls state=live --columns stream,active --sort -active --limit 10 --watch
      streamtop ls --format json > records.json
      streamtop ls --url https://sm.example.net --token-file ~/.config/streamtop/token
    """
    shown = read_filter(words)

    def find() -> ListedRows[PartialUsageRecord]:
        records = run_requests(connection, read_sessions)
        refuse_unknown_fields(words, records)
        now_ms = time.time_ns() // 1_000_000
        found = [_seen(record) for record in records if shown.matches(from_record(record), now_ms)]
        found.sort(key=_most_watched_first)
        drift = count_faults(records)
        of_all = f" of {len(records):,}" if shown else ""
        summary = f"{counted(len(found), 'session')}{of_all} at {connection.host}"
        return ListedRows(
            rows=found,
            view=session_view(connection.tz),
            messages=[*([drift.summary()] if drift else []), summary],
        )

    show(find, listing)


async def read_sessions(client: UsageClient) -> list[PartialUsageRecord]:
    """Return every session; with our own service, including its state and provenance."""
    try:
        return list((await read_changes(client, None, lambda record: record)).changed)
    except ExtensionMissingError:
        return await client.usage()


def _seen(record: PartialUsageRecord) -> PartialUsageRecord:
    """Return the record with the subscribers at servers that are seen: a lower bound while one is not."""
    if not isinstance(record, SessionRecord) or not record.unseen_subscribers:
        return record
    return msgspec.structs.replace(record, active_subscribers=record.seen_subscribers, unseen_subscribers=msgspec.UNSET)


def refuse_unknown_fields(words: Sequence[str], records: Sequence[PartialUsageRecord]) -> None:
    """Raise `CommandError` where a filter compares a field that none of the records has."""
    if records and not any(isinstance(record, SessionRecord) for record in records):
        read_filter(words, IN_PLAIN_LISTS)


def _most_watched_first(record: PartialUsageRecord) -> tuple[bool, int, int, str, str]:
    live = isinstance(record, SessionRecord) and record.live
    watching = -1 if record.active_subscribers is None else record.active_subscribers
    return not live, -watching, -record.start_time, record.scope, record.name
