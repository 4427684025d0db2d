"""While many sessions are deleted: how far it is, and a way to stop; afterwards what came of each.

What was deleted before a stop stays deleted; it is in the journal.
"""

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from tui.deletion.execute import Outcome, in_words
from tui.model.text import safe
from tui.screens.dialog import Dialog
from tui.screens.page import PageScreen

_BAR_CELLS = 60
MOST_LISTED = 200
"""Failures that are listed one by one."""


class DeleteProgress(Dialog[None]):
    """`stop` is called once, by the button or by esc; the screen goes when the delete is over."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "stop", "stop", show=False)]

    def __init__(self, what: str, of: int, stop: Callable[[], None]) -> None:
        super().__init__()
        self._what, self._of, self._stop = what, of, stop

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(f"Deleting {safe(self._what)}", markup=False, classes="told")
            yield Static("", markup=False, id="bar", classes="told")
            with Horizontal(id="buttons"):
                yield Button("Stop", id="stop")

    def on_mount(self) -> None:
        self.done(0)

    def done(self, number: int) -> None:
        """Draws how many are done."""
        full = _BAR_CELLS * number // max(1, self._of)
        bar = "█" * full + "·" * (_BAR_CELLS - full)
        # Not there any more where the console is left in the middle of it.
        for drawn in self.query("#bar").results(Static):
            drawn.update(f"{bar}\n{number:,} of {self._of:,}")

    @on(Button.Pressed, "#stop")
    def action_stop(self) -> None:
        button = self.query_one("#stop", Button)
        if not button.disabled:
            button.disabled = True
            button.label = "stopping …"
            self._stop()


class DeleteResult(PageScreen):
    """What became of a delete that did not go through whole."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(lines(outcome))


def lines(outcome: Outcome) -> list[str]:
    """What the result screen says."""
    told = [f"Delete of {safe(outcome.what)}", "", safe(in_words(outcome)), ""]
    for key, why in outcome.failed[:MOST_LISTED]:
        told.append(f"failed      {safe(f'{key.scope}/{key.name}')}  {key.start_time}  {safe(why)}")
    if len(outcome.failed) > MOST_LISTED:
        told.append(f"… and {len(outcome.failed) - MOST_LISTED:,} more")
    for key in outcome.not_tried[:MOST_LISTED]:
        told.append(f"not tried   {safe(f'{key.scope}/{key.name}')}  {key.start_time}")
    if len(outcome.not_tried) > MOST_LISTED:
        told.append(f"… and {len(outcome.not_tried) - MOST_LISTED:,} more")
    return [*told, "", "All of them are in the journal of deleted records: streamtop journal"]
