"""The delete dialog, about keys that were frozen when the delete was requested.

The field for the confirmation has the focus; without one, Cancel has it.

Before anything is sent the records are fetched again; the dialog shows what changed, and another press confirms.
"""

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Static

from streamusage.core.usage import UsageRecord
from tui.app.key_priority import Calculation
from tui.app.state import ConsoleState
from tui.deletion import plan as delete_plan
from tui.deletion.flow import ReadRecords, RecordsUnreadableError
from tui.deletion.plan import DeletePlan
from tui.model.text import sanitize
from tui.screens.dialog import ConfirmDialog, DialogField

READING_MS = 700
"""How long a change is shown before a press can confirm it. Presses closer together, as of a held key, are one."""


class ConfirmDelete(ConfirmDialog[list[UsageRecord] | None]):
    """Dismissed with the records to delete, all among the frozen keys, or with `None`.

    `read_records` fetches the records again; it raises `RecordsUnreadableError`.
    """

    def __init__(self, plan: DeletePlan, state: ConsoleState, read_records: ReadRecords) -> None:
        super().__init__()
        self._plan = plan
        self._state = state
        self._read_records = read_records
        self._shown_changes = delete_plan.PlanChanges()
        self._checking = False
        self._change_count = 0
        """How often the records were different when they were fetched again."""
        self._seen_from_ms = 0
        """Since when the changes are shown and nothing was pressed."""

    def compose(self) -> ComposeResult:
        """Return the widgets."""
        plan, state = self._plan, self._state
        dialog = Vertical(id="dialog")
        dialog.border_title = None
        with dialog:
            yield Static(delete_plan.dialog_title(plan), markup=False, classes="paragraph")
            lines = delete_plan.blast_radius(
                plan,
                state.now_ms(),
                state.tz,
                knows_live=state.knows_live,
                lists_without_record=state.servers is None,
                server_is_unseen=bool(state.unseen),
            )
            yield Static("\n".join(lines), markup=False, classes="paragraph")
            yield Static("", markup=False, id="since", classes="since")
            if plan.to_type and not plan.impossible_reason:
                yield Static(plan.typing_prompt, markup=False)
                yield DialogField(id="name")
                yield Static("", markup=False, id="refusal", classes="error")
                yield Static("tab: buttons   esc: cancel", markup=False, classes="hint")
            elif not plan.impossible_reason:
                yield Static("left right: buttons   enter: press   esc: cancel", markup=False, classes="hint")
            with Horizontal(id="buttons"):
                yield Button("Cancel", id="cancel")
                if not plan.impossible_reason:
                    yield Button(delete_plan.button_label(plan), id="go", disabled=bool(plan.to_type))

    def prepare(self) -> None:
        """Prepare the widgets."""
        self.query_one("#since").display = False
        names = self.query("#name")
        if names:
            self.query_one("#refusal").display = False
            names.first().focus(scroll_visible=False)
        else:
            self.query_one("#cancel").focus(scroll_visible=False)

    def _is_confirmed_by(self, typed: str) -> bool:
        # The name as it is drawn is accepted too: not every character of a name can be typed.
        return typed in (self._plan.to_type, sanitize(self._plan.to_type))

    @on(Input.Changed, "#name")
    def _name_typed(self, event: Input.Changed) -> None:
        self.query_one("#go", Button).disabled = not self._is_confirmed_by(event.value)
        self.query_one("#refusal").display = False

    @on(Input.Submitted, "#name")
    def _name_submitted(self, event: Input.Submitted) -> None:
        if self._is_confirmed_by(event.value):
            self.query_one("#go", Button).focus()
            return
        expected = sanitize(self._plan.to_type)
        refusal = self.query_one("#refusal", Static)
        refusal.update(_describe_difference(event.value, expected))
        refusal.display = True
        refusal.scroll_visible(animate=False)

    @on(Button.Pressed, "#go")
    def _confirmed(self) -> None:
        if self._state.is_read_only():
            self._show_lines(["Nothing was deleted: this console is read-only again."])
        elif not self._checking and self._has_seen_changes():
            self._checking = True
            self.run_worker(self._check_and_dismiss(), exclusive=True, exit_on_error=False)

    def _has_seen_changes(self) -> bool:
        """Return whether the operator had time to read what changed: a press in a hurry confirms nothing new."""
        now_ms = self._state.clock.elapsed_ms()
        seen_for_ms, self._seen_from_ms = now_ms - self._seen_from_ms, now_ms
        return not self._change_count or seen_for_ms >= READING_MS

    async def _check_and_dismiss(self) -> None:
        """Fetch the records again; close the dialog if nothing differs from what it showed last."""
        plan = self._plan
        try:
            records = await self._read_records(plan)
            changes, chosen = await Calculation(delete_plan.comparison_steps(plan, records)).run()
        except RecordsUnreadableError as error:
            self._show_lines([f"Nothing was deleted. {sanitize(str(error))}"])
            return
        finally:
            self._checking = False
        if changes != self._shown_changes:
            self._shown_changes = changes
            self._change_count += 1
            self._seen_from_ms = self._state.clock.elapsed_ms()
            times = f" It changed {self._change_count} times by now." if self._change_count > 1 else ""
            prompt = f"Press again to confirm.{times}" if chosen else "Nothing is left to delete."
            self._show_lines([changes.describe() or "The change was undone.", prompt])
            self.query_one("#go", Button).disabled = not chosen
            return
        self.dismiss(chosen)

    def _show_lines(self, lines: list[str]) -> None:
        since = self.query_one("#since", Static)
        since.update("\n".join(lines))
        since.display = True


def _describe_difference(typed: str, expected: str) -> str:
    """Return why a text does not confirm the delete."""
    if not typed:
        return f"Nothing is typed; nothing was deleted. Type {expected} in full."
    if typed.strip() == expected:
        return "There is a blank before or after it; nothing was deleted."
    if typed.casefold() == expected.casefold():
        return "Upper and lower case differ; nothing was deleted."
    if expected.startswith(typed):
        return f"The end is missing ({expected[len(typed) :]}); nothing was deleted."
    return f"{sanitize(typed)} is not {expected}; nothing was deleted."
