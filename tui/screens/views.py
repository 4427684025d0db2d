"""Creates the registered views."""

import importlib
from typing import Any

from textual.screen import Screen

from tui.app.actions import VIEWS, Context


def create_view(view: Context, **arguments: Any) -> Screen[None]:
    """Return a new screen of a view. `arguments` go to its class."""
    module, _, name = VIEWS[view].partition(":")
    screen = getattr(importlib.import_module(module), name)(**arguments)
    if not isinstance(screen, Screen):
        raise TypeError(f"{VIEWS[view]} is not a screen")
    return screen
