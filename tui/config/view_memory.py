"""What the console remembers of a profile from one run to the next: sort, columns, filter. Nothing of it matters much.

A file that cannot be read or written is passed over: the console then starts as at first.
"""

import contextlib
import re
from pathlib import Path

import msgspec
import platformdirs

from tui.output.atomic_file import write_whole


class ViewMemory(msgspec.Struct, kw_only=True):
    """How one profile's table was left."""

    sorted_by: str = "active"
    descending: bool = True
    columns: list[str] = []
    density: str = "auto"
    grouped: bool = False
    filter: str = ""
    filters: list[str] = []
    """Filters that were used, the newest last."""


def memory_path(profile: str, host: str) -> Path:
    """Where a profile's table is remembered; without a profile, the service's."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", profile or host)[:100]
    return platformdirs.user_state_path("streamtop") / "console" / f"{name}.json"


def recall(path: Path | None) -> ViewMemory:
    """What was remembered, or a new beginning."""
    if path is not None:
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            return msgspec.json.decode(path.read_bytes(), type=ViewMemory)
    return ViewMemory()


def remember(path: Path | None, memory: ViewMemory) -> None:
    """Writes it whole or not at all."""
    if path is None:
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, msgspec.json.encode(memory))
