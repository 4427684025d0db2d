"""The views that are opened by name. A view's module is imported when it is opened first."""

import importlib
from typing import Any

from textual.screen import Screen

from tui.app.actions import Context

VIEWS = {
    Context.GAPS: "tui.screens.gaps:GapsScreen",
    Context.DAYS: "tui.screens.days:DaysScreen",
    Context.SERVERS: "tui.screens.servers:ServersScreen",
}
"""Module and class of each view."""


def create_view(view: Context, **arguments: Any) -> Screen[None]:
    """Return a new screen of a view. `arguments` go to its class."""
    module, _, name = VIEWS[view].partition(":")
    screen = getattr(importlib.import_module(module), name)(**arguments)
    if not isinstance(screen, Screen):
        raise TypeError(f"{VIEWS[view]} is not a screen")
    return screen
