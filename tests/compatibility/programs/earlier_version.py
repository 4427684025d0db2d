"""The program as it was at an earlier commit, read from the history of this repository."""

import io
import subprocess
import tarfile
from pathlib import Path

from tests.compatibility.programs.processes import REPOSITORY

BEFORE_TRUSTED_TIME = "d5364919a1bd0eb12fefcaf9df745ac10357fda0"
"""The commit before agents and services exchanged their clocks."""


BEFORE_FEED_HISTORY = "fff17aebb25bff39b6c5ecb170c200408b4fadbe"
"""The commit before a life of the change feed named the history of its database."""


class MissingCommitError(Exception):
    """The commit cannot be read from the repository."""


def install(commit: str, directory: Path) -> Path:
    """Write the program of a commit into the directory. It runs with the dependencies of today's."""
    archived = subprocess.run(
        ["git", "-C", str(REPOSITORY), "archive", commit, "streamusage", "tui"], capture_output=True, check=False
    )
    if archived.returncode:
        raise MissingCommitError(
            f"commit {commit} is not in the history of {REPOSITORY}: {archived.stderr.decode().strip()}; this test "
            "needs a clone with its whole history (git fetch --unshallow)"
        )
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as archive:
        archive.extractall(directory, filter="data")
    return directory
