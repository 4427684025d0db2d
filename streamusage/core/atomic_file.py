"""Writes a file atomically: a reader sees the old or the new content, and a full disk leaves the old.

| step that fails                  | the file            | temporary file                     |
|----------------------------------|---------------------|------------------------------------|
| create, write or sync            | has its old content | removed                            |
| replace                          | has its old content | removed                            |
| power, before the sync has ended | has its old content | stays: `.NAME.` and random letters |
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_atomically(path: Path, content: bytes, *, mode: int = 0o600, sync: bool = True) -> None:
    """Replace the content of a file, or create it.

    Without `sync`, a power failure may leave the file empty: for files that are written again at the next start.
    Raises `OSError`; the file then has its old content and no temporary file is left.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
