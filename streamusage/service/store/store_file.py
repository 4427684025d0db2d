"""The file of an embedded store: whether it is still the one that was opened, who may read it, and its damage mark.

The mark is a small file beside the store. It outlives the process that found the damage: a marked store is not opened.
"""

import time
from contextlib import suppress
from pathlib import Path

from streamusage.core.atomic_file import write_atomically
from streamusage.core.open_files import OpenFiles, others_can_read

PART_SUFFIXES = ("", "-wal", "-shm")
"""Suffixes of the files of a SQLite database."""


class StoreFile(OpenFiles):
    """A file that a store has open, with its write-ahead log."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, PART_SUFFIXES)
        self.path = path

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
        return [path for path in self.paths if others_can_read(path)]
