"""Reads the files of an outside account. Everything odd about a file is named, or the file is refused."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streamusage.access_logs.log_file import MAX_LINE_BYTES, LogFileError, read_whole_lines
from tui.reconcile.account import OutsideAccount
from tui.reconcile.entries import LineReader
from tui.reconcile.errors import AccountError
from tui.reconcile.log_clock import LogClock
from tui.reconcile.readers.columns import NamedColumnReader
from tui.reconcile.readers.detect import (
    SAMPLE_LINES,
    UTC_BY_DEFINITION,
    ReaderSettings,
    find_reader,
    has_own_zone,
)

MOST_NAMED_LINES = 5
LATEST_MS = 32_503_680_000_000
"""The year 3000: a line of later is damaged."""


class FileSettings(NamedTuple):
    """How files are read."""

    reader: ReaderSettings
    zone: ZoneInfo | None = None
    """The zone of times that have none of their own."""
    shift_ms: int = 0
    """Added to every time of the logs."""
    most_unreadable: Fraction = Fraction(1, 100)
    """Share of unreadable lines above which a file is refused."""


class FileNotes:
    """What was read from a file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.form = ""
        self.lines = 0
        self.entries = 0
        self.unreadable = 0
        self.unreadable_lines: list[int] = []
        """Numbers of the first lines that cannot be read."""
        self.heads = 0
        self.errors = 0
        self.first_at: int | None = None
        self.last_at: int | None = None
        self.remarks: list[str] = []
        self.digest = ""
        """SHA-256 of the uncompressed content, hexadecimal."""

    def describe(self) -> str:
        """Return the notes as a sentence."""
        if not self.lines:
            return f"{self.name}: empty, no line"
        parts = [f"{self.name}: {self.form}", f"{self.lines:,} lines"]
        if self.first_at is not None and self.last_at is not None:
            parts.append(f"{_time_text(self.first_at)} to {_time_text(self.last_at)} UTC")
        parts += [f"{count:,} {what}" for count, what in ((self.heads, "HEAD"), (self.errors, "errors")) if count]
        if self.unreadable:
            parts.append(f"{self.unreadable:,} unreadable ({self.name_lines()})")
        return ", ".join([*parts, *self.remarks, f"sha256:{self.digest}"])

    def name_lines(self) -> str:
        """Return the numbers of the first unreadable lines."""
        more = ", …" if self.unreadable > len(self.unreadable_lines) else ""
        word = "line" if self.unreadable == 1 else "lines"
        return f"{word} {', '.join(f'{number:,}' for number in self.unreadable_lines)}{more}"


def read_account(paths: Sequence[Path], account: OutsideAccount, settings: FileSettings) -> list[FileNotes]:
    """Add the files to the account. Raises `AccountError`, which names the file, if one of them cannot be used."""
    notes: list[FileNotes] = []
    for path in paths:
        try:
            found = _read_file(path, account, settings)
        except AccountError as error:
            raise AccountError(f"{path}: {error}") from None
        except LogFileError as error:
            raise AccountError(str(error)) from None
        same = next((other for other in notes if other.lines and other.digest == found.digest), None)
        if same is not None:
            raise AccountError(f"{path} has the same content as {same.name}; give it once")
        notes.append(found)
    if not any(found.entries for found in notes):
        raise AccountError("the files have no line with a figure; there is nothing to compare")
    return notes


def _read_file(path: Path, account: OutsideAccount, settings: FileSettings) -> FileNotes:
    notes = FileNotes(str(path))
    digest = hashlib.sha256()
    lines = read_whole_lines(path)
    first = list(islice(lines, SAMPLE_LINES))
    if first:
        sample = [line.rstrip(b"\r\n") for line in first]
        if any(b"\0" in line for line in sample):
            raise AccountError("it has NUL bytes, so it is binary and no log or CSV")
        reader = find_reader(sample, settings.reader)
        if settings.reader.unit is not None and not isinstance(reader, NamedColumnReader):
            raise AccountError(f"its form is {reader.name}, whose bytes are bytes; leave out --unit")
        account.bases.add(reader.basis)
        notes.form = reader.name
        _add_lines(chain(first, lines), digest.update, reader, account, settings, notes)
        if notes.unreadable > settings.most_unreadable * notes.lines:
            raise AccountError(
                f"{notes.unreadable:,} of {notes.lines:,} lines cannot be read as {reader.name} "
                f"({notes.name_lines()}); check the file, or give --log-format, or allow more by --max-unreadable"
            )
    notes.digest = digest.hexdigest()
    return notes


def _add_lines(
    lines: Iterable[bytes],
    update_digest: Callable[[bytes], None],
    reader: LineReader,
    account: OutsideAccount,
    settings: FileSettings,
    notes: FileNotes,
) -> None:
    clock: LogClock | None = None
    for line in lines:
        update_digest(line)
        notes.lines += 1
        content = line.rstrip(b"\r\n")
        entry = reader.read(content)
        if entry is None or entry.at >= LATEST_MS:
            if entry is not None or not reader.is_comment(content):
                _add_unreadable(line, notes)
            continue
        if entry.day is not None:
            _refuse_clock(settings)
        else:
            if clock is None:
                clock = _clock_of(content, reader, settings)
            if (at := clock.instant(entry.at)) != entry.at:
                entry = entry._replace(at=at)
            notes.first_at = entry.at if notes.first_at is None else min(notes.first_at, entry.at)
            notes.last_at = entry.at if notes.last_at is None else max(notes.last_at, entry.at)
        notes.entries += 1
        notes.heads += entry.kind == "HEAD"
        notes.errors += entry.kind == "error"
        account.add(entry, hash(content))
    if clock is not None:
        notes.remarks += [
            f"{count:,} lines at times that do not exist on {day} in {settings.zone}: the zone may be wrong"
            for day, count in sorted(clock.skipped.items())
        ]


def _add_unreadable(line: bytes, notes: FileNotes) -> None:
    notes.unreadable += 1
    if len(notes.unreadable_lines) < MOST_NAMED_LINES:
        notes.unreadable_lines.append(notes.lines)
    if not line.endswith(b"\n"):
        is_long = len(line) >= MAX_LINE_BYTES
        notes.remarks.append(
            f"line {notes.lines:,} is longer than {MAX_LINE_BYTES:,} bytes"
            if is_long
            else "it ends in the middle of a line"
        )


def _clock_of(line: bytes, reader: LineReader, settings: FileSettings) -> LogClock:
    """Return the clock of a log by its first line. Raises `AccountError` if its zone is unknown, or known twice."""
    if has_own_zone(line):
        if settings.zone is not None:
            raise AccountError(
                "its times have a zone of their own, so --log-zone has no effect; leave it out, and correct a wrong "
                "clock by --log-shift"
            )
        return LogClock(None, settings.shift_ms)
    if settings.zone is None and reader.name not in UTC_BY_DEFINITION:
        raise AccountError("its times have no zone; give --log-zone, such as UTC or Europe/Berlin")
    return LogClock(settings.zone, settings.shift_ms)


def _refuse_clock(settings: FileSettings) -> None:
    """Raise `AccountError` if the operator describes the clock of an account that has days only."""
    if settings.zone is not None or settings.shift_ms:
        raise AccountError(
            "it has days and no times, so --log-zone and --log-shift have no effect; give the zone of its days as --tz"
        )


def _time_text(at: int) -> str:
    try:
        then = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
    except OverflowError:
        return f"{at} ms"
    return f"{then:%Y-%m-%d %H:%M:%S}"
