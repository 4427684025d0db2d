"""The page about profiles: what a profile is, in which file, and how to add one. Pure."""

from collections.abc import Mapping
from pathlib import Path

from tui.model.text import padded, sanitize, width


def explain_profiles(path: Path, profiles: Mapping[str, str], *, exists: bool) -> list[str]:
    """Return the lines of the page. `profiles` has the URL of every profile of the file."""
    names = [sanitize(name) for name in profiles]
    cells = max(map(width, names), default=0) + 2
    return [
        "A profile is one service in the configuration file, with its address, its",
        "token, its permissions, its theme and its time zone. P or :profile NAME",
        "switches to another one; streamtop --profile NAME starts with it.",
        "",
        f"File: {sanitize(str(path))}" + ("" if exists else " (not created yet)"),
        "",
        *([] if names else ["It has no profile yet.", ""]),
        *(f"  {padded(name, cells)}{sanitize(url)}" for name, url in zip(names, profiles.values(), strict=True)),
        *([""] if names else []),
        "Add a service with a table of its own, and start the console again:",
        "",
        "  [profiles.prod]",
        '  url = "https://sm.example.net"',
        '  token_file = "prod.token"    # beside the configuration file',
        "  read_only = true             # nothing can be deleted",
        "",
        "streamtop config lists every setting with its meaning.",
    ]
