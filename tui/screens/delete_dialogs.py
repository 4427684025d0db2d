"""The dialogs of a delete, opened over a screen."""

from collections.abc import Callable

from streamusage.core.usage import UsageRecord
from tui.deletion.execute import Outcome
from tui.deletion.flow import ProgressView, ReadRecords
from tui.deletion.plan import DeletePlan
from tui.screens.base import ConsoleScreen
from tui.screens.confirm_delete import ConfirmDelete
from tui.screens.delete_progress import DeleteProgress, DeleteResult


class DeleteDialogs(ConsoleScreen):
    """A screen that implements `DeletionDialogs`."""

    def confirm_delete(
        self, plan: DeletePlan, read_records: ReadRecords, confirmed: Callable[[list[UsageRecord] | None], None]
    ) -> None:
        """Open the dialog that asks for a confirmation."""
        self.app.push_screen(ConfirmDelete(plan, self.state, read_records), confirmed)

    async def open_progress(self, title: str, sessions: int, stop: Callable[[], None]) -> ProgressView:
        """Open the progress dialog."""
        screen = DeleteProgress(title, sessions, stop)
        await self.app.push_screen(screen)
        return screen

    def show_outcome(self, outcome: Outcome) -> None:
        """Show what became of each session."""
        self.app.push_screen(DeleteResult(outcome))
