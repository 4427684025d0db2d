"""The local journal of deleted records: every delete is written here in full before it is sent.

A line is a documented usage record with two fields more, `deletedAt` and `service`: `streamtop import` takes the file
as it is. Only the user can read it. What it holds was about to be deleted; whether that came about is for the service
to say.
"""

import fcntl
import os
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec
import platformdirs

from streamusage.core.usage import UsageRecord


class DeletedRecord(UsageRecord, frozen=True, kw_only=True):
    """One line of the journal."""

    deleted_at: int = msgspec.field(name="deletedAt")
    """When the delete was asked for, UTC milliseconds by this machine's clock."""
    service: str
    """Host and port of the service that it was deleted at."""


class DeletionJournalError(Exception):
    """The journal cannot be written; nothing may be deleted then."""


def journal_path() -> Path:
    """Where deleted records are kept."""
    return platformdirs.user_state_path("streamtop") / "deleted.ndjson"


def read(path: Path) -> tuple[list[DeletedRecord], int]:
    """The records of a journal, oldest delete first, and how many lines of it cannot be read. Raises `OSError`.

    No file is an empty journal.
    """
    records, unreadable = [], 0
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return [], 0
    for line in lines:
        try:
            records.append(msgspec.json.decode(line, type=DeletedRecord))
        except (msgspec.DecodeError, UnicodeDecodeError):
            unreadable += 1
    return records, unreadable


def append(
    records: Iterable[UsageRecord], path: Path | None = None, *, service: str, deleted_at: int | None = None
) -> Path:
    """Adds the records and returns once they are safely on disk. Gives the file's path.

    Raises `DeletionJournalError` where that cannot be done: then nothing may be deleted.
    """
    target = path or journal_path()
    at_ms = time.time_ns() // 1_000_000 if deleted_at is None else deleted_at
    lines = b"".join(msgspec.json.encode(_journalled(record, service, at_ms)) + b"\n" for record in records)
    try:
        _add(target, lines)
    except OSError as error:
        raise DeletionJournalError(
            f"the journal of deleted records {target} cannot be written ({error.strerror}); nothing was deleted"
        ) from None
    return target


def _add(target: Path, lines: bytes) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_new = not target.exists()
    descriptor = os.open(target, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _write_all(descriptor, lines if _ends_at_a_line(descriptor) else b"\n" + lines)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        _sync_folder(target.parent)


def _journalled(record: UsageRecord, service: str, at_ms: int) -> DeletedRecord:
    figures = {name: getattr(record, name) for name in UsageRecord.__struct_fields__}
    return DeletedRecord(**figures, deleted_at=at_ms, service=service)


def _ends_at_a_line(descriptor: int) -> bool:
    """False where an earlier write broke off, on a full disk for example."""
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"


def _write_all(descriptor: int, content: bytes) -> None:
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[os.write(descriptor, remaining) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
