"""View settings that the console remembers for a profile between runs: sort, columns, filter.

A file that cannot be read or written is ignored: the console then starts with its defaults.
"""

import contextlib
import re
from pathlib import Path

import msgspec
import platformdirs

from streamusage.core.atomic_file import write_atomically


class ViewMemory(msgspec.Struct, kw_only=True):
    """View settings of one profile."""

    sorted_by: str = "active"
    descending: bool = True
    columns: list[str] = []
    density: str = "auto"
    grouped: bool = False
    audience: bool = True
    """Whether the audience of the last hour is shown."""
    filter: str = ""
    filters: list[str] = []
    """Used filters, the newest last."""


def memory_path(profile: str, host: str) -> Path:
    """Return the path of a profile's view settings; without a profile, of the service's."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", profile or host)[:100]
    return platformdirs.user_state_path("streamtop") / "console" / f"{name}.json"


def recall(path: Path | None) -> ViewMemory:
    """Return the remembered settings, or the defaults."""
    if path is not None:
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            return msgspec.json.decode(path.read_bytes(), type=ViewMemory)
    return ViewMemory()


def remember(path: Path | None, memory: ViewMemory) -> None:
    """Write the settings atomically."""
    if path is None:
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, msgspec.json.encode(memory))
