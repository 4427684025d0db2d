"""Checksums of the pages of a journal: SQLite's own checksum VFS, which apsw's wheels contain.

Each page of a file that reserves `RESERVED_BYTES` ends with its checksum, which SQLite verifies whenever it reads the
page. The checksums of records do not cover indexes, and an index decides which rows a report contains.
"""

import os
from contextlib import suppress
from functools import cache
from pathlib import Path

import apsw

from streamusage.core.open_files import OWNER_ONLY

VFS = "cksmvfs"
RESERVED_BYTES = 8


def checksum_vfs() -> str:
    """Return the name of the file system that verifies checksums; empty where apsw was built without it."""
    return VFS if _load() else ""


@cache
def _load() -> bool:
    before = apsw.vfs_names()[0]
    try:
        from apsw import sqlite_extra

        connection = apsw.Connection(":memory:")
        sqlite_extra.load(connection, "cksumvfs")
        connection.close()
        apsw.set_default_vfs(before)  # others choose theirs by name
    except (ImportError, LookupError, AttributeError, OSError, apsw.Error):
        return False
    except Exception as error:
        if type(error).__name__ == "NotAvailable":  # of apsw.sqlite_extra, which older versions lack
            return False
        raise
    return True


def create_empty_file(path: Path) -> None:
    """Create an empty database that only its owner can read, unless there is a file.

    Raises `OSError` or `apsw.Error`.
    """
    if path.exists():
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        fresh.touch(OWNER_ONLY)  # SQLite keeps the mode of an empty file
        if vfs := checksum_vfs():
            flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
            connection = apsw.Connection(":memory:", flags=flags)
            target = f"{fresh.absolute().as_uri()}?reserve={RESERVED_BYTES}&vfs={vfs}"
            connection.execute("VACUUM INTO ?", (target,))
            connection.close()
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
