"""A file system of a few megabytes that a test fills and frees. It needs the permission to mount."""

import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.needs import skip_or_fail

BLOCK_BYTES = 4096


class SmallDisk:
    """A mounted file system."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """Write a file until not even a byte is free."""
        with contextlib.suppress(OSError), self._filler.open("ab", buffering=0) as file:
            while file.write(b"x" * BLOCK_BYTES):
                pass

    def free(self) -> None:
        self._filler.unlink()


@contextmanager
def mounted_disk(path: Path, mebibytes: int) -> Iterator[SmallDisk]:
    """Mount a new file system at a path while the block runs. Skips the test where it may not; in CI, fails it."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(path)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        skip_or_fail(f"cannot mount a small file system: {error}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", str(path)], check=True, capture_output=True)
