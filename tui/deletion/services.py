"""Deletes in a console of several services: each goes to the service of its rows, and to no other."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tui.app.state import ConsoleState
from tui.deletion.execute import Outcome
from tui.deletion.flow import DeletionDialogs, DeletionFlow
from tui.deletion.plan import Radius
from tui.deletion.selection import Selection
from tui.model.text import sanitize


class ServicesDeletion(DeletionFlow):
    """One `DeletionFlow` for each service. `of_cursor` returns the service of the row under the cursor."""

    def __init__(
        self,
        flows: Mapping[str, DeletionFlow],
        state: ConsoleState,
        *,
        of_cursor: Callable[[], str],
        show_notice: Callable[[str, str], None],
        journal_path: Path,
        dialogs: DeletionDialogs,
    ) -> None:
        super().__init__(
            None,
            state,
            dialogs=dialogs,
            journal_path=journal_path,
            post=lambda message: None,
            start=lambda work: work.close(),
            open_after=lambda fetch, show, name: fetch.close(),
            refresh=lambda: None,
            show_notice=show_notice,
        )
        self._flows = flows
        self._of_cursor = of_cursor
        self._notify = show_notice
        self._last = ""
        """The service that was deleted from last."""

    def request(self, chosen: Selection, radius: Radius) -> None:
        """Open the dialog for these sessions, which must be of one service. Everything is that of the cursor's one."""
        services = [self._of_cursor()] if radius is Radius.EVERYTHING else chosen.services
        if len(services) > 1:
            names = sanitize(", ".join(services))
            self._notify(f"nothing was deleted: the marked sessions are of {names}; delete from one at a time", "warn")
        elif any(flow.is_under_way for flow in self._flows.values()):
            self._notify("a delete is under way; try again when it has ended", "warn")
        elif services:
            self._last = services[0]
            self._flows[services[0]].request(chosen.of_service(services[0]), radius)

    def finish_at(self, service: str, outcome: Outcome) -> None:
        """Show what a service answered to a delete, and begin to verify it."""
        self._flows[service].finish(outcome)

    def verify(self, polled_service: str = "") -> None:
        """Show what really happened, once a poll of the service shows it. Polls of other services do not show it."""
        self._flows[polled_service].verify()

    def undo(self) -> None:
        """Restore what the last delete deleted, at the service that it was deleted from."""
        self._flows[self._last or self._of_cursor()].undo()

    def open_journal(self) -> None:
        """List the records that were deleted at the service of the row under the cursor."""
        self._flows[self._of_cursor()].open_journal()
