"""The file of an embedded store: who may read it, whether it is still the one that was opened, and its damage mark.

A service that writes to a file that was moved, replaced or removed acknowledges what nobody can read again.
The mark is a small file beside the store. It outlives the process that found the damage: a marked store is not opened.
"""

import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from streamusage.core.atomic_file import write_atomically

PART_SUFFIXES = ("", "-wal", "-shm")
"""Suffixes of the files of a SQLite database."""
OWNER_ONLY = 0o600


class _Identity(NamedTuple):
    device: int
    inode: int


class StoreFile:
    """A file that a store has open, with its write-ahead log."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: dict[Path, _Identity] = {}

    def remember(self) -> None:
        """Remember the files that the store has open now."""
        for suffix in PART_SUFFIXES:
            part = self.path.with_name(self.path.name + suffix)
            identity = _identify(part)
            if identity is not None:
                self._opened[part] = identity

    def find_change(self) -> str:
        """Return what happened to the open files since; empty if the paths still name them."""
        for part, opened in self._opened.items():
            present = _identify(part)
            if present is None:
                return f"{part} was moved or removed while the service runs"
            if present != opened:
                return f"{part} was replaced by another file while the service runs"
        return ""

    @property
    def mark_path(self) -> Path:
        """Path of the mark of damage."""
        return self.path.with_name(self.path.name + ".damaged")

    def mark(self, cause: str) -> None:
        """Mark the store as damaged. If the mark cannot be written, the service refuses writes all the same."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with suppress(OSError):
            write_atomically(self.mark_path, f"{stamp} {cause}\n".encode())

    def read_mark(self) -> str:
        """Return the mark's text; empty without a mark."""
        try:
            return " ".join(self.mark_path.read_text(errors="replace").split()) or "no cause"
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError as error:
            return f"the mark cannot be read: {error.strerror}"

    def unmark(self) -> None:
        """Remove the mark. Raises `OSError`."""
        self.mark_path.unlink(missing_ok=True)

    def find_readable_by_others(self) -> list[Path]:
        """Return those of the store's files that other users of this machine can read."""
        parts = (self.path.with_name(self.path.name + suffix) for suffix in PART_SUFFIXES)
        return [part for part in parts if _others_can_read(part)]


def _identify(path: Path) -> _Identity | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return _Identity(found.st_dev, found.st_ino)


def _others_can_read(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False
