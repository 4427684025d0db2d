"""The course of a delete, one at a time: request, dialog, delete, verification.

The keys are frozen when the delete is requested. Only what the dialog named is ever deleted: journal first, session by
session, and then the polls verify it.
"""

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from textual.message import Message

from streamusage.client.errors import UsageApiError
from streamusage.client.usage_client import UsageClient
from streamusage.core.usage import PartialUsageRecord, UsageRecord
from tui.app.state import ConsoleState
from tui.deletion import execute
from tui.deletion import plan as delete_plan
from tui.deletion.execute import Outcome
from tui.deletion.plan import DeletePlan, Radius
from tui.model.sessions.store import Session
from tui.model.text import sanitize

PROGRESS_FROM_SESSIONS = 5
"""From so many sessions on, a progress dialog with a stop button is shown."""
MOST_STREAMS_BY_NAME = 20
"""Up to so many streams are fetched again one by one; for more, all records are."""


class RecordsUnreadableError(Exception):
    """The records cannot be fetched again before a delete. The text says why; nothing was deleted."""


ReadRecords = Callable[[DeletePlan], Coroutine[Any, Any, list[PartialUsageRecord]]]


class ProgressView(Protocol):
    """A dialog that shows how far a delete is."""

    def show_progress(self, done: int) -> None:
        """Show how many sessions are done."""

    async def close(self) -> None:
        """Close the dialog."""


class DeletionDialogs(Protocol):
    """The dialogs of a delete."""

    def confirm_delete(
        self, plan: DeletePlan, read_records: ReadRecords, confirmed: Callable[[list[UsageRecord] | None], None]
    ) -> None:
        """Ask for a confirmation. `confirmed` receives the records to delete, or `None` if it was cancelled.

        `read_records` fetches the plan's records again; it raises `RecordsUnreadableError`.
        """

    async def open_progress(self, title: str, sessions: int, stop: Callable[[], None]) -> ProgressView:
        """Open the progress dialog. `stop` is called at most once."""

    def show_outcome(self, outcome: Outcome) -> None:
        """Show what became of each session."""


@dataclass
class DeleteFinished(Message):
    """A delete has ended."""

    outcome: Outcome


class DeletionFlow:
    """The deletes of one console. `client` is `None` where there is no service."""

    def __init__(
        self,
        client: UsageClient | None,
        state: ConsoleState,
        *,
        dialogs: DeletionDialogs,
        journal_path: Path,
        post: Callable[[Message], object],
        start: Callable[[Coroutine[Any, Any, None]], object],
        refresh: Callable[[], None],
        show_notice: Callable[[str, str], None],
        no_service_reason: str = "",
    ) -> None:
        self._client = client
        self._state = state
        self._dialogs = dialogs
        self.journal_path = journal_path
        self._post = post
        self._start = start
        self._refresh = refresh
        self._show_notice = show_notice
        self._no_service_reason = no_service_reason
        self._to_verify: Outcome | None = None
        self._polls_to_verify = 0
        self._stopped = False
        self.is_under_way = False

    def request(self, chosen: Iterable[Session], radius: Radius) -> None:
        """Open the dialog for the sessions as they are now; only these can be deleted by it."""
        state, chosen, client = self._state, list(chosen), self._client
        if client is None:
            self._show_notice(f"nothing can be deleted: {self._no_service_reason}", "warn")
            return
        if state.is_read_only():
            self._show_notice("read-only: type :arm 5m to lift it for five minutes", "warn")
            return
        if not chosen:
            return
        if self.is_under_way:
            self._show_notice("a delete is under way; try again when it has ended", "warn")
            return
        if reason := state.deletes_disabled_reason():
            self._show_notice(f"deletes are off: {reason}", "bad")
            return
        plan = delete_plan.plan(chosen, state.view, radius, state.host)

        def confirmed(records: list[UsageRecord] | None) -> None:
            if records:
                self.is_under_way = True
                self._start(self._delete(client, plan.subject, records))

        async def read_records(plan: DeletePlan) -> list[PartialUsageRecord]:
            try:
                return await _read_records(client, plan)
            except (UsageApiError, ValueError) as error:
                raise RecordsUnreadableError(str(error)) from error

        self._dialogs.confirm_delete(plan, read_records, confirmed)

    async def _delete(self, client: UsageClient, subject: str, records: list[UsageRecord]) -> None:
        self._stopped = False
        progress: ProgressView | None = None
        if len(records) >= PROGRESS_FROM_SESSIONS:
            progress = await self._dialogs.open_progress(subject, len(records), self._stop)
        else:
            self._show_notice(f"deleting {len(records):,} …", "strong")
        outcome = await execute.delete_sessions(
            client,
            subject,
            records,
            self.journal_path,
            self._state.clock.now_ms(),
            progress.show_progress if progress is not None else lambda done: None,
            lambda: self._stopped,
        )
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
        if failed and len(outcome.deleted) + len(outcome.failed) + len(outcome.not_tried) > 1:
            self._dialogs.show_outcome(outcome)

    def verify(self) -> None:
        """Show what really happened, once a poll that began after the delete shows it."""
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
            self._show_outcome(outcome, "the service lists none of them any more", "bad" if failed else "good")
        else:
            self._show_outcome(outcome, "", "bad" if failed else "strong")

    def _show_outcome(self, outcome: Outcome, more: str, ink: str) -> None:
        text = f"{sanitize(outcome.subject)}: {sanitize(execute.describe_outcome(outcome))}"
        self._show_notice(f"{text}; {more}" if more else text, ink)


async def _read_records(client: UsageClient, plan: DeletePlan) -> list[PartialUsageRecord]:
    if len(plan.streams) > MOST_STREAMS_BY_NAME or plan.radius is Radius.EVERYTHING:
        return await client.usage()
    return [record for stream in plan.streams for record in await client.usage_of(stream)]
