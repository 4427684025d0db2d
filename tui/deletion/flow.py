"""From the wish to delete to the word of what became of it, one at a time. Keys are frozen when the wish is made.

Nothing is ever deleted but what the dialog named: journal first, one session by one, and then the service is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from streamusage.core.usage import UsageRecord
from tui.app.messages import DeleteFinished
from tui.deletion import execute
from tui.deletion import plan as delete_plan
from tui.deletion.execute import Outcome
from tui.deletion.plan import Radius
from tui.model.sessions.store import Session
from tui.model.text import safe
from tui.screens.confirm_delete import ConfirmDelete
from tui.screens.delete_progress import DeleteProgress, DeleteResult

if TYPE_CHECKING:
    from tui.app.console_app import ConsoleApp

PROGRESS_FROM = 5
"""So many sessions at once get a screen of their own, with a way to stop."""


class DeletionFlow:
    """The deletes of one console."""

    def __init__(self, app: ConsoleApp, journal_path: Path) -> None:
        self._app = app
        self.journal_path = journal_path
        self._to_verify: Outcome | None = None
        self._polls_to_verify = 0
        self._stopped = False
        self._under_way = False

    def ask(self, chosen: Iterable[Session], radius: Radius) -> None:
        """Asks about the sessions as they are now; only these can come of it."""
        state, chosen = self._app.state, list(chosen)
        if state.is_read_only():
            self._say("read-only: type :arm 5m to lift it for five minutes", "warn")
            return
        if not chosen:
            return
        if self._under_way:
            self._say("a delete is under way; ask again when it has ended", "warn")
            return
        if why_not := state.why_no_deletes():
            self._say(f"deletes are off: {why_not}", "bad")
            return
        plan = delete_plan.plan(chosen, state.view, radius, state.host)

        def answered(records: list[UsageRecord] | None) -> None:
            if records:
                self._under_way = True
                self._app.run_worker(self._delete(plan.what, records), group="delete", exit_on_error=True)

        self._app.push_screen(ConfirmDelete(plan, state), answered)

    async def _delete(self, what: str, records: list[UsageRecord]) -> None:
        self._stopped = False
        screen = DeleteProgress(what, len(records), self._stop) if len(records) >= PROGRESS_FROM else None
        if screen is not None:
            await self._app.push_screen(screen)
        else:
            self._say(f"deleting {len(records):,} …")
        outcome = await execute.delete_sessions(
            self._app.client,
            what,
            records,
            self.journal_path,
            self._app.state.clock.now_ms(),
            screen.done if screen is not None else lambda done: None,
            lambda: self._stopped,
        )
        if screen is not None:
            await screen.dismiss()
        self._app.post_message(DeleteFinished(outcome))

    def _stop(self) -> None:
        self._stopped = True

    def finished(self, outcome: Outcome) -> None:
        """Tells what was answered, and asks what became of it."""
        self._under_way = False
        failed = bool(outcome.failed or outcome.why_not)
        self._app.state.marks.forget([*outcome.deleted, *outcome.gone_before])
        self._tell(outcome, "asking what became of it …", "bad" if failed else "strong")
        # The poll under way may have been answered before the delete was; the one after it cannot.
        self._to_verify, self._polls_to_verify = outcome, 2
        self._app.poller.refresh()
        if failed and len(outcome.deleted) + len(outcome.failed) + len(outcome.not_tried) > 1:
            self._app.push_screen(DeleteResult(outcome))

    def verify(self) -> None:
        """Says what really happened, once a poll that began after the delete shows it."""
        outcome = self._to_verify
        if outcome is None:
            return
        self._polls_to_verify -= 1
        still_there = [key for key in outcome.deleted if key in self._app.state.store]
        if still_there and self._polls_to_verify > 0:
            self._app.poller.refresh()
            return
        self._to_verify = None
        failed = bool(outcome.failed or outcome.why_not)
        if still_there:
            self._tell(outcome, f"but the service still lists {len(still_there):,} of them", "bad")
        elif outcome.deleted:
            self._tell(outcome, "the service lists none of them any more", "bad" if failed else "good")
        else:
            self._tell(outcome, "", "bad" if failed else "strong")

    def _tell(self, outcome: Outcome, more: str, ink: str) -> None:
        told = f"{safe(outcome.what)}: {safe(execute.in_words(outcome))}"
        self._say(f"{told}; {more}" if more else told, ink)

    def _say(self, text: str, ink: str = "strong") -> None:
        self._app.say(text, ink)
