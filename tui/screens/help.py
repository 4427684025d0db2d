"""The help page: every key of the place it was asked from, from the registry of actions, and what the glyphs mean."""

from collections.abc import Iterable, Mapping
from textwrap import wrap
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


_CELLS = 72


def _listed(entries: Iterable[tuple[str, str]]) -> list[str]:
    """What stands at the left in a column of its own, its meaning beside it."""
    entries = list(entries)
    cells = max((width(left) for left, _ in entries), default=0) + 2
    lines = []
    for left, meaning in entries:
        first, *more = wrap(meaning, _CELLS - cells) or [""]
        lines += [f"  {padded(left, cells)}{first}", *(f"  {' ' * cells}{line}" for line in more)]
    return lines


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
        actions = available(self._place, read_only=self._read_only, keymap=self._keymap)
        lines += _listed((action.shown, action.help) for action in actions if action.keys)
        lines += ["", "By name, after :", ""]
        lines += _listed(
            (f"{action.command} {action.takes}".rstrip(), action.help) for action in actions if not action.keys
        )
        lines += ["", "How figures and times came", ""]
        lines += _listed(_GLYPHS)
        lines += ["", "esc closes"]
        return Text("\n".join(lines))
