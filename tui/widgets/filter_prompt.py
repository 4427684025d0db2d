"""The line in which a filter is typed. The table follows every key; esc gives back what was there before."""

from dataclasses import dataclass

from textual.binding import Binding
from textual.message import Message
from textual.widgets import Input


class FilterPrompt(Input):
    BINDINGS = [Binding("escape", "give_up", "clear", show=False)]  # noqa: RUF012

    @dataclass
    class GivenUp(Message):
        """The filter is to be cleared and the prompt to go."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(placeholder="words, scope=live/*, name=cam-?, state=live", id=id, compact=True)
        self.cursor_blink = False

    def action_give_up(self) -> None:
        self.post_message(self.GivenUp())
