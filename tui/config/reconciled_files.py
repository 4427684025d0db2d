"""Files of the results that `streamtop reconcile` keeps for the console: one for each service, mode 0600.

A file is found by the addresses in it. A file that is damaged, or not of this program, is named and left as it is.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from streamusage.core.atomic_file import write_atomically
from tui.reconcile.kept import (
    KeptComparison,
    KeptDocument,
    KeptResultsError,
    decode_document,
    encode_document,
    join_comparisons,
)

LARGEST_FILE_BYTES = 64 * 2**20
MOST_ADDRESSES = 20
"""Addresses of one service; the newest are kept."""


class ReconciledFileError(Exception):
    """A file of results can be neither read nor replaced. The text names it, and what was not done."""


class FoundFiles(NamedTuple):
    """The files of a folder."""

    documents: dict[Path, KeptDocument]
    problems: dict[Path, str]
    """Why files cannot be used; the text names the file."""


def file_name(service: str, address: str) -> str:
    """Return the name of the file of a service: from its name, else from its address."""
    name = service or urlsplit(address).netloc
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:80]
    if safe != service:  # other names can have the same safe form
        safe = f"{safe}-{hashlib.sha256((service or address).encode()).hexdigest()[:8]}"
    return f"{safe}.json"


class ReconciledFiles:
    """Reads the files of a folder. A file that did not change is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[Path, tuple[tuple[int, int, int], KeptDocument | str]] = {}

    def read(self) -> FoundFiles:
        """Return the files of the folder; none if there is no folder. Raises nothing: problems are in the answer."""
        try:
            paths = sorted(path for path in self._folder.iterdir() if path.suffix == ".json" and path.name[0] != ".")
        except FileNotFoundError:
            paths = []
        except OSError as error:
            return FoundFiles({}, {self._folder: f"{self._folder} cannot be read: {error.strerror}"})
        self._known = {path: known for path in paths if (known := self._read(path)) is not None}
        found = FoundFiles({}, {})
        for path, (_, content) in self._known.items():
            if isinstance(content, str):
                found.problems[path] = content
            else:
                found.documents[path] = content
        return found

    def _read(self, path: Path) -> tuple[tuple[int, int, int], KeptDocument | str] | None:
        """Return the state of a file and its content, or why it cannot be used; None if it has gone."""
        try:
            status = path.stat()
            state = status.st_mtime_ns, status.st_size, status.st_ino
            known = self._known.get(path)
            if known is not None and known[0] == state:
                return known
            if not path.is_file() or status.st_size > LARGEST_FILE_BYTES:
                return state, f"{path} is not a file of kept comparisons"
            return state, decode_document(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            return (0, 0, 0), f"{path} cannot be read: {error.strerror}"
        except KeptResultsError as error:
            return state, f"{path} {error}"


def keep_comparison(folder: Path, service: str, address: str, comparison: KeptComparison) -> Path:
    """Add a comparison to the file of a service, and return the path of the file.

    `service` is its name in the chain, empty if that is not known; then a file with this address is used. Raises
    `ReconciledFileError`; then no file is changed.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(folder):
            return _keep(folder, service, address, comparison)
    except OSError as error:
        raise ReconciledFileError(f"cannot write to {folder}: {error.strerror}; nothing was kept") from None


def _keep(folder: Path, service: str, address: str, comparison: KeptComparison) -> Path:
    found = ReconciledFiles(folder).read()
    of_address = {path: known for path, known in found.documents.items() if address in known.addresses}
    path = folder / file_name(service, address)
    if not service and path not in of_address and of_address:
        path = next(iter(of_address))
    if path in found.problems:
        raise ReconciledFileError(
            f"{found.problems[path]}; it was left as it is, and nothing was kept: move it away and repeat"
        )
    document = found.documents.get(path) or KeptDocument(addresses=[])
    comparisons = document.comparisons
    unnamed = folder / file_name("", address)
    if path != unnamed and unnamed in of_address:  # the service had no name before
        for earlier in of_address[unnamed].comparisons:
            comparisons = join_comparisons(comparisons, earlier)
    changed = msgspec.structs.replace(
        document,
        service=service or document.service,
        addresses=[*(known for known in document.addresses if known != address), address][-MOST_ADDRESSES:],
        comparisons=join_comparisons(comparisons, comparison),
    )
    try:
        content = encode_document(changed)
    except KeptResultsError as error:
        raise ReconciledFileError(f"the result {error}; nothing was kept") from None
    write_atomically(path, content)
    for other, known in of_address.items():
        if other != path:  # another service is at this address now, or its results have moved
            _remove_address(other, known, address, is_moved=other == unnamed)
    return path


def _remove_address(path: Path, document: KeptDocument, address: str, *, is_moved: bool) -> None:
    addresses = [known for known in document.addresses if known != address]
    with suppress(OSError):  # the result is kept all the same
        if is_moved and not addresses:
            path.unlink()
        else:
            write_atomically(path, encode_document(msgspec.structs.replace(document, addresses=addresses)))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder, so that two commands do not replace each other's results."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
