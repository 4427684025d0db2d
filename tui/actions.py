"""The one registry of actions. Key map, footer, help and read-only mode all derive from it.

Keys that tmux and shells take (ctrl+s, ctrl+q, ctrl+z, ctrl+b, ctrl+a, ctrl+j) are never the only way.
"""

from enum import StrEnum
from typing import NamedTuple

from textual.binding import Binding


class Context(StrEnum):
    """Where an action can be taken; the value is its heading in the help."""

    SESSIONS = "sessions"
    GAPS = "gaps"
    GAP = "gap"
    DAYS = "days"


class Action(NamedTuple):
    name: str
    """The action that a screen carries out, with its arguments."""
    keys: str
    """Textual's names of the keys, with commas between."""
    shown: str
    """How the keys read in footer and help."""
    label: str
    """One or two words for the footer; empty keeps it out of there."""
    help: str
    contexts: tuple[Context, ...]
    dangerous: bool = False


_BOTH = (Context.SESSIONS, Context.GAPS)
_SESSIONS = (Context.SESSIONS,)
_GAPS = (Context.GAPS,)
_GAP = (Context.GAP,)
_DAYS = (Context.DAYS,)
_LISTS = (*_BOTH, Context.DAYS)
_EVERYWHERE = (*_BOTH, Context.GAP, Context.DAYS)

ACTIONS = (
    Action(
        "filter",
        "slash",
        "/",
        "filter",
        "filter: words, scope=live/*, name=cam-?, state=live",
        _SESSIONS,
    ),
    Action("detail", "enter", "⏎", "detail", "everything about the stream under the cursor", _SESSIONS),
    Action("sort", "s", "s", "sort", "sort by the next column", _SESSIONS),
    Action("reverse", "S", "S", "", "turn the order round", _SESSIONS),
    Action("delete_session", "d", "d", "delete", "delete the usage record of this one session", _SESSIONS, True),
    Action("delete_stream", "D", "D", "", "delete every session of this stream", _SESSIONS, True),
    Action("gaps", "g", "g", "gaps", "which time of which server is accounted for, and how", _SESSIONS),
    Action("days", "y", "y", "days", "daily statistics, and what they rest on", (Context.SESSIONS, Context.GAPS)),
    Action("open", "enter", "⏎", "open", "the gap under the cursor in full", _GAPS),
    Action("open", "enter", "⏎", "servers", "the servers of the day under the cursor, and back", _DAYS),
    Action("pan(-1)", "h,left", "h ←", "month before", "the month before", _DAYS),
    Action("pan(1)", "l,right", "l →", "after", "the month after", _DAYS),
    Action("next_gap", "n", "n", "next gap", "to the next gap", (Context.GAPS, Context.GAP)),
    Action("previous_gap", "N", "N", "", "to the gap before", (Context.GAPS, Context.GAP)),
    Action("zoom(1)", "minus", "-", "coarser", "more time: coarser cells, up to a day", _GAPS),
    Action("zoom(-1)", "plus,equals_sign", "+", "finer", "less time: finer cells, down to a minute", _GAPS),
    Action("other_rows", "tab", "tab", "streams", "rows of servers or of streams", _GAPS),
    Action("sort", "s", "s", "", "sort: by name, or what lacks most first", _GAPS),
    Action("filter", "slash", "/", "filter", "only the rows with this in their name", _GAPS),
    Action("pan(-1)", "h,left", "h ←", "", "one cell earlier; the window follows", _GAPS),
    Action("pan(1)", "l,right", "l →", "", "one cell later", _GAPS),
    Action("page(-1)", "H,shift+left", "H", "", "a whole window earlier", _GAPS),
    Action("page(1)", "L,shift+right", "L", "", "a whole window later", _GAPS),
    Action("move(1)", "j,down", "j ↓", "", "down", _LISTS),
    Action("move(-1)", "k,up", "k ↑", "", "up", _LISTS),
    Action("scroll(1)", "j,down", "j ↓", "", "down", _GAP),
    Action("scroll(-1)", "k,up", "k ↑", "", "up", _GAP),
    Action("scroll(15)", "pagedown,space", "PgDn", "", "a page down", _GAP),
    Action("scroll(-15)", "pageup", "PgUp", "", "a page up", _GAP),
    Action("move_page(1)", "pagedown,ctrl+d", "PgDn", "", "a page down", _LISTS),
    Action("move_page(-1)", "pageup,ctrl+u", "PgUp", "", "a page up", _LISTS),
    Action("first", "home", "Home", "", "to the first", _LISTS),
    Action("last", "end,G", "End G", "", "to the last", _LISTS),
    Action("refresh", "r", "r", "", "ask the service now", _EVERYWHERE),
    Action("back", "escape", "esc", "back", "back: out of the detail, the filter, the gap view", _EVERYWHERE),
    Action("help", "question_mark,f1", "?", "help", "this page", _EVERYWHERE),
    Action("quit", "q,ctrl+c", "q", "quit", "leave; nothing is stopped but this console", _EVERYWHERE),
)


def available(context: Context, *, read_only: bool) -> list[Action]:
    """The actions of a context. A read-only console has no dangerous ones at all."""
    return [action for action in ACTIONS if context in action.contexts and not (read_only and action.dangerous)]


def bindings(context: Context) -> list[Binding]:
    """The key map of a screen."""
    return [
        Binding(action.keys, action.name, action.label or action.help, show=False, id=action.name)
        for action in ACTIONS
        if context in action.contexts
    ]


def is_dangerous(name: str) -> bool:
    """Whether an action, named without its arguments, can destroy something."""
    return any(action.dangerous and action.name.partition("(")[0] == name for action in ACTIONS)
