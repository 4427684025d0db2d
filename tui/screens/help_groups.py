"""The groups of the help page, by purpose: which actions belong to each, and the thing that each acts on. Pure."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tui.app.actions import Action

GROUPS: Mapping[str, Mapping[str, str]] = {
    "Find": {
        "filter": "filter",
        "next_gap": "gap",
        "previous_gap": "gap",
        "sort_next": "order",
        "reverse": "order",
        "sort": "order",
        "order": "order",
        "group": "scopes",
    },
    "View": {
        "detail": "stream",
        "raw_record": "record",
        "reconciled": "account",
        "columns": "columns",
        "density": "columns",
        "other_rows": "rows",
        "next_group": "rows",
        "failure": "error",
        "latency": "polls",
        "theme": "theme",
        "repaint": "screen",
    },
    "Time": {
        "pause": "table",
        "step": "table",
        "jump": "table",
        "live": "table",
        "pan": "time",
        "page": "time",
        "zoom": "time",
        "interval": "polls",
        "refresh": "polls",
    },
    "Change": {
        "mark": "marks",
        "mark_range": "marks",
        "mark_shown": "marks",
        "clear_marks": "marks",
        "delete_session": "records",
        "delete_stream": "records",
        "delete_everything": "records",
        "undo": "records",
        "journal": "journal",
        "silence": "alerts",
        "end_silence": "alerts",
        "arm": "read-only",
    },
    "Share": {
        "copy": "clipboard",
        "command": "command",
        "export": "file",
        "bundle": "bundle",
        "screenshot": "picture",
    },
    "Go": {
        "gaps": "gaps",
        "servers": "servers",
        "alerts": "alerts",
        "days": "days",
        "open": "row",
        "profile": "service",
        "move": "row",
        "move_page": "row",
        "first": "row",
        "last": "row",
        "palette": "commands",
        "help": "help",
        "back": "view",
        "app.suspend_process": "console",
        "quit": "console",
    },
}
"""Name of an action without its arguments, and the noun for what it acts on, by group."""
_OTHERS = "View"
"""The group of an action without one."""
_PLACES = {name: (group, place) for group, nouns in GROUPS.items() for place, name in enumerate(nouns)}


class HelpEntry(NamedTuple):
    """An action in its group."""

    keys: str
    """Its keys, or what is typed for it after `:`."""
    noun: str
    help: str


def group_actions(actions: Iterable[Action]) -> dict[str, list[HelpEntry]]:
    """Return the entries of every group that has any, in order; actions of one noun are next to each other."""
    grouped: dict[str, list[tuple[int, HelpEntry]]] = {group: [] for group in GROUPS}
    for action in actions:
        name = action.name.partition("(")[0]
        group, place = _PLACES.get(name, (_OTHERS, 1_000))
        keys = action.shown or f":{action.command} {action.takes}".rstrip()
        noun = GROUPS[group].get(name) or action.label or action.command or "view"
        grouped[group].append((place, HelpEntry(keys, noun, action.help)))
    ordered = {group: sorted(entries, key=lambda entry: entry[0]) for group, entries in grouped.items()}
    return {group: [entry for _, entry in entries] for group, entries in ordered.items() if entries}
