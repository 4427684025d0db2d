"""Progress of a delete of many sessions, with a stop button; afterwards the result of each session.

Sessions deleted before a stop stay deleted; they are in the journal.
"""

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from tui.deletion.execute import Outcome, describe_outcome, describe_rest
from tui.deletion.journal import DeletionJournalError
from tui.model.text import sanitize
from tui.screens.dialog import Dialog
from tui.screens.page import PageScreen

_BAR_CELLS = 60
MOST_LISTED = 200
"""At most so many sessions are listed of each kind."""


class DeleteProgress(Dialog[None]):
    """`stop` is called once, by the button or by esc; the dialog closes when the delete is over."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "stop", "stop", show=False)]

    def __init__(self, subject: str, sessions: int, stop: Callable[[], None]) -> None:
        super().__init__()
        self._subject, self._sessions, self._stop = subject, sessions, stop

    def compose(self) -> ComposeResult:
        """Return the widgets."""
        with Vertical(id="dialog"):
            yield Static(f"Deleting {sanitize(self._subject)}", markup=False, classes="paragraph")
            yield Static("", markup=False, id="bar", classes="paragraph")
            yield Static("esc: stop; what is deleted stays deleted", markup=False, classes="hint")
            with Horizontal(id="buttons"):
                yield Button("Stop", id="stop")

    def prepare(self) -> None:
        """Prepare the widgets."""
        self.show_progress(0)

    def show_progress(self, done: int) -> None:
        """Show how many sessions are done."""
        full = _BAR_CELLS * done // max(1, self._sessions)
        bar = "█" * full + "·" * (_BAR_CELLS - full)
        # The bar is gone if the console is quit meanwhile.
        for drawn in self.query("#bar").results(Static):
            drawn.update(f"{bar}\n{done:,} of {self._sessions:,}")

    async def close(self) -> None:
        """Close the dialog."""
        await self.dismiss()

    @on(Button.Pressed, "#stop")
    def action_stop(self) -> None:
        """Stop the delete."""
        button = self.query_one("#stop", Button)
        if not button.disabled:
            button.disabled = True
            button.label = "stopping …"
            self._stop()


class DeleteResult(PageScreen):
    """The result of a delete that did not complete."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(format_outcome(outcome))


def format_outcome(outcome: Outcome) -> list[str]:
    """Return the result of each session that was not deleted, a line each."""
    lines = [f"Delete of {sanitize(outcome.subject)}", "", sanitize(describe_outcome(outcome)), ""]
    lines += [
        f"failed      {sanitize(f'{key.scope}/{key.name}')}  {key.start_time}  {sanitize(why)}"
        for key, why in outcome.failed[:MOST_LISTED]
    ]
    if len(outcome.failed) > MOST_LISTED:
        lines.append(f"… and {len(outcome.failed) - MOST_LISTED:,} more")
    lines += [
        f"not tried   {sanitize(f'{key.scope}/{key.name}')}  {key.start_time}"
        for key in outcome.not_tried[:MOST_LISTED]
    ]
    if len(outcome.not_tried) > MOST_LISTED:
        lines.append(f"… and {len(outcome.not_tried) - MOST_LISTED:,} more")
    rest = [f"{sentence[0].upper()}{sentence[1:]}." for sentence in describe_rest(outcome)]
    if not isinstance(outcome.failure, DeletionJournalError):
        rest.append("The records of all of them are in the journal of deleted records: streamtop journal")
    return [
        *lines,
        "",
        *rest,
        "Close this, look at what the table still lists, and delete again.",
    ]
