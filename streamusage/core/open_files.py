"""Whether paths still name the files that were opened, and who may read them.

A program that writes to a file that was moved, replaced or removed keeps what nobody can read again.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

OWNER_ONLY = 0o600
"""The mode of files with figures or secrets."""
_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH


class _Identity(NamedTuple):
    device: int
    inode: int


class OpenFiles:
    """The files of a database that is open."""

    def __init__(self, path: Path, suffixes: Iterable[str]) -> None:
        self.paths = [path.with_name(path.name + suffix) for suffix in suffixes]
        self._opened: dict[Path, _Identity] = {}

    def remember(self) -> None:
        """Remember the files that are open now. Files that are remembered already stay as they are."""
        for path in self.paths:
            if path not in self._opened and (identity := _identify(path)) is not None:
                self._opened[path] = identity

    def find_change(self) -> str:
        """Return what happened to the files since they were opened; empty if the paths still name them."""
        for path, opened in self._opened.items():
            present = _identify(path)
            if present is None:
                return f"{path} was moved or removed while it was open"
            if present != opened:
                return f"{path} was replaced by another file while it was open"
        return ""


def others_can_read(path: Path) -> bool:
    """Return whether other users of this machine can read the file; False if it does not exist."""
    try:
        return bool(path.stat().st_mode & _OTHERS_READ)
    except OSError:
        return False


def open_to_append(path: Path) -> BinaryIO:
    """Open a file to append bytes. A new one can be read by its owner only. Raises `OSError`."""
    return open(path, "ab", opener=lambda name, flags: os.open(name, flags, OWNER_ONLY))


def describe_readable(path: Path, content: str) -> str:
    """Return the warning for a file that other users can read."""
    return f"other users of this machine can read {path}, which contains {content}: chmod 600 {path}"


def _identify(path: Path) -> _Identity | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return _Identity(found.st_dev, found.st_ino)
