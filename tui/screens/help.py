"""The help page: every key of a view, from the registry of actions, and the meaning of the glyphs."""

from collections.abc import Iterable, Sequence
from textwrap import wrap

from tui.app.actions import Action, Context
from tui.model.gaps.grid import GLYPHS, IMPORTED_GLYPH
from tui.model.text import padded, width
from tui.screens.page import PageScreen
from tui.widgets.gap_lines import MEANINGS

_GLYPHS = (
    *((f"{glyph} {state.value}", MEANINGS[state.value]) for state, glyph in GLYPHS.items() if state is not None),
    (f"{IMPORTED_GLYPH} imported", "a record that was imported; no server accounts for its figures"),
    ("  (blank)", "not running, or not observed"),
    ("– ", "unknown, which is not zero"),
)

_CELLS = 72


def _format_entries(entries: Iterable[tuple[str, str]]) -> list[str]:
    """Return two columns: the entry and its wrapped meaning."""
    entries = list(entries)
    cells = max((width(left) for left, _ in entries), default=0) + 2
    lines = []
    for left, meaning in entries:
        first, *more = wrap(meaning, _CELLS - cells) or [""]
        lines += [f"  {padded(left, cells)}{first}", *(f"  {' ' * cells}{line}" for line in more)]
    return lines


class HelpScreen(PageScreen):
    """The help page of a view."""

    def __init__(self, context: Context, actions: Sequence[Action], *, read_only: bool) -> None:
        super().__init__(_help_lines(context, actions, read_only), closed_by=("question_mark", "f1"))


def _help_lines(context: Context, actions: Sequence[Action], read_only: bool) -> list[str]:
    return [
        f"Keys in the {context.value} view" + (", read-only: nothing can be deleted" if read_only else ""),
        "",
        *_format_entries((action.shown, action.help) for action in actions if action.keys),
        "",
        "By name, after :",
        "",
        *_format_entries(
            (f"{action.command} {action.takes}".rstrip(), action.help)
            for action in actions
            if action.command and not action.keys
        ),
        "",
        "Provenance of figures and times",
        "",
        *_format_entries(_GLYPHS),
    ]
