"""Dialogs: screens over a screen, closed once."""

from typing import ClassVar, TypeVar

from textual import on
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Button, Input

from tui.widgets.lines import INK_CLASSES

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """Closes itself and never the screen below: keys arrive faster than screens close, and answers arrive late."""

    COMPONENT_CLASSES: ClassVar[set[str]] = INK_CLASSES
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+z", "app.suspend_process", "suspend", show=False)]

    def prepare(self) -> None:
        """Prepare the widgets."""

    def on_mount(self) -> None:
        """Prepare the widgets, unless the console ends while the dialog opens: then there are none."""
        if self.children:
            self.prepare()

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """Close the dialog with a result, if it is on top."""
        return super().dismiss(result) if self.is_current else AwaitComplete()


class ConfirmDialog(Dialog[Answer]):
    """A dialog with the buttons `#cancel`, which dismisses it with `None`, and `#go`, which it may lack."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", show=False),
        Binding("left,right", "other_button", "other button", show=False),
        Binding("up", "scroll(-1)", "up", show=False),
        Binding("down", "scroll(1)", "down", show=False),
    ]

    _has_shown_focused = True

    def on_resize(self) -> None:
        """Draw for the new size."""
        # The next key goes to what has the focus: it must be visible, however small the terminal is.
        self._has_shown_focused = False
        self.call_after_refresh(self._show_focused)

    def _show_focused(self) -> None:
        if not self._has_shown_focused and self.focused is not None:
            self._has_shown_focused = True
            self.focused.scroll_visible(animate=False, immediate=True)

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines, from where the focus is shown."""
        self._show_focused()  # now, not after the key: it would take the scroll back
        self.query_one("#dialog").scroll_relative(y=lines, animate=False, immediate=True)

    def action_cancel(self) -> None:
        """Close the dialog; nothing is done."""
        self.dismiss(None)

    @on(Button.Pressed, "#cancel")
    def _cancelled(self) -> None:
        self.dismiss(None)

    def action_other_button(self) -> None:
        """Move the focus to the other button, if it can be pressed."""
        go = self.query("#go")
        if isinstance(self.focused, Button) and go and not go.first().disabled:
            self.query_one("#cancel" if self.focused.id == "go" else "#go").focus()


class DialogField(Input):
    """A field of a dialog; its cursor does not blink."""

    def on_mount(self) -> None:
        """Prepare the widget."""
        self.cursor_blink = False
