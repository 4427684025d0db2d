"""The delete dialog. It is answered about keys that were frozen when it was asked for; Cancel has the focus.

Before anything is sent the records are read again; what changed since is said, and going on takes another press.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Static

from streamusage.client.errors import UsageApiError
from streamusage.core.usage import PartialUsageRecord, UsageRecord
from tui.app.state import ConsoleState
from tui.deletion import plan as delete_plan
from tui.deletion.plan import DeletePlan, Radius
from tui.model.text import safe
from tui.screens.dialog import Dialog

if TYPE_CHECKING:
    from tui.app.console_app import ConsoleApp


MOST_ASKED_ONE_BY_ONE = 20
"""Streams that are read again each by itself; of more, everything is."""


class ConfirmDelete(Dialog[list[UsageRecord] | None]):
    """Gives the records to delete, all of them among the frozen keys, or `None`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", show=False),
        Binding("left,right", "other_button", "other button", show=False),
        Binding("up", "scroll(-1)", "up", show=False),
        Binding("down", "scroll(1)", "down", show=False),
    ]

    def __init__(self, plan: DeletePlan, state: ConsoleState) -> None:
        super().__init__()
        self._plan = plan
        self._state = state
        self._told = delete_plan.Since()
        self._checking = False
        self._changes = 0
        """How often something was different when it was read again."""

    def compose(self) -> ComposeResult:
        plan, state = self._plan, self._state
        dialog = Vertical(id="dialog")
        dialog.border_title = None
        with dialog:
            yield Static(delete_plan.title(plan), markup=False, classes="told")
            lines = delete_plan.blast_radius(plan, state.now_ms(), state.tz)
            yield Static("\n".join(lines), markup=False, classes="told")
            yield Static("", markup=False, id="since", classes="since")
            if plan.to_type and not plan.cannot:
                yield Static(plan.asks_to_type, markup=False)
                yield _NameInput(id="name", compact=True)
            with Horizontal(id="buttons"):
                yield Button("Cancel", id="cancel")
                if not plan.cannot:
                    yield Button(delete_plan.button(plan), id="go", disabled=bool(plan.to_type))

    def on_mount(self) -> None:
        self.query_one("#since").display = False
        self.query_one("#cancel").focus()

    def on_resize(self) -> None:
        # What has the focus is what the next key goes to: it is in sight, however small the terminal is.
        self.call_after_refresh(self._show_focused)

    def _show_focused(self) -> None:
        if self.focused is not None:
            self.focused.scroll_visible(animate=False)

    def action_scroll(self, lines: int) -> None:
        self.query_one("#dialog").scroll_relative(y=lines, animate=False)

    def action_cancel(self) -> None:
        self.dismiss(None)

    def action_other_button(self) -> None:
        go = self.query("#go")
        if isinstance(self.focused, Button) and go and not go.first().disabled:
            self.query_one("#cancel" if self.focused.id == "go" else "#go").focus()

    @on(Button.Pressed, "#cancel")
    def _cancelled(self) -> None:
        self.dismiss(None)

    @on(Input.Changed, "#name")
    def _name_typed(self, event: Input.Changed) -> None:
        wanted = self._plan.to_type
        # The name as it is drawn counts too: not every character of a name can be typed.
        right = event.value in (wanted, safe(wanted))
        self.query_one("#go", Button).disabled = not right

    @on(Input.Submitted, "#name")
    def _name_submitted(self) -> None:
        go = self.query_one("#go", Button)
        if not go.disabled:
            go.focus()

    @on(Button.Pressed, "#go")
    def _go(self) -> None:
        if self._state.is_read_only():
            self._say(["Nothing was deleted: this console is read-only again."])
        elif not self._checking:
            self._checking = True
            self.run_worker(self._check_and_go(), exclusive=True, exit_on_error=False)

    async def _check_and_go(self) -> None:
        """Reads the stream's records again; goes on if nothing is different from what was last said."""
        plan = self._plan
        try:
            records = await self._read_again()
        except (UsageApiError, ValueError) as error:
            self._say([f"Nothing was deleted. {safe(str(error))}"])
            return
        finally:
            self._checking = False
        since = delete_plan.since_asked(plan, records)
        keys = set(plan.keys)
        chosen = [record for record in records if record.key in keys and isinstance(record, UsageRecord)]
        if since != self._told:
            self._told = since
            self._changes += 1
            times = f" It changed {self._changes} times by now." if self._changes > 1 else ""
            on = f"Press again to go on.{times}" if chosen else "Nothing is left to delete."
            self._say([since.in_words() or "What had changed is as it was.", on])
            self.query_one("#go", Button).disabled = not chosen
            return
        self.dismiss(chosen)

    async def _read_again(self) -> list[PartialUsageRecord]:
        client, streams = cast("ConsoleApp", self.app).client, self._plan.streams
        if len(streams) > MOST_ASKED_ONE_BY_ONE or self._plan.radius is Radius.EVERYTHING:
            return await client.usage()
        return [record for stream in streams for record in await client.usage_of(stream)]

    def _say(self, lines: list[str]) -> None:
        since = self.query_one("#since", Static)
        since.update("\n".join(lines))
        since.display = True


class _NameInput(Input):
    """An input whose cursor rests."""

    def on_mount(self) -> None:
        self.cursor_blink = False
