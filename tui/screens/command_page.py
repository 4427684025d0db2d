"""The page of commands that can be pasted into a shell. It has no frame at its sides, so that lines can be selected."""

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.screens.page import PageScreen


class CommandPage(PageScreen):
    """Shows commands; `copy` copies the first one to the clipboard."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("Y", "copy", "copy", show=False)]

    def __init__(self, lines: list[str], copy: Callable[[], None]) -> None:
        super().__init__([*lines, "", "Y: copy the first one"], closed_by=("c",))
        self._copy = copy

    def action_copy(self) -> None:
        """Copy the first command, and close the page."""
        self.dismiss()
        self._copy()
