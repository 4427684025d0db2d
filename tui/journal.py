"""The local journal of deleted records: one JSON line each, on disk before the delete is sent."""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec
from platformdirs import user_state_path

from streamusage.usage import UsageRecord


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A record that is about to be deleted, and where from."""

    deleted_at: int
    host: str
    record: UsageRecord


class JournalError(Exception):
    """The journal cannot be written; nothing may be deleted then."""


def default_journal() -> Path:
    return user_state_path("streamtop") / "deleted.ndjson"


def append(path: Path, host: str, records: Iterable[UsageRecord], now_ms: int) -> None:
    """Adds the records and waits until they are on the disk. Raises `JournalError`."""
    lines = b"".join(
        msgspec.json.encode(JournalEntry(deleted_at=now_ms, host=host, record=record)) + b"\n" for record in records
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            written = 0
            while written < len(lines):
                written += os.write(file, lines[written:])
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise JournalError(f"{path}: cannot be written ({error.strerror}); nothing was deleted") from None
