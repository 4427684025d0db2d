"""Checksums of the pages of a SQLite store: SQLite's own checksum VFS, which apsw's wheels contain.

Each page of a file with `RESERVED_BYTES` ends with its checksum, which SQLite verifies whenever it reads the page, so
that a flipped bit is an error and never a figure. A file without them is used as it is.
"""

import threading
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import apsw

from streamusage.core.open_files import OWNER_ONLY

EXTENSION = "cksumvfs"
VFS = "cksmvfs"
PLAIN_VFS = "unix"
"""The file system that does not verify checksums."""
RESERVED_BYTES = 8
"""Bytes at the end of each page. The VFS computes checksums exactly for files that reserve this many."""

_BY_ADDRESS = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI
"""Flags of a connection that understands `file:` addresses."""
_PAGES_A_STEP = 1000
_RESERVED_AT = 20
"""Offset in the file of the number of reserved bytes."""
_HEADER = b"SQLite format 3\0"
_LOADING = threading.Lock()


def enable_page_checksums() -> bool:
    """Make all following connections use the checksum VFS. Return whether it is available."""
    with _LOADING:  # two threads would register it twice
        return _load()


@cache
def _load() -> bool:
    try:
        from apsw import sqlite_extra

        location = sqlite_extra.path(EXTENSION)
        connection = apsw.Connection(":memory:")
        try:
            connection.enable_load_extension(True)
            connection.load_extension(str(location))
        finally:
            connection.close()
    except (ImportError, LookupError, OSError, AttributeError, apsw.Error):
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


def vacuum_into(connection: Any, target: Path, report: Callable[[], object] = lambda: None) -> None:
    """Copy the connection's database into an empty file that exists, compact and with page checksums if available.

    The VFS computes no checksums before it has seen the file's first page, which `VACUUM INTO` writes last: pages that
    left its cache before have none. So they are copied once more, into a file that has its first page. That takes the
    space of a second copy meanwhile, beside `target`. `report` is called at times meanwhile. Raises an error of
    `connection` or of apsw.
    """
    if not enable_page_checksums():
        connection.execute("VACUUM INTO ?", (_uri(target),))
        return
    unchecked = _unchecked(target)
    try:
        unchecked.touch(OWNER_ONLY)
        connection.execute("VACUUM INTO ?", (_uri(unchecked, reserve=RESERVED_BYTES, vfs=PLAIN_VFS),))
        create_checked_file(target)
        _copy_pages(unchecked, target, report)
    finally:
        unchecked.unlink(missing_ok=True)


def written_share(target: Path, source_bytes: int) -> int:
    """Return how many of the source's bytes `vacuum_into` has copied by now, as if it copied them once."""
    written = sum(path.stat().st_size for path in (_unchecked(target), target) if path.exists())
    return min(source_bytes, written // 2 if enable_page_checksums() else written)


def create_checked_file(path: Path) -> None:
    """Make an empty database of an empty file that exists, with page checksums if they are available."""
    options: dict[str, object] = {"reserve": RESERVED_BYTES, "vfs": VFS} if enable_page_checksums() else {}
    with closing(apsw.Connection(":memory:", _BY_ADDRESS)) as connection:
        connection.execute("VACUUM INTO ?", (_uri(path, **options),))


def _copy_pages(source: Path, target: Path, report: Callable[[], object]) -> None:
    with (
        closing(apsw.Connection(_uri(source, vfs=PLAIN_VFS), _BY_ADDRESS)) as before,
        closing(apsw.Connection(_uri(target, vfs=VFS), _BY_ADDRESS)) as after,
        after.backup("main", before, "main") as copying,
    ):
        while not copying.done:
            copying.step(_PAGES_A_STEP)
            report()


def _unchecked(target: Path) -> Path:
    return target.with_name(f"{target.name}.unchecked")


def _uri(path: Path, **options: object) -> str:
    query = urlencode(options)
    return path.absolute().as_uri() + (f"?{query}" if query else "")
