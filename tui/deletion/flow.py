"""The course of a delete, one at a time: request, dialog, delete, verification.

The keys are frozen when the delete is requested. Only what the dialog named is ever deleted: journal first, session by
session, and then the polls verify it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from textual.message import Message

from streamusage.client.errors import UsageApiError
from streamusage.client.usage_client import UsageClient
from streamusage.core.usage import PartialUsageRecord, SessionKey, UsageRecord
from tui.app.key_priority import Calculation
from tui.deletion import execute
from tui.deletion import plan as delete_plan
from tui.deletion.execute import Outcome
from tui.deletion.journal import DeletedRecord, read_journal
from tui.deletion.plan import DeletePlan, Radius
from tui.deletion.restore import Restorable, Restored, restorable_steps, restore_records
from tui.deletion.scope import DeletionScope
from tui.deletion.selection import STEP_ROWS, Selection
from tui.model.text import sanitize, shortened

PROGRESS_FROM_SESSIONS = 5
"""From so many sessions on, a progress dialog with a stop button is shown."""
MOST_STREAMS_BY_NAME = 20
"""Up to so many streams are fetched again one by one; for more, all records are."""
_SUBJECT_CELLS = 40
"""Longer names are shortened in the result, so that its end fits into 80 columns."""


class RecordsUnreadableError(Exception):
    """The records cannot be fetched again before a delete. The text says why; nothing was deleted."""


Value = TypeVar("Value")
JournalListing = tuple[str, list[Restorable]]
"""The title of the list of deleted records, and its entries."""
ReadRecords = Callable[[DeletePlan], Coroutine[Any, Any, list[PartialUsageRecord]]]


class ProgressView(Protocol):
    """A dialog that shows how far a delete is."""

    def show_progress(self, done: int) -> None:
        """Show how many sessions are done."""

    async def close(self) -> None:
        """Close the dialog."""


class OpenAfter(Protocol):
    """Opens a screen once its content is fetched."""

    def __call__(self, fetch: Coroutine[Any, Any, Value], show: Callable[[Value], None], name: str) -> None:
        """Call `show` with what `fetch` returns; keys typed until then are held for the screen called `name`."""


class DeletionDialogs(Protocol):
    """The dialogs of a delete."""

    def confirm_delete(
        self, plan: DeletePlan, read_records: ReadRecords, confirmed: Callable[[list[UsageRecord] | None], None]
    ) -> None:
        """Ask for a confirmation. `confirmed` receives the records to delete, or `None` if it was cancelled.

        `read_records` fetches the plan's records again; it raises `RecordsUnreadableError`.
        """

    def open_progress(self, title: str, sessions: int, stop: Callable[[], None]) -> ProgressView:
        """Open the progress dialog. `stop` is called at most once."""

    def show_outcome(self, outcome: Outcome) -> None:
        """Show what became of each session."""

    def pick_restorable(
        self, title: str, entries: Sequence[Restorable], picked: Callable[[Restorable], None], none_reason: str
    ) -> None:
        """List what can be restored, or why there is nothing. `picked` receives the entry that was picked, if any."""


@dataclass
class DeleteFinished(Message):
    """A delete has ended."""

    outcome: Outcome


class DeletionFlow:
    """The deletes of one console. `client` is `None` where there is no service."""

    def __init__(
        self,
        client: UsageClient | None,
        state: DeletionScope,
        *,
        dialogs: DeletionDialogs,
        journal_path: Path,
        post: Callable[[Message], object],
        start: Callable[[Coroutine[Any, Any, None]], object],
        open_after: OpenAfter,
        refresh: Callable[[], None],
        show_notice: Callable[[str, str], None],
        no_service_reason: str = "",
        service: str = "",
    ) -> None:
        self._client = client
        self._state = state
        self._dialogs = dialogs
        self.journal_path = journal_path
        self._post = post
        self._start = start
        self._open_after = open_after
        self._refresh = refresh
        self._show_notice = show_notice
        self._no_service_reason = no_service_reason
        self._service = service
        """Its profile where the console shows several services."""
        self._to_verify: Outcome | None = None
        self._polls_to_verify = 0
        self._stopped = False
        self.is_under_way = False
        self._undoable: list[UsageRecord] = []
        """What the last delete deleted."""

    def request(self, chosen: Selection, radius: Radius) -> None:
        """Open the dialog for the selected sessions; only these can be deleted by it. Keys wait for the dialog."""
        state, client = self._state, self._client
        if client is None:
            self._show_notice(f"nothing can be deleted: {self._no_service_reason}", "warn")
            return
        if state.is_read_only():
            self._show_notice(self._read_only_reason(), "warn")
            return
        if not chosen:
            self._show_notice("nothing to delete: the service lists no session", "warn")
            return
        if self.is_under_way:
            self._show_notice("a delete is under way; try again when it has ended", "warn")
            return
        if reason := state.deletes_disabled_reason():
            self._show_notice(f"deletes are off: {reason}", "bad")
            return
        plan = Calculation(delete_plan.plan_steps(chosen, radius, state.host, self._service))
        if plan.is_complete:
            self._confirm(client, plan.result)
        else:
            self._open_after(plan.run(), lambda ready: self._confirm(client, ready), "the delete dialog")

    def _confirm(self, client: UsageClient, plan: DeletePlan) -> None:
        def confirmed(records: list[UsageRecord] | None) -> None:
            if records:
                self.is_under_way = True
                self._begin_delete(client, plan.subject, records)

        async def read_records(plan: DeletePlan) -> list[PartialUsageRecord]:
            try:
                return await _read_records(client, plan)
            except (UsageApiError, ValueError) as error:
                raise RecordsUnreadableError(str(error)) from error

        self._dialogs.confirm_delete(plan, read_records, confirmed)

    def _begin_delete(self, client: UsageClient, subject: str, records: list[UsageRecord]) -> None:
        """Begin a delete. Its dialog opens at once: the next key is for it."""
        self._stopped = False
        progress: ProgressView | None = None
        if len(records) >= PROGRESS_FROM_SESSIONS:
            progress = self._dialogs.open_progress(subject, len(records), self._stop)
        else:
            self._show_notice(f"deleting {len(records):,} …", "strong")
        self._start(self._delete(client, subject, records, progress))

    async def _delete(
        self, client: UsageClient, subject: str, records: list[UsageRecord], progress: ProgressView | None
    ) -> None:
        outcome = await execute.delete_sessions(
            client,
            subject,
            records,
            self.journal_path,
            self._state.clock.now_ms(),
            progress.show_progress if progress is not None else lambda done: None,
            lambda: self._stopped,
        )
        if outcome.deleted:
            self._undoable = await Calculation(_record_steps(records, outcome.deleted)).run()
        if progress is not None:
            await progress.close()
        self._post(DeleteFinished(outcome))

    def _stop(self) -> None:
        self._stopped = True

    def finish(self, outcome: Outcome) -> None:
        """Show what the service answered, and begin to verify it."""
        self.is_under_way = False
        failed = bool(outcome.failed or outcome.stop_reason)
        self._state.marks.forget([*outcome.deleted, *outcome.gone_before])
        self._show_outcome(outcome, "verifying …", "bad" if failed else "strong")
        # The poll under way may have been answered before the delete; the next one was not.
        self._to_verify, self._polls_to_verify = outcome, 2
        self._refresh()
        is_of_several = len(outcome.deleted) + len(outcome.failed) + len(outcome.not_tried) > 1
        if failed and (is_of_several or outcome.conflicts or outcome.without_answer):
            self._dialogs.show_outcome(outcome)

    def verify(self, polled_service: str = "") -> None:
        """Show what really happened, once a poll that began after the delete shows it. Called after each poll.

        `polled_service` is the service that answered, where there are several.
        """
        outcome = self._to_verify
        if outcome is None:
            return
        self._polls_to_verify -= 1
        still_listed = [key for key in outcome.deleted if key in self._state.store]
        if still_listed and self._polls_to_verify > 0:
            self._refresh()
            return
        self._to_verify = None
        failed = bool(outcome.failed or outcome.stop_reason)
        if still_listed:
            self._show_outcome(outcome, f"but the service still lists {len(still_listed):,} of them", "bad")
        elif outcome.deleted:
            undo = "; u: undo" if self._client is not None and self._client.has_extension else ""
            self._show_outcome(outcome, f"verified{undo}", "bad" if failed else "good")
        else:
            self._show_outcome(outcome, "", "bad" if failed else "strong")

    # Restoring

    def undo(self) -> None:
        """Restore what the last delete of this console deleted."""
        if self._may_restore():
            if self._undoable:
                self._restore(self._undoable)
            else:
                self._show_notice("nothing to undo: this console has deleted nothing; :journal lists more", "warn")

    def open_journal(self) -> None:
        """List the records that were deleted from this machine at this service, to restore them."""
        if self._may_restore():
            self._open_after(self._read_journal(), self._show_journal, "the journal")

    async def _read_journal(self) -> JournalListing | OSError:
        try:
            records, unreadable = await asyncio.to_thread(read_journal, self.journal_path)
        except OSError as error:
            return error
        return await Calculation(self._list_steps(records, unreadable)).run()

    def _list_steps(self, records: Sequence[DeletedRecord], unreadable: int) -> Generator[None, None, JournalListing]:
        state, here = self._state, list[DeletedRecord]()
        for first in range(0, len(records), STEP_ROWS):
            here += [record for record in records[first : first + STEP_ROWS] if record.service == state.host]
            yield
        entries = yield from restorable_steps(here, lambda key: key in state.store, state.now_ms(), state.tz)
        more = [f"{len(records) - len(here):,} of other services"] if len(records) > len(here) else []
        more += [f"{unreadable:,} unreadable lines"] if unreadable else []
        return self._journal_title + (f" (not listed: {', '.join(more)})" if more else ""), entries

    @property
    def _journal_title(self) -> str:
        host = sanitize(self._state.host)
        return (
            f"Deleted at {sanitize(self._service)}, {host}, the newest first"
            if self._service
            else (f"Deleted at {host}, the newest first")
        )

    def _show_journal(self, listing: JournalListing | OSError) -> None:
        """Open the list, empty where nothing can be restored: keys typed since it was requested are meant for it."""
        none_reason = "no record was deleted here from this machine"
        if isinstance(listing, OSError):
            none_reason = f"the journal cannot be read: {listing.strerror}: {self.journal_path}"
            listing = self._journal_title, []
        title, entries = listing
        self._dialogs.pick_restorable(title, entries, lambda entry: self._restore(list(entry.records)), none_reason)

    def _read_only_reason(self) -> str:
        of_service = f"{sanitize(self._service)} is " if self._service else ""
        return f"{of_service}read-only: type :arm 5m to lift it for five minutes"

    def _may_restore(self) -> bool:
        """Return whether records can be restored now; else show why they cannot."""
        client = self._client
        if client is None:
            reason = f"nothing can be restored: {self._no_service_reason}"
        elif self._state.is_read_only():
            reason = self._read_only_reason()
        elif self.is_under_way:
            reason = "a delete or a restore is under way; try again when it has ended"
        elif not client.has_extension:
            reason = f"a plain Stream Manager cannot restore records; they are in {self.journal_path}"
        else:
            return True
        self._show_notice(sanitize(reason), "warn")
        return False

    def _restore(self, records: list[UsageRecord]) -> None:
        client = self._client
        if client is not None and self._may_restore():
            self.is_under_way = True
            self._start(self._restore_records(client, records))

    async def _restore_records(self, client: UsageClient, records: list[UsageRecord]) -> None:
        restored = Restored()

        def note(so_far: Restored) -> None:
            nonlocal restored
            restored = so_far

        try:
            await restore_records(client, records, note)
        except (UsageApiError, ValueError) as error:
            before = (
                f"{restored.describe()}, then: " if restored.imported or restored.kept else "nothing was restored: "
            )
            self._show_notice(f"{before}{sanitize(str(error))}", "bad")
        else:
            if {record.key for record in self._undoable} <= {record.key for record in records}:
                self._undoable = []
            self._show_notice(restored.describe(), "good")
        finally:
            self.is_under_way = False
            self._refresh()

    def _show_outcome(self, outcome: Outcome, more: str, ink: str) -> None:
        place = f"{sanitize(self._service)}: " if self._service else ""
        subject = shortened(sanitize(outcome.subject), _SUBJECT_CELLS)
        text = f"{place}{subject}: {sanitize(execute.describe_outcome(outcome))}"
        self._show_notice(f"{text}; {more}" if more else text, ink)


def _record_steps(
    records: Sequence[UsageRecord], keys: Sequence[SessionKey]
) -> Generator[None, None, list[UsageRecord]]:
    """Return the records with these keys."""
    wanted, found = set(keys), list[UsageRecord]()
    for first in range(0, len(records), STEP_ROWS):
        found += [record for record in records[first : first + STEP_ROWS] if record.key in wanted]
        yield
    return found


async def _read_records(client: UsageClient, plan: DeletePlan) -> list[PartialUsageRecord]:
    if len(plan.stream_names) > MOST_STREAMS_BY_NAME or plan.radius is Radius.EVERYTHING:
        return await client.usage()
    return [record for stream in plan.streams for record in await client.usage_of(stream)]
