"""Follows a log file through rotation, from a position that the caller stores.

A position identifies the file by its first bytes, not by its name. Lines begin with a time, so no two files begin with
the same bytes, and a file is found again after a rename, after copy and truncate, and after its device number changed.
Only whole lines are returned; an unfinished line waits for its end. All calls block on the disk.
"""

import logging
import os
import zlib
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO, NamedTuple

from streamusage.access_logs.log_file import MAX_LINE_BYTES

LOG = logging.getLogger(__name__)

HEAD_BYTES = 256
"""Length of the beginning that identifies a file."""

BATCH_BYTES = 4 << 20
"""Limit of one read, so that the log of a long absence of the agent does not fill its memory."""

HEADER_BYTES = 4096
"""In so many bytes a header with the names of the fields is searched."""


class LogPosition(NamedTuple):
    """A position between two lines of a log. Its text form is stored in journals."""

    inode: int
    offset: int
    head: int
    """Checksum of the file's first bytes: those before `offset`, at most `HEAD_BYTES`."""

    def __str__(self) -> str:
        return f"{self.inode}:{self.offset}:{self.head:08x}"

    def is_after(self, other: "LogPosition") -> bool:
        """Return whether this position is later in the same file. Positions near its beginning cannot be compared."""
        if (self.inode, self.head) != (other.inode, other.head) or min(self.offset, other.offset) < HEAD_BYTES:
            return False
        return self.offset > other.offset

    @classmethod
    def parse(cls, text: str) -> "LogPosition | None":
        """Return the position that `str` encoded; None for any other text."""
        inode, _, rest = text.partition(":")
        offset, _, head = rest.partition(":")
        try:
            position = cls(int(inode), int(offset), int(head, 16))
        except ValueError:
            return None
        return position if min(position) >= 0 else None


class LogBatch(NamedTuple):
    """Whole lines without line ends, and the position after them."""

    lines: list[bytes]
    position: LogPosition
    found: bool
    """False if neither the log nor a rotated file of it exists."""
    lost: bool = False
    """Whether the file of the last read is gone, together with lines possibly written to it since."""
    written_at_ms: int | None = None
    """When the last of the lines was written, by the file's modification time; None if more was written after it."""
    more: bool = False
    """Whether there may be lines after the position already, beyond the limit of one read."""


class LogFollower:
    """A log to which one program appends and which another program rotates."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def end_position(self) -> LogPosition:
        """Return the position after the last whole line. Raises `OSError` if the file cannot be read."""
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            from_offset = max(0, size - MAX_LINE_BYTES)
            file.seek(from_offset)
            tail = file.read(size - from_offset)
            return _position(file, from_offset + tail.rfind(b"\n") + 1 if b"\n" in tail else from_offset)

    def last_lines(self, most: int = 100) -> list[bytes]:
        """Return the last whole lines, at most so many, to detect the log's form; at least one unless it is empty.

        Lines of a header with the names of the fields, at the beginning of the file, come first.
        """
        with self.path.open("rb") as file:
            from_offset = max(0, _size(file) - MAX_LINE_BYTES)
            header = list(takewhile(lambda line: line.startswith(b"#"), file.read(HEADER_BYTES).split(b"\n")[:-1]))
            file.seek(from_offset)
            lines = file.read(MAX_LINE_BYTES).split(b"\n")[:-1]
        if from_offset and len(lines) > 1:
            lines = lines[1:]  # the first one is cut
        last = lines[-most:]
        return last if len(last) == len(lines) and not from_offset else [*header, *last]

    def read_lines(self, position: LogPosition) -> LogBatch:
        """Return at most `BATCH_BYTES` of lines written since the position. Raises `OSError` if a file cannot be read.

        The rotated file is read to its end before the new file, and the new file only once it has a line: until then
        the writer may still have the rotated file open.
        """
        with ExitStack() as files:
            chain, is_broken = self._chain(position, files)
            if not chain:
                return LogBatch([], position, found=False)
            lost = is_broken and position.offset > 0
            if lost:
                LOG.warning(
                    "log_lines_lost path=%s detail='the last file was rotated away or truncated before it was read "
                    "completely; lines after its byte %d are lost; reading continues with the present file'",
                    self.path,
                    position.offset,
                )
            lines: list[bytes] = []
            budget_bytes = BATCH_BYTES
            for file, from_offset in chain:
                unread_bytes = _size(file) - from_offset
                file_lines, position = _read_whole_lines(file, from_offset, budget_bytes)
                lines += file_lines
                budget_bytes -= unread_bytes
                if budget_bytes <= 0:
                    break
            status = os.fstat(file.fileno())
            written_at_ms = status.st_mtime_ns // 1_000_000 if position.offset == status.st_size else None
            return LogBatch(lines, position, True, lost, written_at_ms, more=budget_bytes <= 0)

    def lines_between(self, start: LogPosition, end: LogPosition) -> list[bytes] | None:
        """Return all lines between two positions; None if the file of either no longer exists."""
        with ExitStack() as files:
            chain, is_broken = self._chain(start, files, with_empty=True)
            last = next((index for index, (file, _) in enumerate(chain) if _has_position(file, end)), None)
            if is_broken or last is None:
                return None
            lines: list[bytes] = []
            for file, from_offset in chain[:last]:
                lines += _read_whole_lines(file, from_offset, _size(file))[0]
            file, from_offset = chain[last]
            if end.offset > from_offset:
                lines += _read_whole_lines(file, from_offset, end.offset - from_offset)[0]
            return lines

    def _chain(
        self, position: LogPosition, files: ExitStack, *, with_empty: bool = False
    ) -> tuple[list[tuple[BinaryIO, int]], bool]:
        """Return the files from the position on, oldest first, each with the offset to start at.

        The second value is whether the file of the position is gone although a current log exists.
        """
        current = self._open(self.path, files)
        if current is not None and _has_position(current, position):
            return [(current, position.offset)], False
        # Checked before the old file is read: a line that is written to the old file after this check comes too late
        # for any order of reading.
        current_has_lines = current is not None and (with_empty or _size(current) > 0)
        chain = self._rotated_from(position, files)
        if not chain:
            return ([(current, 0)] if current is not None else []), current is not None
        if current is not None and current_has_lines:
            chain.append((current, 0))
        return chain, False

    def _rotated_from(self, position: LogPosition, files: ExitStack) -> list[tuple[BinaryIO, int]]:
        """Return the rotated file of the position and those rotated after it, sorted by modification time."""
        siblings = [
            file for path in self._siblings() if (file := self._open(path, files)) is not None and _size(file) > 0
        ]
        siblings.sort(key=lambda file: os.fstat(file.fileno()).st_mtime_ns)
        own = next((file for file in reversed(siblings) if _has_position(file, position)), None)
        if own is None:
            return []
        chain = [(own, position.offset)]
        heads = {_head(own, HEAD_BYTES)}
        current = self._open(self.path, files)
        if current is not None:
            heads.add(_head(current, HEAD_BYTES))
        for file in siblings[siblings.index(own) + 1 :]:
            # A manual copy of a file in the chain has the same head and must not be read twice.
            if (head := _head(file, HEAD_BYTES)) not in heads:
                heads.add(head)
                chain.append((file, 0))
        return chain

    def _siblings(self) -> Iterable[Path]:
        try:
            names = os.listdir(self.path.parent)
        except OSError:
            return ()
        compressed_suffixes = (".gz", ".bz2", ".xz", ".zst")
        log_name = self.path.name
        return [
            self.path.parent / name
            for name in names
            if name != log_name and name.startswith(log_name) and not name.endswith(compressed_suffixes)
        ]

    @staticmethod
    def _open(path: Path, files: ExitStack) -> BinaryIO | None:
        try:
            return files.enter_context(path.open("rb"))
        except (FileNotFoundError, IsADirectoryError):
            return None


def _has_position(file: BinaryIO, position: LogPosition) -> bool:
    """Return whether the file is the one of the position and still has all bytes before it."""
    if _size(file) < position.offset:
        return False
    if position.offset == 0:
        return os.fstat(file.fileno()).st_ino == position.inode
    return _position(file, position.offset).head == position.head


def _read_whole_lines(file: BinaryIO, from_offset: int, budget_bytes: int) -> tuple[list[bytes], LogPosition]:
    """Return the whole lines within `budget_bytes`, and the position after them."""
    file.seek(from_offset)
    data = file.read(max(0, budget_bytes))
    complete = data.rfind(b"\n") + 1
    if not complete and len(data) > MAX_LINE_BYTES:
        complete = len(data)
    lines = data[:complete].split(b"\n")
    return (lines[:-1] if lines[-1] == b"" else lines), _position(file, from_offset + complete)


def _position(file: BinaryIO, offset: int) -> LogPosition:
    return LogPosition(os.fstat(file.fileno()).st_ino, offset, zlib.crc32(_head(file, min(offset, HEAD_BYTES))))


def _head(file: BinaryIO, length: int) -> bytes:
    file.seek(0)
    return file.read(length)


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
