"""The pages of the documentation in the order in which a reader needs them. Pure.

The built site has the same groups (`.ci/site/hooks.py`). A page that does not exist is left out, and one that is not
named here is in the last group.
"""

from collections.abc import Iterable

GROUPS: dict[str, tuple[str, ...]] = {
    "Start": ("quickstart", "quickstart-icecast", "installing", "concepts", "values"),
    "Handbook": (
        *("console", "commands", "configuration", "daily", "customers", "statements", "reconciliation"),
        "reference/commands",
    ),
    "Operating": ("operating", "agent", "alerts", "metrics", "performance", "scale"),
    "Sources": ("sources/",),
    "Statistics": ("statistics",),
    "Interfaces": ("library", "api", "reference/http", "protocol"),
    "Design": ("architecture", "decisions/", "releasing"),
}
"""Topics by group. A name that ends in `/` is a folder: its index, then its other pages by name."""

OTHERS = "More"
"""The group of all other pages."""


def group_topics(topics: Iterable[str]) -> dict[str, list[str]]:
    """Return topics by group, each in one of them. Groups without a topic are left out."""
    left = sorted(topics)
    grouped: dict[str, list[str]] = {}
    for group, names in GROUPS.items():
        for name in names:
            folder = name.removesuffix("/")
            found = [
                topic for topic in left if topic == folder or (name.endswith("/") and topic.startswith(f"{folder}/"))
            ]
            grouped.setdefault(group, []).extend(found)
            left = [topic for topic in left if topic not in found]
    grouped[OTHERS] = left
    return {group: found for group, found in grouped.items() if found}
