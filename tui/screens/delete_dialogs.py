"""The dialogs of a delete, opened over a screen. They are imported with the first delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tui.screens.base import ConsoleScreen

if TYPE_CHECKING:
    from streamusage.core.usage import UsageRecord
    from tui.deletion.execute import Outcome
    from tui.deletion.flow import ProgressView, ReadRecords
    from tui.deletion.plan import DeletePlan


class DeleteDialogs(ConsoleScreen):
    """A screen that implements `DeletionDialogs`."""

    def confirm_delete(
        self, plan: DeletePlan, read_records: ReadRecords, confirmed: Callable[[list[UsageRecord] | None], None]
    ) -> None:
        """Open the dialog that asks for a confirmation."""
        from tui.screens.confirm_delete import ConfirmDelete

        self.app.push_screen(ConfirmDelete(plan, self.state, read_records), confirmed)

    async def open_progress(self, title: str, sessions: int, stop: Callable[[], None]) -> ProgressView:
        """Open the progress dialog."""
        from tui.screens.delete_progress import DeleteProgress

        screen = DeleteProgress(title, sessions, stop)
        await self.app.push_screen(screen)
        return screen

    def show_outcome(self, outcome: Outcome) -> None:
        """Show what became of each session."""
        from tui.screens.delete_progress import DeleteResult

        self.app.push_screen(DeleteResult(outcome))
