"""The help page: every key of a view by purpose, from the registry of actions, and the meaning of the glyphs."""

from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap

from tui.app.actions import Action, Context
from tui.model.gaps.grid import GLYPHS, IMPORTED_GLYPH
from tui.model.text import padded, width
from tui.screens.help_groups import HelpEntry, group_actions
from tui.screens.page import PageScreen
from tui.widgets.gap_lines import MEANINGS

_GLYPHS = (
    *((f"{glyph} {state.value}", MEANINGS[state.value]) for state, glyph in GLYPHS.items() if state is not None),
    (f"{IMPORTED_GLYPH} imported", "a record that was imported; no server accounts for its figures"),
    ("  (blank)", "not running, or not observed"),
    ("– ", "unknown, which is not zero"),
)

_CELLS = 74


def _format_entries(entries: Iterable[tuple[str, str]]) -> list[str]:
    """Return two columns: the entry and its wrapped meaning."""
    entries = list(entries)
    cells = max((width(left) for left, _ in entries), default=0) + 2
    lines = []
    for left, meaning in entries:
        first, *more = wrap(meaning, _CELLS - cells) or [""]
        lines += [f"  {padded(left, cells)}{first}", *(f"  {' ' * cells}{line}" for line in more)]
    return lines


def _format_groups(groups: Mapping[str, Sequence[HelpEntry]]) -> list[str]:
    """Return three columns a group: keys, noun and wrapped meaning. A noun is not repeated."""
    entries = [entry for group in groups.values() for entry in group]
    key_cells = max((width(entry.keys) for entry in entries), default=0) + 1
    noun_cells = max((width(entry.noun) for entry in entries), default=0) + 1
    indent = " " * (key_cells + noun_cells)
    lines: list[str] = []
    for group, members in groups.items():
        lines.append(group)
        noun_before = ""
        for entry in members:
            first, *more = wrap(entry.help, _CELLS - 2 - len(indent)) or [""]
            noun = "" if entry.noun == noun_before else entry.noun
            lines.append(f"  {padded(entry.keys, key_cells)}{padded(noun, noun_cells)}{first}")
            lines += [f"  {indent}{line}" for line in more]
            noun_before = entry.noun
        lines.append("")
    return lines


class HelpScreen(PageScreen):
    """The help page of a view."""

    def __init__(self, context: Context, actions: Sequence[Action], *, read_only: bool) -> None:
        super().__init__(_help_lines(context, actions, read_only), closed_by=("question_mark", "f1"))


def _help_lines(context: Context, actions: Sequence[Action], read_only: bool) -> list[str]:
    return [
        f"Keys in the {context.value} view" + (", read-only: nothing can be deleted" if read_only else ""),
        "",
        *_format_groups(group_actions(action for action in actions if action.keys or action.command)),
        "Provenance of figures and times",
        "",
        *_format_entries(_GLYPHS),
    ]
