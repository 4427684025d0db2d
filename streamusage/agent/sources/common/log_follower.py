"""Follows a log file through rotation, from a position that its caller keeps.

A position names the file by its first bytes, not by its name: a line begins with a time, so no two files begin alike,
and a file is found again after it was renamed, or copied and truncated, or when the disk got another device number.
Only whole lines are given out; the rest of an unfinished one waits. Everything here blocks on the disk.
"""

import logging
import os
import zlib
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, NamedTuple

LOG = logging.getLogger(__name__)

HEAD_BYTES = 256
"""How much of a file's beginning names it."""

BATCH_BYTES = 4 << 20
"""How much is read of the log at once, so that a long absence of the agent does not fill its memory."""

LONGEST_LINE_BYTES = 64 << 10


class LogPosition(NamedTuple):
    """A place between two lines of a log."""

    inode: int
    offset: int
    head: int
    """A checksum over the first bytes of the file, at most `HEAD_BYTES` and none after `offset`."""

    def __str__(self) -> str:
        return f"{self.inode}:{self.offset}:{self.head:08x}"

    @classmethod
    def parse(cls, text: str) -> "LogPosition | None":
        inode, _, rest = text.partition(":")
        offset, _, head = rest.partition(":")
        try:
            position = cls(int(inode), int(offset), int(head, 16))
        except ValueError:
            return None
        return position if min(position) >= 0 else None


class Batch(NamedTuple):
    """Whole lines, without their line ends, and the position after them."""

    lines: list[bytes]
    position: LogPosition
    found: bool
    """False where there is no log at all, neither under its name nor a rotated one."""
    lost: bool = False
    """Whether the file that was read last is gone, with what may have been written to it since."""


class LogFollower:
    """A log that is appended to by one program and rotated by another."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def end(self) -> LogPosition:
        """The position after the last whole line. Raises `OSError` where the file cannot be read."""
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            from_offset = max(0, size - LONGEST_LINE_BYTES)
            file.seek(from_offset)
            tail = file.read(size - from_offset)
            return _position(file, from_offset + tail.rfind(b"\n") + 1 if b"\n" in tail else from_offset)

    def last_line(self) -> bytes | None:
        """The last whole line, for a look at its format; `None` where there is none."""
        with self.path.open("rb") as file:
            file.seek(max(0, self.end().offset - LONGEST_LINE_BYTES))
            lines = file.read(LONGEST_LINE_BYTES).split(b"\n")
        return lines[-2] if len(lines) > 1 else None

    def read(self, position: LogPosition) -> Batch:
        """What was written since, at most `BATCH_BYTES` of it. Raises `OSError` where a file cannot be read.

        The rotated file is read to its end before the new one is begun, and the new one is begun only once it has a
        line: until then its writer may still have the old one open.
        """
        with ExitStack() as files:
            chain, broken = self._chain(position, files)
            if not chain:
                return Batch([], position, found=False)
            lost = broken and position.offset > 0
            if lost:
                LOG.warning(
                    "log_lines_lost path=%s detail='the file that was read last is gone, by rotation or truncation; "
                    "lines after its byte %d were not read; reading goes on with the present file'",
                    self.path,
                    position.offset,
                )
            lines: list[bytes] = []
            budget = BATCH_BYTES
            for file, from_offset in chain:
                unread = _size(file) - from_offset
                some, position = _whole_lines(file, from_offset, budget)
                lines += some
                budget -= unread
                if budget <= 0:
                    break
            return Batch(lines, position, found=True, lost=lost)

    def between(self, start: LogPosition, end: LogPosition) -> list[bytes] | None:
        """All lines from one position to another; `None` where the files of either cannot be found any more."""
        with ExitStack() as files:
            chain, broken = self._chain(start, files, with_empty=True)
            last = next((index for index, (file, _) in enumerate(chain) if _is_at(file, end)), None)
            if broken or last is None:
                return None
            lines: list[bytes] = []
            for file, from_offset in chain[:last]:
                lines += _whole_lines(file, from_offset, _size(file))[0]
            file, from_offset = chain[last]
            if end.offset > from_offset:
                lines += _whole_lines(file, from_offset, end.offset - from_offset)[0]
            return lines

    def _chain(
        self, position: LogPosition, files: ExitStack, *, with_empty: bool = False
    ) -> tuple[list[tuple[BinaryIO, int]], bool]:
        """The files from the position on, oldest first, each with the offset to begin at.

        Also whether the file of the position is not among them.
        """
        current = self._open(self.path, files)
        if current is not None and _is_at(current, position):
            return [(current, position.offset)], False
        # Whether the new file has begun is looked at before the old one is read: what is written to the old one after
        # that look is a line too late for any order of reading.
        current_begun = current is not None and (with_empty or _size(current) > 0)
        chain = self._rotated_from(position, files)
        if not chain:
            return ([(current, 0)] if current is not None else []), current is not None
        if current is not None and current_begun:
            chain.append((current, 0))
        return chain, False

    def _rotated_from(self, position: LogPosition, files: ExitStack) -> list[tuple[BinaryIO, int]]:
        """The rotated file of the position and those rotated after it, by the time of their last line."""
        siblings = [
            file for path in self._siblings() if (file := self._open(path, files)) is not None and _size(file) > 0
        ]
        siblings.sort(key=lambda file: os.fstat(file.fileno()).st_mtime_ns)
        own = next((file for file in reversed(siblings) if _is_at(file, position)), None)
        if own is None:
            return []
        chain = [(own, position.offset)]
        heads = {_head(own, HEAD_BYTES)}
        current = self._open(self.path, files)
        if current is not None:
            heads.add(_head(current, HEAD_BYTES))
        for file in siblings[siblings.index(own) + 1 :]:
            # Someone's copy of a log that is read anyway begins like it and is not read twice.
            if (head := _head(file, HEAD_BYTES)) not in heads:
                heads.add(head)
                chain.append((file, 0))
        return chain

    def _siblings(self) -> Iterable[Path]:
        try:
            names = os.listdir(self.path.parent)
        except OSError:
            return ()
        compressed = (".gz", ".bz2", ".xz", ".zst")
        own = self.path.name
        return [
            self.path.parent / name
            for name in names
            if name != own and name.startswith(own) and not name.endswith(compressed)
        ]

    @staticmethod
    def _open(path: Path, files: ExitStack) -> BinaryIO | None:
        try:
            return files.enter_context(path.open("rb"))
        except (FileNotFoundError, IsADirectoryError):
            return None


def _is_at(file: BinaryIO, position: LogPosition) -> bool:
    """Whether the file is the one of the position, and still has all that was before it."""
    if _size(file) < position.offset:
        return False
    if position.offset == 0:
        return os.fstat(file.fileno()).st_ino == position.inode
    return _position(file, position.offset).head == position.head


def _whole_lines(file: BinaryIO, from_offset: int, budget: int) -> tuple[list[bytes], LogPosition]:
    """The whole lines within `budget` bytes, and the position after them."""
    file.seek(from_offset)
    data = file.read(max(0, budget))
    complete = data.rfind(b"\n") + 1
    if not complete and len(data) > LONGEST_LINE_BYTES:
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
