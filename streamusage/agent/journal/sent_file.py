"""The highest revision that a journal ever sent, in a small file beside it.

SQLite ends its write-ahead log silently at a damaged frame, so that a journal may open as an older state of itself.
That is harmless while the service cannot have anything newer: the journal continues from its older baseline. Otherwise
it would number other changes with the revisions that the service has.
"""

import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from streamusage.core.open_files import OWNER_ONLY

SUFFIX = "-sent"


class Sent(NamedTuple):
    """What a journal sent."""

    journal: str
    revision: int


class SentFile:
    """The file of one journal."""

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_name(journal.name + SUFFIX)

    def write(self, sent: Sent) -> None:
        """Replace the content. A failure changes nothing."""
        text = f"{sent.revision} {sent.journal}"
        with suppress(OSError):
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT, OWNER_ONLY)
            try:
                os.ftruncate(handle, os.pwrite(handle, f"{zlib.crc32(text.encode())} {text}\n".encode(), 0))
                os.fsync(handle)
            finally:
                os.close(handle)

    def read(self) -> Sent | None:
        """Return the content; `None` if there is none, or it does not match its checksum."""
        try:
            checksum, _, text = self.path.read_text().rstrip("\n").partition(" ")
        except (OSError, UnicodeDecodeError):
            return None
        revision, _, journal = text.partition(" ")
        if checksum != str(zlib.crc32(text.encode())) or not revision.isdigit():
            return None
        return Sent(journal, int(revision))


def is_older(journal: str, revision: int, sent: Sent | None) -> bool:
    """Return whether a journal at a revision is an older state of the one that sent something."""
    if sent is None:
        return False
    name, _, generation = journal.partition("~")
    sent_name, _, sent_generation = sent.journal.partition("~")
    if name != sent_name:
        return False
    return (int(sent_generation or 0), sent.revision) > (
        int(generation or 0),
        revision if generation == sent_generation else sent.revision,
    )
