"""The prompt in which a filter is typed.

The table follows every key that completes a valid filter; until then the last valid one stays.
"""

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

KEPT = 50
"""Filters that are kept in the history."""
INDENT = 1
"""Cells before the text in the prompt."""


class FilterPrompt(Input):
    """An input with a history of filters."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "give_up", "clear", show=False),
        Binding("up", "earlier(1)", "earlier filter", show=False),
        Binding("down", "earlier(-1)", "later filter", show=False),
    ]

    @dataclass
    class GivenUp(Message):
        """The filter is to be cleared and the prompt closed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            placeholder="cam state=live active>10k age<2h scope=live/* (a or b) not c", id=id, compact=True
        )
        self.cursor_blink = False
        self.history: list[str] = []
        """The filters that were used, the newest last."""
        self._back = 0

    def open(self, text: str) -> None:
        """Set the text; the history begins at its newest filter."""
        self._back = 0
        self.value = text
        self.cursor_position = len(text)

    def remember(self, text: str) -> None:
        """Append a filter to the history."""
        text = text.strip()
        if text:
            self.history = [*(known for known in self.history if known != text), text][-KEPT:]

    def action_give_up(self) -> None:
        """Clear the filter and close the prompt."""
        self.post_message(self.GivenUp())

    def action_earlier(self, steps: int) -> None:
        """Show an earlier filter, or a later one (below zero)."""
        back = min(len(self.history), max(0, self._back + steps))
        if back != self._back:
            self._back = back
            self.value = self.history[-back] if back else ""
            self.cursor_position = len(self.value)
