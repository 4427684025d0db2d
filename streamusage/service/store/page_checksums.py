"""Checksums of the pages of a SQLite store: SQLite's own checksum VFS, which apsw's wheels contain.

Each page of a file with `RESERVED_BYTES` ends with its checksum, which SQLite verifies whenever it reads the page, so
that a flipped bit is an error and never a figure. A file without them is used as it is.
"""

import threading
from functools import cache
from pathlib import Path

from pysqlite3 import dbapi2

EXTENSION = "cksumvfs"
VFS = "cksmvfs"
PLAIN_VFS = "unix"
"""The file system that does not verify checksums."""
RESERVED_BYTES = 8
"""Bytes at the end of each page. The VFS computes checksums exactly for files that reserve this many."""

_RESERVED_AT = 20
"""Offset in the file of the number of reserved bytes."""
_HEADER = b"SQLite format 3\0"
_LOADING = threading.Lock()


def enable_page_checksums() -> bool:
    """Make all following connections of pysqlite3 use the checksum VFS. Return whether it is available."""
    with _LOADING:  # two threads would register it twice
        return _load()


@cache
def _load() -> bool:
    try:
        from apsw import sqlite_extra

        location = sqlite_extra.path(EXTENSION)
        connection = dbapi2.connect(":memory:")
        try:
            connection.enable_load_extension(True)
            connection.load_extension(str(location))
        finally:
            connection.close()
    except (ImportError, LookupError, OSError, AttributeError, dbapi2.Error):
        return False
    except Exception as error:
        if type(error).__name__ == "NotAvailable":  # of apsw.sqlite_extra, which older versions lack
            return False
        raise
    return True


def has_page_checksums(path: Path) -> bool:
    """Return whether the file is a SQLite database whose pages end with checksums. Raises `OSError`.

    This process must not have the file open: closing a file ends SQLite's locks on it.
    """
    with path.open("rb") as file:
        start = file.read(_RESERVED_AT + 1)
    return len(start) > _RESERVED_AT and start.startswith(_HEADER) and start[_RESERVED_AT] == RESERVED_BYTES


def vacuum_target(path: Path) -> str:
    """Return the name for `VACUUM INTO` that makes a file with page checksums, if they are available."""
    reserve = f"?reserve={RESERVED_BYTES}&vfs={VFS}" if enable_page_checksums() else ""
    return f"{path.absolute().as_uri()}{reserve}"
