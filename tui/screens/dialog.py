"""Dialogs: screens over a screen, closed once."""

from typing import ClassVar, TypeVar

from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from tui.widgets.lines import INK_CLASSES

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """Closes itself and never the screen below: keys arrive faster than screens close, and answers arrive late."""

    COMPONENT_CLASSES: ClassVar[set[str]] = INK_CLASSES
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+z", "app.suspend_process", "suspend", show=False)]

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """Close the dialog with a result, if it is on top."""
        return super().dismiss(result) if self.is_current else AwaitComplete()
