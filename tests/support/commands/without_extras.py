"""An installation without some extras: every process that is started with its environment lacks their modules."""

from collections.abc import Iterable
from pathlib import Path

from streamusage.extras import EXTRAS
from tests.support.program import REPOSITORY


def without_extras(folder: Path, extras: Iterable[str] = EXTRAS) -> str:
    """Write the module that hides the extras' modules, and return the `PYTHONPATH` with which it is in force."""
    modules = sorted({module for extra in extras for module in EXTRAS[extra].modules})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({modules!r}))\n")
    return f"{folder}:{REPOSITORY}"
