"""The registry of views and actions, from which key map, footer, help, palette and read-only mode derive.

Keys that tmux and shells use (ctrl+s, ctrl+q, ctrl+z, ctrl+b, ctrl+a, ctrl+j) are never the only way.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from textual.binding import Binding
from textual.keys import format_key

from tui.display.ascii import key_name


class Context(StrEnum):
    """A view in which an action is available; the value is its heading in the help."""

    SESSIONS = "sessions"
    GAPS = "gaps"
    GAP = "gap"
    DAYS = "days"
    SERVERS = "servers"
    ALERTS = "alerts"


VIEWS = {
    Context.GAPS: "tui.screens.gaps:GapsScreen",
    Context.DAYS: "tui.screens.days:DaysScreen",
    Context.SERVERS: "tui.screens.servers:ServersScreen",
    Context.ALERTS: "tui.screens.alerts.alerts:AlertsScreen",
}
"""Module and class of each view that an action opens. The module is imported when the view is opened first."""


class Action(NamedTuple):
    """An action with its keys and texts."""

    name: str
    """The action of the screen, with its arguments."""
    keys: str
    """Textual's names of the keys, separated by commas."""
    shown: str
    """The keys as footer and help show them."""
    label: str
    """One or two words for the footer; empty leaves it out."""
    help: str
    contexts: tuple[Context, ...]
    dangerous: bool = False
    command: str = ""
    """What is typed for it in the palette; empty leaves it out."""
    takes: str = ""
    """Name of the argument that may follow the command."""
    needs_service: bool = False
    """Whether it is left out where a recording is played, as all dangerous actions are."""
    opens: Context | None = None
    """The view of `VIEWS` that it opens."""

    @property
    def call(self) -> str:
        """The action as the screen runs it."""
        return self.name if self.opens is None else f"open_view({self.opens.value!r})"


_ALL = tuple(Context)
_SESSIONS = (Context.SESSIONS,)
_GAPS = (Context.GAPS,)
_GAP = (Context.GAP,)
_DAYS = (Context.DAYS,)
_SERVERS = (Context.SERVERS,)
_ALERTS = (Context.ALERTS,)
_NOT_ALERTS = tuple(context for context in Context if context is not Context.ALERTS)
_NOT_GAPS = tuple(context for context in Context if context is not Context.GAPS)

ACTIONS = (
    Action(
        "filter",
        "slash",
        "/",
        "filter",
        "filter: cam state=live active>10k age<2h scope=live/* (a or b) not c name~^x; ↑ ↓ for earlier ones",
        _SESSIONS,
        command="filter",
    ),
    Action("detail", "enter", "⏎", "detail", "details of the stream under the cursor", _SESSIONS),
    Action("mark", "space", "space", "mark", "mark or unmark this session", _SESSIONS),
    Action("mark_range(1)", "shift+down", "⇧↓", "", "mark from here down", _SESSIONS),
    Action("mark_range(-1)", "shift+up", "⇧↑", "", "mark from here up", _SESSIONS),
    Action("mark_shown", "", "", "", "mark all shown sessions", _SESSIONS, command="mark shown"),
    Action("clear_marks", "", "", "", "remove all marks", _SESSIONS, command="clear marks"),
    Action(
        "delete_session",
        "d",
        "d",
        "delete",
        "delete the usage record of this one session, or of the marked ones",
        _SESSIONS,
        True,
        command="delete",
    ),
    Action(
        "delete_stream", "D", "D", "", "delete every session of this stream", _SESSIONS, True, command="delete stream"
    ),
    Action("delete_everything", "", "", "", "delete every usage record", _SESSIONS, True, command="delete everything"),
    Action("undo", "u", "u", "", "restore the records of the last delete", _SESSIONS, True, command="undo"),
    Action(
        "journal",
        "",
        "",
        "",
        "the records deleted from this machine; restore them",
        _SESSIONS,
        command="journal",
        needs_service=True,
    ),
    Action(
        "gaps",
        "g",
        "g",
        "gaps",
        "coverage of each server: live, backfilled, missing, lost",
        _SESSIONS,
        command="gaps",
        opens=Context.GAPS,
    ),
    Action(
        "servers",
        "s",
        "s",
        "servers",
        "the servers: state, and what each owes",
        (Context.SESSIONS, Context.GAPS),
        command="servers",
        opens=Context.SERVERS,
    ),
    Action(
        "alerts",
        "a",
        "a",
        "",
        "alerts of the service, and failed deliveries",
        _NOT_ALERTS,
        command="alerts",
        opens=Context.ALERTS,
    ),
    Action(
        "silence",
        "s",
        "s",
        "silence",
        "keep back the messages about the alert under the cursor, for a time",
        _ALERTS,
        True,
        command="silence",
    ),
    Action(
        "end_silence",
        "e",
        "e",
        "end silence",
        "end the silence under the cursor, or that of the alert",
        _ALERTS,
        True,
        command="end silence",
    ),
    Action("sort_next", "o", "o", "sort", "sort by the next column", _SESSIONS),
    Action("reverse", "O", "O", "", "reverse the order", _SESSIONS, command="reverse"),
    Action("sort", "S", "S", "", "pick the column to sort by", _SESSIONS, command="sort", takes="COLUMN"),
    Action("columns", "C", "C", "", "choose columns and their order", _SESSIONS, command="columns"),
    Action("density", "z", "z", "", "density of the columns: auto, dense, roomy", _SESSIONS, command="density"),
    Action("group", "t", "t", "", "group by scope, or ungroup", _SESSIONS, command="group by scope"),
    Action("raw_record", "J", "J", "", "the record as the service sends it", _SESSIONS, command="raw record"),
    Action(
        "command",
        "c",
        "c",
        "",
        "a shell command that fetches it, without the token",
        _SESSIONS,
        command="shell command",
    ),
    Action("copy", "Y", "Y", "", "copy record, table or command", _SESSIONS, command="copy", takes="WHAT"),
    Action(
        "export",
        "E",
        "E",
        "",
        "write what is shown to a file, .csv or .json",
        _SESSIONS,
        command="export",
        takes="FILE",
    ),
    Action("bundle", "B", "B", "", "an incident bundle in one archive", _ALL, command="bundle", takes="FILE"),
    Action("screenshot", "", "", "", "the screen as an SVG file", _ALL, command="screenshot", takes="FILE"),
    Action("audience", "A", "A", "", "show or hide the audience of the last hour", _ALL, command="audience"),
    Action("pause", "p", "p", "", "pause or resume the table", _ALL, command="pause"),
    Action("step(-1)", "comma", ",", "", "the table as it was one poll before", _SESSIONS),
    Action("step(1)", "full_stop", ".", "", "one poll later", _SESSIONS),
    Action("live", "0", "0", "", "back to live", _SESSIONS, command="live"),
    Action("jump", "", "", "", "the table as it was: 3m, 90s ago, or 12:40", _SESSIONS, command="jump", takes="TIME"),
    Action("interval(1)", "plus", "+", "", "poll more often", _NOT_GAPS),
    Action("interval(-1)", "minus", "-", "", "poll less often", _NOT_GAPS),
    Action(
        "latency", "L", "L", "", "where the time of a poll goes", (Context.SESSIONS, Context.SERVERS), command="latency"
    ),
    Action(
        "arm", "", "", "", "lift read-only for a time such as 5m", _ALL, command="arm", takes="TIME", needs_service=True
    ),
    Action("theme", "", "", "", "choose a theme", _ALL, command="theme", takes="NAME"),
    Action("profile", "P", "P", "", "choose another service", _ALL, command="profile", takes="NAME"),
    Action(
        "services",
        "",
        "",
        "",
        "all services of config.toml in one table, or one",
        _ALL,
        command="services",
        takes="all",
    ),
    Action("open", "enter,g", "⏎", "gaps", "the gap view, at this server", _SERVERS),
    Action(
        "days",
        "y",
        "y",
        "days",
        "daily statistics and their coverage",
        (Context.SESSIONS, Context.GAPS, Context.SERVERS),
        command="days",
        opens=Context.DAYS,
    ),
    Action("open", "enter", "⏎", "open", "details of the gap under the cursor", _GAPS),
    Action(
        "open", "enter", "⏎", "day", "the servers of the day under the cursor, and back; the page of a group", _DAYS
    ),
    Action(
        "reconciled",
        "R",
        "R",
        "compared",
        "comparisons of this row with outside accounts, kept by streamtop reconcile",
        _DAYS,
        command="reconciled",
    ),
    Action(
        "next_group(1)",
        "tab",
        "tab",
        "group",
        "next: servers, streams, scopes, customers; esc abandons what is being read",
        _DAYS,
        command="next group",
    ),
    Action("next_group(-1)", "shift+tab", "⇧tab", "", "the group before", _DAYS),
    Action("filter", "slash", "/", "", "only streams, scopes or customers whose name contains a text", _DAYS),
    Action("order", "o", "o", "", "order of the groups: by name, or most traffic out first", _DAYS, command="order"),
    Action("pan(-1)", "h,left", "h ←", "month", "the previous month", _DAYS),
    Action("pan(1)", "l,right", "l →", "next", "the next month", _DAYS),
    Action("next_gap", "n", "n", "next gap", "the next gap", (Context.GAPS, Context.GAP)),
    Action("previous_gap", "N", "N", "", "the previous gap", (Context.GAPS, Context.GAP)),
    Action("zoom(1)", "minus", "-", "coarser", "more time: coarser cells, up to a day", _GAPS),
    Action("zoom(-1)", "plus,equals_sign", "+", "finer", "less time: finer cells, down to a minute", _GAPS),
    Action("other_rows", "tab", "tab", "streams", "switch between servers and streams", _GAPS, command="streams"),
    Action("order", "o", "o", "", "order: by name, or most missing first", _GAPS, command="order"),
    Action("filter", "slash", "/", "filter", "only rows whose name contains a text", _GAPS, command="filter"),
    Action("pan(-1)", "h,left", "h ←", "", "one cell earlier; the window follows", _GAPS),
    Action("pan(1)", "l,right", "l →", "", "one cell later", _GAPS),
    Action("page(-1)", "H,shift+left", "H", "", "a whole window earlier", _GAPS),
    Action("page(1)", "L,shift+right", "L", "", "a whole window later", _GAPS),
    Action("move(1)", "j,down", "j ↓", "", "down", _ALL),
    Action("move(-1)", "k,up", "k ↑", "", "up", _ALL),
    Action("move_page(1)", "pagedown,ctrl+d", "PgDn", "", "a page down", _ALL),
    Action("move_page(-1)", "pageup,ctrl+u", "PgUp", "", "a page up", _ALL),
    Action("first", "home", "Home", "", "the first row", _ALL),
    Action("last", "end,G", "End G", "", "the last row", _ALL),
    Action("refresh", "r", "r", "", "poll the service now", _ALL, command="refresh"),
    Action("app.suspend_process", "", "ctrl+z", "", "suspend the console; fg continues it", _ALL, command="suspend"),
    Action("failure", "", "", "", "why the last poll failed, and what to do", _ALL, command="error"),
    Action("repaint", "", "ctrl+l", "", "draw the whole screen again", _ALL, command="repaint"),
    Action("palette", "colon,ctrl+p", ":", "", "all commands by name", _ALL),
    Action(
        "back", "escape", "esc", "back", "back: close the detail, remove marks, clear the filter, close the view", _ALL
    ),
    Action("help", "question_mark,f1", "?", "help", "this page", _ALL, command="help"),
    Action("quit", "q,ctrl+c", "q", "quit", "quit the console; servers and agents keep running", _ALL, command="quit"),
)

NO_KEYMAP: Mapping[str, str] = {}


def available(
    context: Context,
    *,
    read_only: bool,
    keymap: Mapping[str, str] = NO_KEYMAP,
    unicode: bool = True,
    has_service: bool = True,
) -> list[Action]:
    """Return the actions of a context under the user's keys; without the dangerous ones if `read_only`.

    Without a service those that need one are left out. Without `unicode`, keys are shown by name where others have a
    sign.
    """
    actions = [
        action
        for action in _with_keys([action for action in ACTIONS if context in action.contexts], keymap)
        if not (action.dangerous and (read_only or not has_service)) and not (action.needs_service and not has_service)
    ]
    return actions if unicode else [action._replace(shown=key_name(action.shown)) for action in actions]


def _with_keys(actions: Sequence[Action], keymap: Mapping[str, str]) -> Iterator[Action]:
    """Yield the actions of one context under the user's keys, which take the defaults of other actions."""
    taken = {key for action in actions if action.name in keymap for key in _keys(keymap[action.name])}
    for action in actions:
        default = _keys(action.keys)
        keys = _keys(keymap[action.name]) if action.name in keymap else [key for key in default if key not in taken]
        if keys != default:
            action = action._replace(keys=",".join(keys), shown=" ".join(map(display_key, keys)))
        yield action


def with_keys(action: Action, keymap: Mapping[str, str], context: Context | None = None) -> Action:
    """Return the action under the keys of a user's key map, as in a context; by default the first of its contexts."""
    context = context or action.contexts[0]
    actions = [other for other in ACTIONS if context in other.contexts]
    return list(_with_keys(actions, keymap))[actions.index(action)]


def _keys(keys: str) -> list[str]:
    return [key for key in map(str.strip, keys.split(",")) if key]


def explain_command(typed: str, context: Context, *, read_only: bool, no_service_reason: str) -> str:
    """Return why a command that exists cannot be run in a context; empty for an unknown one."""
    text = " ".join(typed.casefold().split())
    named = [
        action
        for action in ACTIONS
        if action.command and (text == action.command or (action.takes and text.startswith(f"{action.command} ")))
    ]
    if not named:
        return ""
    here = next((action for action in named if context in action.contexts), None)
    if here is None:
        views = dict.fromkeys(view.value for action in named for view in action.contexts)
        return f"{named[0].command}: only in the view {' or '.join(views)}"
    if no_service_reason and (here.dangerous or here.needs_service):
        return f"{here.command}: {no_service_reason}"
    return f"{here.command}: this console is read-only; :arm 5m lifts that" if here.dangerous and read_only else ""


def alt_characters(keymap: Mapping[str, str]) -> set[str]:
    """Return the characters whose keys with Alt a user's key map assigns: `alt+x` and `alt+shift+x` are x and X."""
    keys = (key.strip() for assigned in keymap.values() for key in assigned.split(","))
    pressed = [key.removeprefix("alt+") for key in keys if key.startswith("alt+")]
    return {key.removeprefix("shift+").upper() if key.startswith("shift+") else key for key in pressed}


def display_key(key: str) -> str:
    """Return a key as it is shown: `ctrl+g`, `/`."""
    return format_key(key.strip())


def find_keymap_error(keymap: Mapping[str, str]) -> str:
    """Return what is wrong with a user's key map; empty where nothing is.

    The default key of another action is not: a later version may use a key that the user has assigned.
    """
    # Actions without a key are meant to be typed.
    names = {action.name for action in ACTIONS if action.keys}
    for name in keymap:
        if name not in names:
            return f"unknown action {name!r}; choose from {', '.join(sorted(names))}"
    for context in Context:
        taken: dict[str, str] = {}
        for action in available(context, read_only=False, keymap=keymap):
            for key in _keys(action.keys):
                if key in taken:
                    return f"{key} is assigned to both {taken[key]} and {action.name} in the {context.value} view"
                taken[key] = action.name
    return ""


def bindings(context: Context) -> list[Binding]:
    """Return the key bindings of a screen."""
    return [
        Binding(action.keys, action.call, action.label or action.help, show=False, id=action.name)
        for action in ACTIONS
        if context in action.contexts and action.keys
    ]
