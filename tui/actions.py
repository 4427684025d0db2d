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

ACTIONS = (
    Action(
        "filter",
        "slash",
        "/",
        "filter",
        "filter: cam state=live active>10k age<2h scope=live/* (a or b) not c name~^x; ↑ ↓ for earlier ones",
        _SESSIONS,
    ),
    Action("detail", "enter", "⏎", "detail", "everything about the stream under the cursor", _SESSIONS),
    Action("sort", "s", "s", "sort", "sort by the next column", _SESSIONS),
    Action("reverse", "S", "S", "", "turn the order round", _SESSIONS),
    Action("delete_session", "d", "d", "delete", "delete the usage record of this one session", _SESSIONS, True),
    Action("delete_stream", "D", "D", "", "delete every session of this stream", _SESSIONS, True),
    Action("gaps", "g", "g", "gaps", "which time of which server is accounted for, and how", _SESSIONS),
    Action("next_gap", "n", "n", "next gap", "to the next gap", _GAPS),
    Action("previous_gap", "N", "N", "previous", "to the gap before", _GAPS),
    Action("pan(-1)", "h,left", "h ←", "earlier", "one cell earlier; the window follows", _GAPS),
    Action("pan(1)", "l,right", "l →", "later", "one cell later", _GAPS),
    Action("page(-1)", "H,shift+left", "H", "", "a whole window earlier", _GAPS),
    Action("page(1)", "L,shift+right", "L", "", "a whole window later", _GAPS),
    Action("move(1)", "j,down", "j ↓", "", "down", _BOTH),
    Action("move(-1)", "k,up", "k ↑", "", "up", _BOTH),
    Action("move_page(1)", "pagedown,ctrl+d", "PgDn", "", "a page down", _BOTH),
    Action("move_page(-1)", "pageup,ctrl+u", "PgUp", "", "a page up", _BOTH),
    Action("first", "home", "Home", "", "to the first", _BOTH),
    Action("last", "end,G", "End G", "", "to the last", _BOTH),
    Action("refresh", "r", "r", "", "ask the service now", _BOTH),
    Action("back", "escape", "esc", "back", "back: out of the detail, the filter, the gap view", _BOTH),
    Action("help", "question_mark,f1", "?", "help", "this page", _BOTH),
    Action("quit", "q,ctrl+c", "q", "quit", "leave; nothing is stopped but this console", _BOTH),
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
