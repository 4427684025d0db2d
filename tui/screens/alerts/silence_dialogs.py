"""The dialogs that begin and end a silence. They send nothing: they are dismissed with what was typed or pressed."""

from datetime import tzinfo

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Static

from tui.app.state import ConsoleState
from tui.model import formats
from tui.screens.dialog import Answer, ConfirmDialog, DialogField
from tui.silencing.plan import (
    DEFAULT_LENGTH,
    EndPlan,
    SilencePlan,
    SilenceRequested,
    WrongLengthError,
    check_reason,
    parse_length,
)


class SilenceDialog(ConfirmDialog[Answer]):
    """A dialog about a plan: its title and lines, and what follows them."""

    def __init__(self, plan: SilencePlan | EndPlan, state: ConsoleState, tz: tzinfo | None) -> None:
        super().__init__()
        self._plan, self._state, self._tz = plan, state, tz
        self._text = ""

    def compose(self) -> ComposeResult:
        """Return the widgets."""
        with Vertical(id="dialog"):
            yield Static(self._plan.title, markup=False, classes="paragraph")
            self._text = self._describe()
            yield Static(self._text, markup=False, id="plan", classes="paragraph")
            yield from self.compose_answers()

    def _describe(self) -> str:
        return "\n".join(self._plan.lines(self._state.now_ms(), self._tz))

    def prepare(self) -> None:
        """Prepare the widgets, and draw the times anew once a second, where they differ."""
        self.set_interval(1, self.update_times)

    def update_times(self) -> None:
        """Draw the times as they are now."""
        if (text := self._describe()) != self._text:
            self._text = text
            self.query_one("#plan", Static).update(text)

    def compose_answers(self) -> ComposeResult:
        """Return the widgets that take the answer."""
        raise NotImplementedError


class ConfirmSilence(SilenceDialog[SilenceRequested | None]):
    """Dismissed with how long and why an alert is silenced, or with `None`. The field for how long has the focus."""

    def compose_answers(self) -> ComposeResult:
        """Return the widgets that take the answer."""
        yield Static("", markup=False, id="until")
        yield DialogField(DEFAULT_LENGTH, id="length")
        yield Static("Why? Others see it in the list of silences:", markup=False)
        yield DialogField(id="reason")
        yield Static("", markup=False, id="refusal", classes="error")
        yield Static("enter: next field, then silence   esc: cancel", markup=False, classes="hint")
        with Horizontal(id="buttons"):
            yield Button("Cancel", id="cancel")
            yield Button("silence", id="go")

    def prepare(self) -> None:
        """Prepare the widgets."""
        super().prepare()
        self.query_one("#refusal").display = False
        self._show_end()
        self.query_one("#length").focus(scroll_visible=False)

    def update_times(self) -> None:
        """Draw the times as they are now."""
        super().update_times()
        self._show_end()

    @on(Input.Changed)
    def _typed(self) -> None:
        self.query_one("#refusal").display = False
        self._show_end()

    def _show_end(self) -> None:
        """Show when the silence would end."""
        try:
            now_ms = self._state.now_ms()
            end = formats.moment(now_ms + parse_length(self.query_one("#length", Input).value), now_ms, self._tz)
        except WrongLengthError:
            end = "…"
        self.query_one("#until", Static).update(f"For how long? 30m, 2h, 1d. Until {end}:")

    @on(Input.Submitted, "#length")
    def _length_submitted(self) -> None:
        if self._length_ms() is not None:
            self.query_one("#reason").focus()

    @on(Input.Submitted, "#reason")
    @on(Button.Pressed, "#go")
    def _confirmed(self) -> None:
        if (length_ms := self._length_ms()) is None:
            return
        reason = self.query_one("#reason", Input).value
        if refusal := check_reason(reason):
            self._refuse(refusal, "#reason")
        else:
            self.dismiss(SilenceRequested(length_ms, reason.strip()))

    def _length_ms(self) -> int | None:
        """Return how long the silence is; where no length is typed, show why and return `None`."""
        try:
            return parse_length(self.query_one("#length", Input).value)
        except WrongLengthError as error:
            self._refuse(str(error), "#length")
            return None

    def _refuse(self, why: str, field: str) -> None:
        refusal = self.query_one("#refusal", Static)
        refusal.update(f"{why} Nothing was silenced.")
        refusal.display = True
        self.query_one(field).focus()
        refusal.scroll_visible(animate=False)


class ConfirmEnd(SilenceDialog[bool | None]):
    """Dismissed with true where the silence is to be ended, else with `None`. Cancel has the focus."""

    def compose_answers(self) -> ComposeResult:
        """Return the widgets that take the answer."""
        yield Static("left right: buttons   enter: press   esc: cancel", markup=False, classes="hint")
        with Horizontal(id="buttons"):
            yield Button("Cancel", id="cancel")
            yield Button("end the silence", id="go")

    def prepare(self) -> None:
        """Prepare the widgets."""
        super().prepare()
        self.query_one("#cancel").focus(scroll_visible=False)

    @on(Button.Pressed, "#go")
    def _confirmed(self) -> None:
        self.dismiss(True)
