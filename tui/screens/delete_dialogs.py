"""The dialogs of a delete, opened over a screen. They are imported with the first delete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tui.model.text import sanitize
from tui.screens.base import ConsoleScreen

if TYPE_CHECKING:
    from streamusage.core.usage import UsageRecord
    from tui.app.state import ConsoleState
    from tui.deletion.execute import Outcome
    from tui.deletion.flow import ProgressView, ReadRecords
    from tui.deletion.plan import DeletePlan
    from tui.deletion.restore import Restorable


def no_session_reason(state: ConsoleState) -> str:
    """Return why there is no session under the cursor."""
    is_heading = len(state.view) > 0
    return "this is the heading of a scope; move to a session" if is_heading else "the table has no session"


class DeleteDialogs(ConsoleScreen):
    """A screen that implements `DeletionDialogs`."""

    def confirm_delete(
        self, plan: DeletePlan, read_records: ReadRecords, confirmed: Callable[[list[UsageRecord] | None], None]
    ) -> None:
        """Open the dialog that asks for a confirmation."""
        from tui.screens.confirm_delete import ConfirmDelete

        self.app.push_screen(
            ConfirmDelete(plan, self.state.parts.get(plan.service, self.state), read_records), confirmed
        )

    def open_progress(self, title: str, sessions: int, stop: Callable[[], None]) -> ProgressView:
        """Open the progress dialog."""
        from tui.screens.delete_progress import DeleteProgress

        screen = DeleteProgress(title, sessions, stop)
        self.app.push_screen(screen)
        return screen

    def show_outcome(self, outcome: Outcome) -> None:
        """Show what became of each session."""
        from tui.screens.delete_progress import DeleteResult

        self.port.open_when_free(lambda: self.app.push_screen(DeleteResult(outcome)))

    def pick_restorable(
        self, title: str, entries: Sequence[Restorable], picked: Callable[[Restorable], None], none_reason: str
    ) -> None:
        """Open the list of the deleted records; empty with a reason if there is none."""
        from tui.screens.picker import Choice, Picked, Picker

        def restore(chosen: Picked | None) -> None:
            if chosen is not None:
                picked(entries[int(chosen.value)])

        choices = [Choice(str(number), entry.name, entry.help) for number, entry in enumerate(entries)]
        if choices:
            self.app.push_screen(Picker(f"{title}; enter restores", choices), restore)
        else:
            self.app.push_screen(Picker(title, [], explain=lambda typed: sanitize(none_reason)))

    def refuse_delete(self) -> None:
        """Show why there is nothing under the cursor to delete."""
        self.show_notice(f"nothing to delete here: {no_session_reason(self.state)}", "warn")

    def action_undo(self) -> None:
        """Restore the records of the last delete."""
        self.port.deletion.undo()

    def action_journal(self) -> None:
        """List the records deleted from this machine."""
        self.port.deletion.open_journal()
