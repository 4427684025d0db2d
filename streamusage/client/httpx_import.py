"""Imports httpx without its command line. Import httpx from here: `from streamusage.client.httpx_import import httpx`.

`import httpx` also imports its command line, `httpx._main`, and with it click, rich and pygments: about a third of the
time of that import, for a program that never calls it. httpx itself supports an installation in which the command line
cannot be imported (`httpx[cli]` is an extra): then `httpx.main` prints a hint. That is the path used here: the module
is marked as not importable (`None` in `sys.modules`) while httpx is imported, and not marked afterwards.

A version of httpx that has no such module is imported as it is; so is one that needs it.
"""

import sys

_COMMAND_LINE = "httpx._main"
_is_marked = "httpx" not in sys.modules and _COMMAND_LINE not in sys.modules

if _is_marked:
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment] # documented: its import raises ModuleNotFoundError
try:
    import httpx
except ImportError:
    if not _is_marked:
        raise
    sys.modules.pop(_COMMAND_LINE, None)
    import httpx
finally:
    if _is_marked and sys.modules.get(_COMMAND_LINE) is None:
        sys.modules.pop(_COMMAND_LINE, None)

__all__ = ["httpx"]
