"""The help page: every key of the place it was asked from, from the registry of actions, and what the glyphs mean."""

from collections.abc import Iterable, Mapping
from textwrap import wrap

from tui.app.actions import NO_KEYMAP, Context, available
from tui.model.text import padded, width
from tui.screens.page import PageScreen

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


class HelpScreen(PageScreen):
    def __init__(self, context: Context, *, read_only: bool, keymap: Mapping[str, str] = NO_KEYMAP) -> None:
        super().__init__(_lines(context, read_only, keymap), closed_by=("question_mark", "f1"))


def _lines(context: Context, read_only: bool, keymap: Mapping[str, str]) -> list[str]:
    actions = available(context, read_only=read_only, keymap=keymap)
    return [
        f"Keys in the {context.value} view" + (", read-only: nothing can be deleted" if read_only else ""),
        "",
        *_listed((action.shown, action.help) for action in actions if action.keys),
        "",
        "By name, after :",
        "",
        *_listed((f"{action.command} {action.takes}".rstrip(), action.help) for action in actions if not action.keys),
        "",
        "How figures and times came",
        "",
        *_listed(_GLYPHS),
    ]
