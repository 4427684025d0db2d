"""The help page: every key of the place it was asked from, from the registry of actions, and what the glyphs mean."""

from collections.abc import Mapping
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.actions import NO_KEYMAP, Context, available
from tui.model.text import padded, width

_GLYPHS = (
    ("█ live", "seen as it happened"),
    ("▒ backfilled", "filled in after an outage, from what the agent had counted"),
    ("▄ partial", "some of it is covered; figures are lower bounds"),
    ("· missing", "nothing has come yet; the server still owes it"),
    ("× lost", "it can never come"),
    ("? held", "a report came that could not be accepted; an operator must look"),
    ("  (blank)", "not running, or nobody looked"),
    ("– ", "not known, which is not a zero"),
)


class HelpScreen(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter,f1", "dismiss", "close", show=False),
        Binding("j,down", "scroll(1)", "down", show=False),
        Binding("k,up", "scroll(-1)", "up", show=False),
    ]

    def __init__(self, context: Context, *, read_only: bool, keymap: Mapping[str, str] = NO_KEYMAP) -> None:
        super().__init__()
        self._keymap = keymap
        self._place = context
        self._read_only = read_only

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield Static(self._text(), markup=False)

    def action_scroll(self, lines: int) -> None:
        self.query_one("#help").scroll_relative(y=lines, animate=False)

    def _text(self) -> Text:
        lines = [
            f"Keys in the {self._place.value} view" + (", read-only: nothing can be deleted" if self._read_only else "")
        ]
        lines.append("")
        for action in available(self._place, read_only=self._read_only, keymap=self._keymap):
            shown = action.shown if action.keys else f":{action.command}"
            lines.append(f"  {padded(shown, 8) if width(shown) < 8 else shown + '  '}{action.help}")
        lines += ["", "How figures and times came", ""]
        lines += [f"  {padded(glyph, 14)}{meaning}" for glyph, meaning in _GLYPHS]
        lines += ["", "esc closes"]
        return Text("\n".join(lines))
