"""Libraries that are not imported although they are installed, because no program of ours uses them.

httpcore imports trio wherever it is installed, to run in its event loops, too: forty milliseconds of the start of a
console. It supports an installation without trio. The public library is imported by programs with event loops of their
own and hides nothing: a program of ours names the libraries in `UNUSED_LIBRARIES`.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

UNUSED_LIBRARIES: set[str] = set()
"""What this program never uses, and httpcore need not import."""


@contextmanager
def hide_libraries(names: Iterable[str]) -> Iterator[None]:
    """Let an import of the named modules fail while the block runs, except of those that are imported already."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment] # documented: its import raises ModuleNotFoundError
    try:
        yield
    finally:
        for name in hidden:
            if sys.modules.get(name) is None:
                sys.modules.pop(name, None)
