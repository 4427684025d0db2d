"""The local journal of deleted records: every record is written here in full before its delete is sent.

A line is a documented usage record with two more fields, `deletedAt` and `service`: `streamtop import` accepts the file
as it is. Only the user can read it. Its records were about to be deleted; only the service knows whether they were.
"""

import fcntl
import os
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from streamusage.core.usage import UsageRecord
from tui.config.paths import journal_path


class DeletedRecord(UsageRecord, frozen=True, kw_only=True):
    """One line of the journal."""

    deleted_at: int = msgspec.field(name="deletedAt")
    """When the delete was requested, UTC milliseconds by this machine's clock."""
    service: str
    """Host and port of the service."""


class DeletionJournalError(Exception):
    """The journal cannot be written; nothing may be deleted."""


def read_journal(path: Path) -> tuple[list[DeletedRecord], int]:
    """Return the records of a journal, oldest delete first, and the number of unreadable lines. Raises `OSError`.

    A missing file is an empty journal.
    """
    records, unreadable, decoder = [], 0, msgspec.json.Decoder(DeletedRecord)
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return [], 0
    for line in lines:
        try:
            records.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            unreadable += 1
    return records, unreadable


def append_records(
    records: Iterable[UsageRecord], path: Path | None = None, *, service: str, deleted_at: int | None = None
) -> Path:
    """Append the records and return the file's path once they are safely on disk.

    Raises `DeletionJournalError` if that fails: then nothing may be deleted.
    """
    target = path or journal_path()
    at_ms = time.time_ns() // 1_000_000 if deleted_at is None else deleted_at
    lines = b"".join(msgspec.json.encode(_journal_entry(record, service, at_ms)) + b"\n" for record in records)
    try:
        _append_lines(target, lines)
    except OSError as error:
        raise DeletionJournalError(
            f"the journal of deleted records {target} cannot be written ({error.strerror}); nothing was deleted"
        ) from None
    return target


def _append_lines(target: Path, lines: bytes) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_new = not target.exists()
    descriptor = os.open(target, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _write_all(descriptor, lines if _ends_with_newline(descriptor) else b"\n" + lines)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        _sync_folder(target.parent)


def _journal_entry(record: UsageRecord, service: str, at_ms: int) -> DeletedRecord:
    figures = {name: getattr(record, name) for name in UsageRecord.__struct_fields__}
    return DeletedRecord(**figures, deleted_at=at_ms, service=service)


def _ends_with_newline(descriptor: int) -> bool:
    """Return false if an earlier write broke off, on a full disk for example."""
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
