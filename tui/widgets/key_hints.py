"""The last line in places that have keys of their own: a prompt, the detail, a dialog. Pure."""

from collections.abc import Sequence

from tui.app.actions import Action
from tui.display.ascii import key_name
from tui.model.text import width
from tui.widgets.lines import Part

Hint = tuple[str, str]
"""The key as it is shown, and one or two words for what it does."""

FILTER_HINTS: Sequence[Hint] = (("⏎", "keep the filter"), ("esc", "remove it"), ("↑ ↓", "earlier filters"))
NAME_FILTER_HINTS: Sequence[Hint] = FILTER_HINTS[:2]
PICKER_HINTS: Sequence[Hint] = (("enter", "choose"), ("tab", "complete"), ("up down", "move"), ("esc", "close"))
EMPTY_PICKER_HINTS: Sequence[Hint] = (("esc", "close"),)

_DETAIL_LABELS = {
    "move(1)": "next stream",
    "raw_record": "record",
    "command": "command",
    "copy": "copy",
    "delete_session": "delete",
}
"""The actions that are most useful in the detail, with their labels there."""


def hint_parts(hints: Sequence[Hint], cells: int, *, unicode: bool = True) -> list[Part]:
    """Return as many hints as fit as a whole."""
    parts: list[Part] = [(" ", "")]
    room = cells + 1  # the last one needs no blanks after it
    for shown, label in hints:
        key = shown if unicode else key_name(shown)
        size = width(f"{key} {label}  ")
        if size <= room:
            parts += [(key, "strong"), (f" {label}  ", "quiet")]
            room -= size
    return parts


def actions_in_detail(actions: Sequence[Action]) -> list[Action]:
    """Return the actions in the order of their use while the detail is open, with their labels there."""
    by_name = {action.name: action for action in actions}
    first = [by_name[name]._replace(label=label) for name, label in _DETAIL_LABELS.items() if name in by_name]
    return [*first, *(action for action in actions if action.name not in _DETAIL_LABELS)]
